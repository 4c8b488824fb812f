/** Who may do what: one pure function, deny by default, and one row per RPC. */
import type { Principal, SessionInfo } from "../events.ts";

export const roleNames = ["operator", "auditor", "admin"] as const;
export type RoleName = (typeof roleNames)[number];

/** A principal with the roles that his token gives him. */
export interface Caller extends Principal {
  readonly roles: ReadonlySet<RoleName>;
  /** His token came out of a link: it makes no links itself, or it could outlive its hours. */
  readonly byLink?: boolean;
}

export type Action =
  | "identify"
  | "link"
  | "list-targets"
  | "open"
  | "reattach"
  | "list-sessions"
  | "see"
  | "watch"
  | "know-watchers"
  | "kick"
  | "dismiss"
  | "list-recordings"
  | "replay"
  | "verify"
  | "export"
  | "delete-recording"
  | "recording-key";

/** For the one method that needs no token: it gives one. */
export const anyone = "anyone";

/** What an action needs of the caller alone, before any session is looked at. A method without a row stops the start. */
export const policyTable: Readonly<Record<string, Action | typeof anyone>> = {
  "bartizan.v1.AccessService/WhoAmI": "identify",
  "bartizan.v1.AccessService/CreateLink": "link",
  "bartizan.v1.AccessService/RedeemCode": anyone,
  "bartizan.v1.TargetService/ListTargets": "list-targets",
  "bartizan.v1.SessionService/Shell": "open",
  "bartizan.v1.SessionService/Watch": "watch",
  "bartizan.v1.SessionService/Kick": "kick",
  "bartizan.v1.SessionService/ListSessions": "list-sessions",
  "bartizan.v1.SessionService/WatchSessions": "list-sessions",
  "bartizan.v1.RecordingService/ListRecordings": "list-recordings",
  "bartizan.v1.RecordingService/GetRecording": "list-recordings",
  "bartizan.v1.RecordingService/Replay": "replay",
  "bartizan.v1.RecordingService/VerifyRecordings": "verify",
  "bartizan.v1.RecordingService/ExportRecording": "export",
  "bartizan.v1.RecordingService/DeleteRecording": "delete-recording",
  "bartizan.v1.RecordingService/GetRecordingKey": "recording-key",
};

/** Which roles may ever do it (to some session). */
const rolesFor: Readonly<Record<Action, readonly RoleName[]>> = {
  identify: roleNames,
  link: roleNames,
  "list-targets": roleNames,
  open: ["operator"],
  reattach: ["operator"],
  "list-sessions": roleNames,
  see: roleNames,
  watch: roleNames,
  // Where the config hides watchers from operators; else everybody who sees a session knows them.
  "know-watchers": ["auditor", "admin"],
  kick: ["operator", "admin"],
  // Taking somebody else off a session: an operator must not shake off who watches him.
  dismiss: ["admin"],
  "list-recordings": roleNames,
  replay: roleNames,
  verify: roleNames,
  export: roleNames,
  // Evidence: whoever is in it, or looks after it, does not remove it.
  "delete-recording": ["admin"],
  "recording-key": roleNames,
};

/** Who may do it to anybody's session; the rest only to their own. */
const toForeign: Readonly<Partial<Record<Action, readonly RoleName[]>>> = {
  see: ["auditor", "admin"],
  watch: ["auditor", "admin"],
  kick: ["admin"],
  "list-recordings": ["auditor", "admin"],
  replay: ["auditor", "admin"],
  verify: ["auditor", "admin"],
  export: ["auditor", "admin"],
  "delete-recording": ["admin"],
};

/** May the caller do this at all? */
export function mayEver(caller: Caller, action: Action): boolean {
  return rolesFor[action].some((role) => caller.roles.has(role));
}

/** May the caller do this to everybody's? */
export function mayToAll(caller: Caller, action: Action): boolean {
  return mayEver(caller, action) && (toForeign[action]?.some((role) => caller.roles.has(role)) ?? false);
}

/** May the caller do this to this session, or to its recording? */
export function may(caller: Caller, action: Action, session: Pick<SessionInfo, "operator">): boolean {
  if (!mayEver(caller, action)) return false;
  if (session.operator.name === caller.name) return true;
  return mayToAll(caller, action);
}
