/** What the commands room and the rooms around it say to each other. Types only. */
import type { CommandSeen, RecordingId, SessionEvent, SessionId, TermSize } from "../events.ts";

/** What the extractor is fed, in the order in which the session saw it. */
export type FeedEvent =
  | { readonly kind: "output"; readonly atMs: number; readonly bytes: Uint8Array }
  /** Bytes of the operator. Kept in memory alone, until the screen has answered them. */
  | { readonly kind: "input"; readonly atMs: number; readonly bytes: Uint8Array }
  | { readonly kind: "resize"; readonly atMs: number; readonly size: TermSize }
  /** Output that was left out without a trace: plain text that scrolled off the screen. */
  | { readonly kind: "skip"; readonly atMs: number; readonly bytes: number }
  /** Output that is missing here; `alternate` is the screen it left on, when it says so. */
  | { readonly kind: "gap"; readonly atMs: number; readonly bytes: number; readonly alternate: boolean | undefined };

/** One session's way into the extractor. No call waits or throws. */
export interface CommandTap {
  /** An event of the session, in order; what is no output and no resize is ignored. Bytes must not change afterwards. */
  event(event: SessionEvent): void;
  /** What the operator types, before it is sent to the target. */
  input(bytes: Uint8Array, atMs: number): void;
  /** The session is over. Resolves with the number of commands, once all are known and on their way to the store. */
  end(): Promise<number>;
}

/** Whose commands they are. */
export interface CommandOrigin {
  readonly sessionId: SessionId;
  readonly operator: string;
  readonly target: string;
  /** Wall clock, ms, of the session's opening. */
  readonly openedAtMs: number;
  /** Undefined while there is no recording. */
  readonly recordingId: () => RecordingId | undefined;
}

/** Makes taps; called for each session when it opens. `seen` is told each command, and again when more is known of it. */
export type OpenTap = (origin: CommandOrigin, size: TermSize, seen: (command: CommandSeen) => void) => CommandTap;

/** One command as it is stored. */
export interface StoredCommand extends CommandSeen {
  readonly sessionId: SessionId;
  readonly operator: string;
  readonly target: string;
  /** Wall clock, ms, of its entering. */
  readonly atMs: number;
  /** Empty: none. */
  readonly recordingId: string;
}

export interface CommandQuery {
  /** As people write it; words and "quoted phrases". */
  readonly text?: string;
  readonly operator?: string;
  readonly target?: string;
  readonly sessionId?: string;
  /** Wall clock, ms; `until` is no part of it. */
  readonly fromMs?: number;
  readonly untilMs?: number;
  readonly limit: number;
  /** The mark of the last command of the page before. */
  readonly after?: number;
}

/** Newest first; with `sessionId` in the order they were typed. `next`: mark for the next page, when there may be one. */
export interface CommandPage {
  readonly commands: readonly StoredCommand[];
  readonly next: number | undefined;
}

/** Every command of every session, searchable. Disposing writes down what waits. */
export interface CommandStore extends AsyncDisposable {
  /** Never waits. The same session and number again replaces. Order of calls is kept. */
  put(command: StoredCommand): void;
  /** Throws `invalid` for a text without a letter or digit; rejects with `draining` when the store closes. Sees every `put` before it. */
  search(query: CommandQuery, signal: AbortSignal): Promise<CommandPage>;
  /** Deletes the commands of a session; resolves when they are gone. */
  forget(sessionId: string): Promise<void>;
}
