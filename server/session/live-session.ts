/** A session as the outside sees it, held here or elsewhere. Interfaces only. */
import type {
  Attached,
  AttachmentId,
  EndCause,
  Frozen,
  Position,
  Principal,
  Role,
  SessionInfo,
  TermSize,
  View,
} from "../events.ts";

/** The right to type and resize. Void from the moment another takes it, the session ends or its holder is kicked. */
export interface Keyboard {
  /** False once it is void; for good. */
  readonly valid: boolean;
  /**
   * Passes the bytes on at once; resolves when the target took them over, which the view tells by "input-taken" every
   * 32 KiB. Rejects with `keyboard-taken` when this keyboard is void, with `limit` when 1 MiB is not taken over yet.
   */
  write(input: Uint8Array): Promise<void>;
  /** Throws as `write`. */
  resize(size: TermSize): void;
  /** Ends the session by the operator's wish. Throws as `write`. */
  hangUp(): void;
}

/** One open stream to a session. It lasts until the signal given to `attach` aborts or the view has ended. */
export interface Attachment {
  readonly self: Attached;
  /** The session as it was at `start`. */
  readonly info: SessionInfo;
  readonly start: Position;
  /** True when the view goes on exactly after the position asked for. */
  readonly resumed: boolean;
  /** May be iterated once. Ends after its "ended" item; throws the signal's reason when that aborts. */
  readonly view: View;
  /** Only an operator has one. */
  readonly keyboard: Keyboard | undefined;
  /** Puts a pong into the view; more than one that waits, or more than 4 a second, are left out. */
  ping(id: number): void;
  /** The viewer's terminal has parsed up to here. Throws `invalid` for an offset never sent; a step back is ignored. */
  acknowledge(offset: number): void;
}

export interface KickResult {
  readonly outcome: "ended" | "already-ended" | "unreachable";
  /** Watchers whose stream took the last word. */
  readonly watchersTold: number;
  readonly ended?: { readonly offset: number; readonly atMs: number; readonly cause: EndCause };
}

/** How an attachment wishes to be served. */
export interface AttachOptions {
  readonly from?: Position | undefined;
  /** False: bytes count as acknowledged when the stream took them. Watchers never acknowledge. */
  readonly acks?: boolean;
  /** The operator's own size; applied before the view begins. */
  readonly size?: TermSize | undefined;
  /** True: a watcher of whom operators are not to be told. */
  readonly hidden?: boolean;
}

export interface LiveSession {
  readonly info: SessionInfo;
  /** Aborting `signal` detaches. An operator takes the keyboard over from his former stream. */
  attach(who: Principal, role: Role, options: AttachOptions, signal: AbortSignal): Promise<Attachment>;
  /**
   * Answers only with what is known: a silence is "unreachable", never "ended". Repeating it is harmless. Throws
   * `not-found` for an attachment that is not here.
   */
  kick(whom: AttachmentId | "everyone", by: Principal, reason: string): Promise<KickResult>;
  /** Stops input. Resolves with who stopped it, and why: whoever did first. Rejects with `not-found` when it has ended. */
  freeze(by: Principal, reason: string): Promise<Frozen>;
  /** Gives it back; harmless when nothing was stopped. */
  unfreeze(by: Principal): Promise<void>;
}
