/** The words every room shares: sizes, people, positions, events, key frames, end causes. Types only, no behaviour. */

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

/** Names a session and its node; made by the server, never a permission. */
export type SessionId = Branded<"session">;
/** Names one open stream to a session; unique on its node. */
export type AttachmentId = Branded<"attachment">;

/** Names a recording: 32 small hexadecimal digits of its own. */
export type RecordingId = Branded<"recording">;

/** A terminal's size in character cells, each 1 to 1000. */
export interface TermSize {
  readonly cols: number;
  readonly rows: number;
}

/** Who is calling, after login. */
export interface Principal {
  readonly name: string;
}

/** What an attachment may do: an operator types, a watcher only sees. */
export type Role = "operator" | "watcher";

/** Output bytes before a point, and of which incarnation of the session. */
export interface Position {
  readonly epoch: string;
  readonly offset: number;
}

/** One open stream of one principal to one session. */
export interface Attached {
  readonly id: AttachmentId;
  readonly who: Principal;
  readonly role: Role;
  /** Wall clock, ms. */
  readonly sinceMs: number;
  /** A watcher of whom operators are not told. */
  readonly hidden?: boolean;
}

/** Why the bastion itself closed a session (or, "taken-over", one stream of it). */
export type ClosedReason =
  | "operator"
  | "grace-expired"
  | "draining"
  | "taken-over"
  | "fault"
  | "unrecorded"
  | "access-ended"
  | "idle"
  | "too-long";

/** How a session ended: exactly one. */
export type EndCause =
  | { readonly kind: "exited"; readonly code: number }
  | { readonly kind: "signalled"; readonly name: string }
  | { readonly kind: "lost"; readonly reason: string }
  | { readonly kind: "kicked"; readonly by: Principal; readonly reason: string }
  /** `detail` is a line for people. */
  | { readonly kind: "closed"; readonly why: ClosedReason; readonly detail?: string };

/** Something at an offset. `atMs` counts from the opening of the session, monotonic. */
export type SessionEvent = { readonly offset: number; readonly atMs: number } & (
  | { readonly kind: "output"; readonly bytes: Uint8Array }
  | { readonly kind: "resize"; readonly size: TermSize }
  | { readonly kind: "joined" | "left"; readonly who: Attached }
  | { readonly kind: "ended"; readonly cause: EndCause }
);

/**
 * The screen at an offset. A cleared terminal of `size` + these bytes + every later event = the screen at the target.
 * `approximate`: hostile output could not be modelled; the screen may differ until it is next cleared.
 */
export interface KeyFrame {
  readonly kind: "key-frame";
  readonly offset: number;
  readonly atMs: number;
  readonly size: TermSize;
  readonly bytes: Uint8Array;
  readonly skippedBytes: number;
  readonly approximate: boolean;
}

/** A word to one viewer, outside the session's own order. */
export interface Notice {
  readonly kind: "notice";
  readonly about: "connecting" | "banner" | "draining" | "info" | "recording" | "monitored" | "limit";
  readonly text: string;
}

/** To an operator alone: the target has taken over so many bytes of his stream's input. */
export interface InputTaken {
  readonly kind: "input-taken";
  readonly bytes: number;
}

/** To an operator alone: the answer to his ping, with the last known round trip between bastion and target. */
export interface Pong {
  readonly kind: "pong";
  readonly id: number;
  readonly targetMs: number | undefined;
}

/** How far a command's text can be trusted: said by the shell itself, read at a prompt, or as typed and shown. */
export type CommandConfidence = "declared" | "observed" | "typed";

/** A command that was typed. Never what was typed without being shown. A later one with the same number replaces it. */
export interface CommandSeen {
  /** Counts from 1 within its session. */
  readonly number: number;
  /** Lines are separated by line feeds; no other control characters. */
  readonly text: string;
  /** Empty while the shell does not say. */
  readonly cwd: string;
  /** When it was entered; ms since the session was opened. */
  readonly startedMs: number;
  /** When the next prompt came. */
  readonly endedMs?: number;
  readonly exitCode?: number;
  /** Offsets of the output between the command and the next prompt. */
  readonly outputFrom: number;
  readonly outputTo: number;
  readonly confidence: CommandConfidence;
}

/** To watchers alone: a command was entered, or more is known of one. */
export interface CommandWord {
  readonly kind: "command";
  readonly command: CommandSeen;
}

/** Whether the node that holds a session can be heard: this node may be cut off ("stale"), or the holder ("unreachable"). */
export type Reach = "live" | "stale" | "unreachable";

/** To watchers of a session on another node: how far its holder can be heard has changed. */
export interface ReachWord {
  readonly kind: "reach";
  readonly reach: Reach;
  /** A line for people. */
  readonly text: string;
}

/** Who stopped a session's input, and why. */
export interface Frozen {
  readonly by: Principal;
  readonly reason: string;
  /** Wall clock, ms. */
  readonly sinceMs: number;
}

/** The session's input was stopped, or given back. */
export interface FreezeWord {
  readonly kind: "freeze";
  /** Undefined: it was given back. */
  readonly frozen: Frozen | undefined;
  readonly by: Principal;
}

export type ViewItem = KeyFrame | SessionEvent | Notice | InputTaken | Pong | CommandWord | ReachWord | FreezeWord;

/** Begins with a key frame or at the position asked for; a further key frame means "you had lagged". */
export type View = AsyncIterable<ViewItem>;

export type SessionState = "attached" | "detached" | "ended";

/** One session as the outside sees it; a value, made anew at each change. */
export interface SessionInfo {
  readonly id: SessionId;
  readonly epoch: string;
  readonly target: string;
  readonly targetUser: string;
  /** The target's, when the session was opened. */
  readonly labels: Readonly<Record<string, string>>;
  readonly operator: Principal;
  readonly node: string;
  /** Wall clock, ms. */
  readonly openedAtMs: number;
  readonly activeAtMs: number;
  readonly size: TermSize;
  readonly state: SessionState;
  readonly attachments: readonly Attached[];
  readonly outputBytes: number;
  /** True while everything shown is also recorded. */
  readonly recorded: boolean;
  readonly recordingId?: RecordingId;
  /** Its input is stopped. */
  readonly frozen?: Frozen;
  /** Its holder gives no sign of life: all this is the last that was known. */
  readonly unreachable?: boolean;
  readonly ended?: { readonly offset: number; readonly atMs: number; readonly cause: EndCause };
}
