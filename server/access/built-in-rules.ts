/** The rules that hold when the config writes none, those that always do, and the words that written rules use. */
import { type Action, actions, type RoleName, type Rule, roleNames } from "./policy.ts";

function rule(name: string, roles: readonly RoleName[], whose: Rule["whose"], about: readonly Action[]): Rule {
  return { name, effect: "allow", actions: new Set(about), roles, whose };
}

/** For everybody with a role: to ask who he is, and for lists, which hold what the other rules let him see. */
export const baseRules: readonly Rule[] = [
  rule("everybody", roleNames, "any", [
    ...(["identify", "link", "list-targets", "list-sessions", "list-locks", "recording-key"] as const),
  ]),
  rule("own tokens", roleNames, "own", ["tokens"]),
];

const recorded = ["list-recordings", "replay", "verify", "export"] as const;

export const builtInRules: readonly Rule[] = [
  rule("everybody sees targets", roleNames, "any", ["see-target"]),
  rule("everybody sees his own", roleNames, "own", ["see", "watch", ...recorded]),
  rule("operators open shells", ["operator"], "own", ["open", "reattach", "kick"]),
  rule("auditors and admins see all", ["auditor", "admin"], "any", ["see", "watch", "know-watchers", ...recorded]),
  rule("auditors and admins read the audit log", ["auditor", "admin"], "any", ["audit"]),
  // Evidence: whoever is in it, or looks after it, does not remove it. An operator must not shake off who watches him.
  rule("admins manage", ["admin"], "any", ["kick", "dismiss", "freeze", "lock", "delete-recording", "tokens"]),
];

/** A word of the config: what allowing it gives, and what denying it takes away. */
export interface ActionWord {
  readonly gives: readonly Action[];
  readonly takes: readonly Action[];
}

const all = Object.keys(actions) as Action[];
const ofTargets = all.filter((action) => actions[action] !== "alone" && action !== "tokens");

export const actionWords = {
  open: { gives: ["open", "reattach", "see-target"], takes: ["open", "reattach"] },
  see: { gives: ["see", "see-target"], takes: ofTargets },
  watch: { gives: ["watch", "see"], takes: ["watch"] },
  "know-watchers": { gives: ["know-watchers"], takes: ["know-watchers"] },
  replay: { gives: recorded, takes: recorded },
  kick: { gives: ["kick", "see"], takes: ["kick"] },
  freeze: { gives: ["freeze", "see"], takes: ["freeze"] },
  lock: { gives: ["lock"], takes: ["lock"] },
  manage: {
    gives: ["kick", "dismiss", "freeze", "lock", "delete-recording", "see", "see-target", "list-recordings", "tokens"],
    takes: ["kick", "dismiss", "freeze", "lock", "delete-recording", "tokens"],
  },
  audit: { gives: ["audit", "know-watchers"], takes: ["audit"] },
  all: { gives: all, takes: all.filter((action) => action !== "identify") },
} as const satisfies Readonly<Record<string, ActionWord>>;
export type ActionWordName = keyof typeof actionWords;
export const actionWordNames = Object.keys(actionWords) as ActionWordName[];

/** The rules in force: those always, and the written ones, or without any the built-in ones. */
export function rulesFrom(written: readonly Rule[]): readonly Rule[] {
  return [...baseRules, ...(written.length === 0 ? builtInRules : written)];
}
