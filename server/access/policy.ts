/** Who may do what: one pure decision, denied unless a rule allows it, a denying rule before any other; one row per RPC. */
import type { SignInWay } from "../audit.ts";
import type { Principal } from "../events.ts";

export const roleNames = ["operator", "auditor", "admin"] as const;
export type RoleName = (typeof roleNames)[number];

/** A principal with the roles that his token gives him. */
export interface Caller extends Principal {
  readonly roles: ReadonlySet<RoleName>;
  /** His token came out of a link: it makes no links itself, or it could outlive its hours. */
  readonly byLink?: boolean;
  /** The id of the API token that he came by: it gives nothing that would outlive it. */
  readonly byToken?: string;
  /** For the audit log, and for who asks who he is. */
  readonly signedIn?: SignInWay;
  /** What his token is for; without it, all that he may. */
  readonly scope?: Scope;
}

/** Narrows what its owner may; never widens it. */
export interface Scope {
  readonly actions?: ReadonlySet<Action>;
  readonly targets?: readonly string[];
  readonly labels?: Labels;
}

/** What an action needs beyond its caller: "alone" nothing, "target" a target, "owned" something that is somebody's. */
export const actions = {
  identify: "alone",
  link: "alone",
  "list-targets": "alone",
  "list-sessions": "alone",
  "list-locks": "alone",
  "recording-key": "alone",
  "see-target": "target",
  open: "target",
  reattach: "owned",
  see: "owned",
  watch: "owned",
  "know-watchers": "owned",
  kick: "owned",
  dismiss: "owned",
  freeze: "owned",
  lock: "target",
  "list-recordings": "owned",
  replay: "owned",
  verify: "owned",
  export: "owned",
  "delete-recording": "owned",
  tokens: "owned",
  audit: "alone",
} as const satisfies Readonly<Record<string, "alone" | "target" | "owned">>;
export type Action = keyof typeof actions;

/** These show something of everything, whosever it is and wherever: nothing that is narrowed to a part gives them. */
export const undivided: ReadonlySet<Action> = new Set(["audit"]);

/** For the methods that need no token: they give one. */
export const anyone = "anyone";

/** What an action needs of the caller alone, before anything is looked at. A method without a row stops the start. */
export const policyTable: Readonly<Record<string, Action | typeof anyone>> = {
  "bartizan.v1.AccessService/WhoAmI": "identify",
  "bartizan.v1.AccessService/CreateLink": "link",
  "bartizan.v1.AccessService/RedeemCode": anyone,
  "bartizan.v1.AccessService/CreateToken": "tokens",
  "bartizan.v1.AccessService/ListTokens": "tokens",
  "bartizan.v1.AccessService/RevokeToken": "tokens",
  "bartizan.v1.AccessService/GetSignInWays": anyone,
  "bartizan.v1.AccessService/BeginLogin": anyone,
  "bartizan.v1.AccessService/PollLogin": anyone,
  "bartizan.v1.AccessService/GetLogin": "tokens",
  "bartizan.v1.AccessService/AnswerLogin": "tokens",
  "bartizan.v1.AccessService/Logout": "identify",
  "bartizan.v1.TargetService/ListTargets": "list-targets",
  "bartizan.v1.SessionService/Shell": "open",
  "bartizan.v1.SessionService/Watch": "watch",
  "bartizan.v1.SessionService/Kick": "kick",
  "bartizan.v1.SessionService/Freeze": "freeze",
  "bartizan.v1.SessionService/Unfreeze": "freeze",
  "bartizan.v1.SessionService/ListSessions": "list-sessions",
  "bartizan.v1.SessionService/WatchSessions": "list-sessions",
  "bartizan.v1.RecordingService/ListRecordings": "list-recordings",
  "bartizan.v1.RecordingService/GetRecording": "list-recordings",
  "bartizan.v1.RecordingService/Replay": "replay",
  "bartizan.v1.RecordingService/VerifyRecordings": "verify",
  "bartizan.v1.RecordingService/ExportRecording": "export",
  "bartizan.v1.RecordingService/DeleteRecording": "delete-recording",
  "bartizan.v1.RecordingService/GetRecordingKey": "recording-key",
  "bartizan.v1.CommandService/SearchCommands": "replay",
  "bartizan.v1.LockService/SetLock": "lock",
  "bartizan.v1.LockService/LiftLock": "lock",
  "bartizan.v1.LockService/ListLocks": "list-locks",
  "bartizan.v1.AuditService/SearchAudit": "audit",
  "bartizan.v1.AuditService/FollowAudit": "audit",
};

/** A label's value or one of several; "*": any. */
export type Labels = Readonly<Record<string, string | readonly string[]>>;

/** What somebody wants to do something to. A part that is undefined is not known: no allowing rule asks it in vain. */
export interface Resource {
  /** Whose it is; undefined for what is nobody's, as a target. */
  readonly owner?: string | undefined;
  readonly target?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

/** One written rule. Every condition that it names has to hold. */
export interface Rule {
  readonly name: string;
  readonly effect: "allow" | "deny";
  readonly actions: ReadonlySet<Action>;
  /** One of these; undefined: whoever has a role. */
  readonly roles?: readonly RoleName[] | undefined;
  readonly users?: readonly string[] | undefined;
  readonly whose: "own" | "others" | "any";
  /** Names of targets, `*` for any letters. */
  readonly targets?: readonly string[] | undefined;
  readonly labels?: Labels | undefined;
}

export interface Decision {
  readonly allowed: boolean;
  /** The name of the rule that decided; empty when none did. */
  readonly rule: string;
  /** One sentence for people. */
  readonly why: string;
}

/**
 * May the caller do this to that? `resource` undefined asks whether there can be anything to which he may. What is not
 * known of a resource counts against him: no allowing rule that asks for it holds, and every denying one does.
 */
export function decide(
  caller: Caller,
  action: Action,
  resource: Resource | undefined,
  rules: readonly Rule[],
): Decision {
  const barred = barrier(caller, action, resource);
  if (barred !== undefined) return { allowed: false, rule: "", why: barred };
  let allowing: Rule | undefined;
  for (const rule of rules) {
    if (rule.effect === "allow" && allowing !== undefined) continue;
    if (mismatch(rule, caller, action, resource) !== undefined) continue;
    if (rule.effect === "deny") return { allowed: false, rule: rule.name, why: `the rule "${rule.name}" denies it` };
    allowing = rule;
  }
  if (allowing === undefined) return { allowed: false, rule: "", why: "no rule allows it" };
  return { allowed: true, rule: allowing.name, why: `the rule "${allowing.name}" allows it` };
}

/** May the caller do this to something that is not his? Narrows look-ups; each thing found is still decided by itself. */
export function mayReachOthers(caller: Caller, action: Action, rules: readonly Rule[]): boolean {
  return rules.some(
    (rule) =>
      rule.effect === "allow" && rule.whose !== "own" && mismatch(rule, caller, action, undefined) === undefined,
  );
}

/** What no rule can allow. */
function barrier(caller: Caller, action: Action, resource: Resource | undefined): string | undefined {
  if (caller.roles.size === 0) return "he has no role";
  if (action === "link" && caller.byLink === true) return "who came by a link makes none";
  if (action === "link" && caller.byToken !== undefined) return "who came by an API token makes no link";
  if (action === "reattach" && resource !== undefined && resource.owner !== caller.name)
    return "nobody types in a session of somebody else";
  const { scope } = caller;
  if (scope === undefined || action === "identify") return undefined;
  if (scope.actions?.has(action) === false) return "his token is not for that";
  if (undivided.has(action) && (scope.targets ?? scope.labels) !== undefined) return "his token is for a part alone";
  if (resource === undefined || actions[action] === "alone") return undefined;
  if (scope.targets !== undefined && !hasName(scope.targets, resource.target)) return "his token is for other targets";
  if (scope.labels !== undefined && !hasLabels(scope.labels, resource.labels)) return "his token is for other labels";
  return undefined;
}

/** Why the rule does not apply; undefined when it does. */
export function mismatch(
  { effect, actions: about, roles, users, whose, targets, labels }: Rule,
  caller: Caller,
  action: Action,
  resource: Resource | undefined,
): string | undefined {
  if (!about.has(action)) return "it is about something else";
  if (roles !== undefined && !roles.some((role) => caller.roles.has(role))) return `it is for ${roles.join(", ")}`;
  if (users !== undefined && !users.includes(caller.name)) return "it is for other users";
  const denies = effect === "deny";
  const narrow = whose !== "any" || targets !== undefined || labels !== undefined;
  if (narrow && !denies && undivided.has(action)) return "it gives a part alone, and this shows everything";
  if (resource === undefined) {
    return denies && narrow && actions[action] !== "alone" ? "it denies only some" : undefined;
  }
  if (actions[action] === "alone") return undefined;
  const { owner } = resource;
  const [own, others] =
    actions[action] === "target"
      ? [true, false]
      : [owner === caller.name, owner !== undefined && owner !== caller.name];
  const unknown = denies && !own && !others;
  if (whose === "own" && !own && !unknown) return "it is about one's own";
  if (whose === "others" && !others && !unknown) return "it is about what others own";
  if (targets !== undefined && !(resource.target === undefined ? denies : hasName(targets, resource.target)))
    return "it is about other targets";
  if (labels !== undefined && !(resource.labels === undefined ? denies : hasLabels(labels, resource.labels)))
    return "it is about other labels";
  return undefined;
}

/** Whether the rule can be about this target. */
export function isAbout(
  { targets, labels }: Pick<Rule, "targets" | "labels">,
  target: { readonly name: string; readonly labels: Readonly<Record<string, string>> },
): boolean {
  return (
    (targets === undefined || hasName(targets, target.name)) &&
    (labels === undefined || hasLabels(labels, target.labels))
  );
}

function hasName(patterns: readonly string[], name: string | undefined): boolean {
  return name !== undefined && patterns.some((pattern) => fits(pattern, name));
}

/** `*` stands for any letters. Linear in the name: the parts between stars are looked for from left to right. */
function fits(pattern: string, name: string): boolean {
  const [first = "", ...parts] = pattern.split("*");
  const last = parts.pop();
  if (last === undefined) return pattern === name;
  if (!name.startsWith(first) || !name.endsWith(last) || name.length < first.length + last.length) return false;
  let at = first.length;
  for (const part of parts) {
    const found = name.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return at <= name.length - last.length;
}

function hasLabels(wanted: Labels, labels: Readonly<Record<string, string>> | undefined): boolean {
  return Object.entries(wanted).every(([key, values]) => {
    if (labels === undefined || !Object.hasOwn(labels, key)) return false;
    const value = labels[key] ?? "";
    return values === "*" || values === value || (Array.isArray(values) && values.includes(value));
  });
}
