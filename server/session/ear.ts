/** How a session is overheard without a seat, and who sits elsewhere: what a node's part in a group needs of a session. */
import type {
  Attached,
  AttachmentId,
  CommandWord,
  EndCause,
  FreezeWord,
  KeyFrame,
  Notice,
  SessionEvent,
} from "../events.ts";
import type { Told } from "./told.ts";

type Ended = SessionEvent & { readonly kind: "ended" };

/** Hears what a watcher would, at once and in order. No call may wait or throw; bytes must not be changed. */
export interface Ear {
  event(event: Exclude<SessionEvent, Ended>): void;
  word(word: Notice | CommandWord | FreezeWord): void;
  /** Once, and nothing after it. `ahead`: it overtakes what waits. Says who was told. */
  ended(event: Ended, ahead: boolean): readonly Told[];
}

/** A session that is overheard; disposing stops that. */
export interface Overhearing extends Disposable {
  /** After the last output that was told. */
  readonly offset: number;
  /** The screen at `offset` of this moment. Rejects when the session is over. */
  keyFrame(): Promise<KeyFrame>;
  /** Everything after `offset`, as `Ring.since`. */
  since(offset: number): SessionEvent[] | undefined;
}

/** Somebody who watches through another node: on the desk like everybody, and shown the door there. */
export interface SeatElsewhere {
  readonly attached: Attached;
  /** His view ends with the cause; resolves with whether he took the last word. Undefined: his node was silent. */
  readonly dismiss: (
    id: AttachmentId,
    ended: { offset: number; atMs: number; cause: EndCause },
  ) => Promise<boolean | undefined>;
}
