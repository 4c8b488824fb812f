/** The audit log as every room sees it: the closed list of what is noted, and the one call that notes it. */
import type { RecordingId, SessionId } from "./events.ts";

/** How somebody signed in: by the server's own token, a token of the config, a link to the page, ... */
export type SignInWay = "local-token" | "token" | "link" | "api-token" | "oidc" | "device";

/** Who does it, from where, and how he signed in. */
export interface Actor {
  readonly name: string;
  /** The far end of his connection. */
  readonly address?: string | undefined;
  readonly signedIn?: SignInWay | undefined;
  /** The public id of the API token that he came by. */
  readonly byToken?: string | undefined;
}

/** What every event may say. Who: `actor`, or only a name in `who` (whose session it is). */
interface AboutEvent {
  readonly actor?: Actor | undefined;
  readonly who?: string | undefined;
  readonly target?: string | undefined;
  readonly session?: SessionId | undefined;
  readonly recording?: RecordingId | undefined;
  /** Why it came out as it did: a fault's word, an end cause, a reason that was given. */
  readonly cause?: string | undefined;
}

interface ByActor {
  readonly actor: Actor;
}
interface InSession {
  readonly session: SessionId;
  readonly target: string;
}
interface OfRecording {
  readonly recording: RecordingId;
}

/** What each event says besides. The list is closed: docs/audit.md describes each, and a test holds the two together. */
interface EventDetails {
  "log-opened": {
    readonly previous: "none" | "closed" | "crashed" | "cut" | "altered";
    readonly tornBytes: number;
  };
  checkpoint: { readonly key: string; readonly sig: string; readonly last?: boolean };
  "events-lost": { readonly lost: number; readonly firstAtMs: number };
  "clock-jumped": { readonly byMs: number };

  "server-started": { readonly version: string; readonly config: string };
  "config-loaded": { readonly config: string };
  "config-refused": { readonly cause: string };
  "policy-loaded": { readonly config: string };
  "drain-started": { readonly sessions: number };
  "drain-ended": { readonly sessions: number };

  "login-ok": ByActor;
  "login-failed": { readonly address: string; readonly claimed?: string | undefined; readonly times?: number };
  "login-throttled": { readonly address: string; readonly times?: number };
  logout: ByActor;
  "link-made": ByActor;
  "device-code-issued": { readonly address: string };
  "device-code-approved": ByActor;
  "device-code-denied": ByActor;
  "token-created": ByActor & { readonly token: string; readonly owner: string };
  "token-used-from-new-source": ByActor & { readonly token: string; readonly owner: string };
  "token-revoked": ByActor & { readonly token: string; readonly owner: string };
  "rights-changed": { readonly whose: string };
  "call-refused": ByActor & { readonly method: string };
  "cross-site-refused": { readonly address: string; readonly times?: number };

  "session-requested": ByActor & { readonly target: string };
  "session-refused": ByActor & { readonly target: string; readonly cause: string };
  "session-started": ByActor & InSession & { readonly hostKey?: string; readonly algorithms?: string };
  "session-attached": ByActor & InSession & { readonly attachment: string };
  "session-resumed": ByActor & InSession & { readonly attachment: string };
  "session-detached": ByActor & InSession & { readonly attachment: string };
  "session-ended": InSession & { readonly cause: string; readonly outputBytes: number };
  "session-limit-hit": InSession & { readonly cause: string };
  "address-refused": { readonly target: string; readonly cause: string };
  "host-key-new": { readonly target: string; readonly fingerprint: string };
  "host-key-changed": { readonly target: string };
  "host-key-refused": { readonly target: string };

  "watch-started": ByActor & InSession & { readonly attachment: string };
  "watch-stopped": ByActor & InSession & { readonly attachment: string };
  "kick-requested": ByActor & InSession & { readonly reason: string; readonly attachment?: string };
  "kick-confirmed": ByActor & InSession;
  "kick-unconfirmed": ByActor & InSession & { readonly cause: string };
  /** `bars`: the user, the role, both, or "everybody"; `target`: where, without it everywhere. */
  "lock-set": ByActor & {
    readonly lock: string;
    readonly reason: string;
    readonly bars: string;
    /** Wall clock, ms. */
    /** ISO 8601; without it, until it is lifted. */
    readonly until?: string;
  };
  "lock-lifted": ByActor & { readonly lock: string };
  "lock-stale": { readonly lock?: string };
  "session-frozen": ByActor & InSession & { readonly reason: string };
  "session-thawed": ByActor & InSession;

  "recording-opened": OfRecording & { readonly target: string; readonly mode: string };
  "recording-degraded": OfRecording & { readonly detail: string };
  "recording-failed": OfRecording & { readonly detail: string };
  "recording-recovered": OfRecording & { readonly detail: string };
  /** `seal`: the hash of the final seal. */
  "recording-sealed": OfRecording & { readonly seal: string; readonly cause: string };
  "recording-reconciled": OfRecording & { readonly seal: string; readonly cause: string };
  "recording-missing": OfRecording;
  "recording-viewed": ByActor & OfRecording & { readonly fromMs: number };
  "recording-exported": ByActor & OfRecording & { readonly format: string };
  "recording-verified": ByActor & OfRecording & { readonly verdict: string };
  "recording-verify-failed": ByActor & OfRecording & { readonly verdict: string; readonly detail: string };
  "recording-expired": OfRecording & { readonly seal?: string; readonly reason: string };
  "recording-deleted": ByActor & OfRecording & { readonly seal?: string; readonly reason: string };
  "reserve-hit": { readonly freeBytes: number };

  "commands-searched": ByActor & { readonly text: string };
  "audit-searched": ByActor;
  "audit-followed": ByActor;
  "export-lost": { readonly exporter: string; readonly bytes: number };

  "bus-gap": { readonly detail: string; readonly times?: number };
  "bus-forged": { readonly detail: string; readonly times?: number };
  "redis-lost": { readonly cause: string; readonly times?: number };
  "redis-back": { readonly awayMs: number };
}

export type AuditWord = keyof EventDetails;

/** One thing that happened: `{ event: "kick-requested", actor, session, target, reason }`. */
export type AuditEvent = {
  [Word in AuditWord]: { readonly event: Word } & EventDetails[Word] & AboutEvent;
}[AuditWord];

/** "asked": what came of it is told by another event; "unknown": nobody could say. */
export type AuditOutcome = "ok" | "asked" | "refused" | "failed" | "unknown";

/** Every event, and how what it tells came out. */
export const auditOutcome: Readonly<Record<AuditWord, AuditOutcome>> = {
  ...{ "log-opened": "ok", checkpoint: "ok", "events-lost": "failed", "clock-jumped": "failed" },
  ...{ "server-started": "ok", "config-loaded": "ok", "config-refused": "refused", "policy-loaded": "ok" },
  ...{ "drain-started": "asked", "drain-ended": "ok" },
  ...{ "login-ok": "ok", "login-failed": "refused", "login-throttled": "refused", logout: "ok", "link-made": "ok" },
  ...{ "device-code-issued": "asked", "device-code-approved": "ok", "device-code-denied": "refused" },
  ...{ "token-created": "ok", "token-used-from-new-source": "ok", "token-revoked": "ok", "rights-changed": "ok" },
  ...{ "call-refused": "refused", "cross-site-refused": "refused" },
  ...{ "session-requested": "asked", "session-refused": "refused", "session-started": "ok" },
  ...{ "session-attached": "ok", "session-resumed": "ok", "session-detached": "ok", "session-ended": "ok" },
  ...{ "session-limit-hit": "ok", "address-refused": "refused" },
  ...{ "host-key-new": "ok", "host-key-changed": "refused", "host-key-refused": "refused" },
  ...{ "watch-started": "ok", "watch-stopped": "ok" },
  ...{ "kick-requested": "asked", "kick-confirmed": "ok", "kick-unconfirmed": "unknown" },
  ...{ "lock-set": "ok", "lock-lifted": "ok", "lock-stale": "unknown", "session-frozen": "ok", "session-thawed": "ok" },
  ...{ "recording-opened": "ok", "recording-degraded": "failed", "recording-failed": "failed" },
  ...{ "recording-recovered": "ok", "recording-sealed": "ok", "recording-reconciled": "ok" },
  ...{ "recording-missing": "failed", "recording-viewed": "ok", "recording-exported": "ok" },
  ...{ "recording-verified": "ok", "recording-verify-failed": "failed" },
  ...{ "recording-expired": "ok", "recording-deleted": "ok", "reserve-hit": "failed" },
  ...{ "commands-searched": "ok", "audit-searched": "ok", "audit-followed": "ok", "export-lost": "failed" },
  ...{ "bus-gap": "failed", "bus-forged": "refused", "redis-lost": "failed", "redis-back": "ok" },
};

/** Notes what happens. `write` before what must not happen unnoted; `note` for what happened anyway, or must not be hindered. */
export interface Audit {
  /** Written when it returns, on the disk within a second. Throws `recorder-lost` when it cannot be written. */
  write(event: AuditEvent): void;
  /** As `write`, and never throws: what cannot be written is told in the server's log, and counted in the next line that can. */
  note(event: AuditEvent): void;
  /** Throws `recorder-lost` while the log cannot be written: no session begins that could not be accounted for. */
  assertWritable(): void;
}
