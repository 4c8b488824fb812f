/** What the recording room and the rooms around it say to each other: what is recorded, and who takes it. Types only. */
import type { BartizanFault } from "../errors.ts";
import type {
  EndCause,
  KeyFrame,
  Notice,
  Principal,
  RecordingId,
  SessionEvent,
  SessionId,
  SessionInfo,
  TermSize,
} from "../events.ts";

/** Strict: no recorder, no shell. Best effort: the shell goes on without, loudly. */
export type RecordingMode = "strict" | "best-effort";

/** How a recording ended; "incomplete" is written by the next start after a crash. */
export type RecordedCause = EndCause | { readonly kind: "incomplete" };

/** What is known of a recording when it begins: its `start` line, and its row in the catalogue. */
export interface RecordingStart {
  readonly id: RecordingId;
  readonly sessionId: SessionId;
  readonly epoch: string;
  readonly node: string;
  readonly operator: Principal;
  readonly target: string;
  readonly targetUser: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Wall clock, ms, of the session's opening. */
  readonly startedAtMs: number;
  readonly size: TermSize;
  readonly mode: RecordingMode;
}

/** "live" while the session runs; the rest as in recording.proto. */
export type RecordingState = "live" | "sealed" | "incomplete" | "damaged" | "missing";

/** One recording as the catalogue knows it. */
export interface RecordingInfo extends RecordingStart {
  readonly state: RecordingState;
  readonly durationMs: number;
  readonly outputBytes: number;
  /** As it lies on the disk. */
  readonly fileBytes: number;
  readonly compressed: boolean;
  readonly commands: number;
  readonly cause?: RecordedCause;
  /** The final seal's hash. */
  readonly seal?: string;
}

/** What the recorder asks of the session it records. */
export interface RecordedSession {
  /** The screen right after everything shown so far. */
  keyFrame(): Promise<KeyFrame>;
  /** A word to everybody attached. It comes back by `append`. */
  tell(text: string): void;
  /** Ends the session, which cannot be recorded any longer; the fault's sentence is told. */
  end(fault: BartizanFault): void;
  /** `recording` or `warning` is another one than before. */
  changed(): void;
}

/** One session's recorder. Calls keep their order; nothing is held back that was appended. */
export interface Recorder {
  readonly id: RecordingId;
  readonly mode: RecordingMode;
  /** False once what is shown is not recorded any more (best effort). */
  readonly recording: boolean;
  /** What everybody who attaches is to be told about this recording: a line, or nothing. */
  readonly warning: string | undefined;
  /** The shell is open: from here on there is something to keep. */
  opened(): void;
  /**
   * Writes the event down. undefined: done; else wait for it before anybody is shown the event. Throws or rejects with
   * `recorder-lost` in strict mode only. Ownership of bytes stays with the caller, who must not change them.
   */
  append(event: SessionEvent | (Notice & { readonly atMs: number })): Promise<void> | undefined;
  /**
   * Right after the screen took what was appended: undefined, or what wants the key frame of exactly this point. Never
   * while an append is under way.
   */
  wantsKeyFrame(atMs: number): ((frame: KeyFrame) => void) | undefined;
  /**
   * The last call. Resolves when the final seal is on the disk; rejects with `recorder-lost` in strict mode only. A
   * recording whose shell never opened is removed instead: nobody was shown anything.
   */
  seal(cause: EndCause, atMs: number): Promise<void>;
}

/** Makes recorders. */
export interface Recorders {
  /** Before anything is dialled. Throws `recorder-lost` when a strict recording cannot begin, or the disk is nearly full. */
  create(info: SessionInfo, labels: Readonly<Record<string, string>>, session: RecordedSession): Promise<Recorder>;
}
