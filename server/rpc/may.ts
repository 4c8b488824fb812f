/** What a caller may do to one thing, as the lists tell it: the page then shows no dead buttons. Decides nothing. */
import type { Action, Caller, Resource } from "../access/policy.ts";
import type { Rights } from "../access/rights.ts";

const actions = {
  session: ["watch", "kick", "dismiss", "freeze", "lock", "reattach", "replay"],
  target: ["open", "lock"],
  recording: ["replay", "verify", "export", "delete-recording"],
} as const satisfies Readonly<Record<string, readonly Action[]>>;

const ever = [
  ...(["link", "open", "watch", "kick", "freeze", "lock", "replay", "delete-recording"] as const),
  ...(["know-watchers", "audit", "tokens"] as const),
];

export function mayDo(rights: Rights, caller: Caller, kind: keyof typeof actions, resource: Resource): Action[] {
  return actions[kind].filter((action) => rights.may(caller, action, resource));
}

/** To anything at all; "watch-others" and "tokens-of-others": also to what is not his. */
export function mayDoEver(rights: Rights, caller: Caller): string[] {
  return [
    ...ever.filter((action) => rights.mayEver(caller, action)),
    ...(rights.mayReachOthers(caller, "watch") ? ["watch-others"] : []),
    ...(rights.mayReachOthers(caller, "tokens") ? ["tokens-of-others"] : []),
  ];
}
