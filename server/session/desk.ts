/** The attachments of a session and who has the keyboard; everything published reaches every viewer, and nobody waits. */
import { randomBytes } from "node:crypto";
import { BartizanFault } from "../errors.ts";
import type {
  Attached,
  AttachmentId,
  CommandWord,
  EndCause,
  FreezeWord,
  KeyFrame,
  Notice,
  Principal,
  Role,
  SessionEvent,
  TermSize,
} from "../events.ts";
import type { Clock } from "../flow/clock.ts";
import type { Ear, SeatElsewhere } from "./ear.ts";
import type { Told } from "./told.ts";
import { Viewer } from "./viewer.ts";

/** The operator's terminal may lack this much before the target has to wait ... */
const waitAboveBytes = 256 * 1024;
/** ... until it lacks no more than this: far enough below to go on in strides, near enough that nothing runs dry. */
const goOnBelowBytes = 192 * 1024;
/** An interrupt key drops what waits for the operator when the target waits for him, or when it is more than this. */
const dropOnInterruptBytes = 64 * 1024;

/** One attachment as the desk keeps it. */
export interface Seat {
  readonly attached: Attached;
  readonly viewer: Viewer;
  /** False: what the stream took counts as parsed. */
  readonly acks: boolean;
  ackedOffset: number;
  /** Input of this stream that the target took over, and what the stream was last told of that. */
  readonly input: { takenBytes: number; toldBytes: number };
  /** Whether a pong waits in the viewer, and when the last one went there. */
  readonly ping: { waits: boolean; answeredAtMs: number };
}

export interface DeskNeeds {
  readonly clock: Clock;
  /** Milliseconds since the session was opened. */
  readonly atMs: () => number;
  readonly keyFrame: () => Promise<KeyFrame>;
  readonly size: () => TermSize;
  /** Output pauses only because the session itself holds it up. */
  readonly heldUp: () => boolean;
  /** Who is attached, or who has the keyboard, has changed. */
  readonly onChange: () => void;
  /** An event of the desk's own (joined, left) at this point of the output. */
  readonly announce: (kind: "joined" | "left", who: Attached) => void;
}

/** One who is taken off. Neither promise rejects. */
export interface Dismissal {
  /** False: where he sits nobody answers, so that he may be there still. Takes no longer than his node may. */
  readonly reached: Promise<boolean>;
  readonly told: Told;
}

/** At most one seat has the keyboard. Seats are in order of arrival, those elsewhere behind those here. */
export class Desk {
  readonly #needs: DeskNeeds;
  readonly #seats = new Map<AttachmentId, Seat>();
  readonly #elsewhere = new Map<AttachmentId, SeatElsewhere>();
  readonly #ears = new Set<Ear>();
  #keyboard: Seat | undefined;
  #publishedOffset = 0;
  #ready: { promise: Promise<void>; resolve: () => void } | undefined;
  #ended = false;

  constructor(needs: DeskNeeds) {
    this.#needs = needs;
  }

  get attached(): Attached[] {
    return [...this.#seats.values(), ...this.#elsewhere.values()].map(({ attached }) => attached);
  }

  get operator(): Seat | undefined {
    return this.#keyboard;
  }

  hasKeyboard(seat: Seat): boolean {
    return this.#keyboard === seat && !this.#ended;
  }

  /** Everything published from now on; it has no seat, and nobody sees it. */
  hear(ear: Ear): Disposable {
    this.#ears.add(ear);
    return { [Symbol.dispose]: () => void this.#ears.delete(ear) };
  }

  /** Somebody watches elsewhere; disposing gives his seat back. */
  sitElsewhere(seat: SeatElsewhere): Disposable {
    const { attached } = seat;
    if (!this.#ended) {
      this.#elsewhere.set(attached.id, seat);
      this.#needs.announce("joined", attached);
      this.#needs.onChange();
    }
    return {
      [Symbol.dispose]: () => {
        if (this.#elsewhere.get(attached.id) === seat) this.#leaveElsewhere(attached);
      },
    };
  }

  #leaveElsewhere(attached: Attached): void {
    this.#elsewhere.delete(attached.id);
    if (!this.#ended) this.#needs.announce("left", attached);
    this.#needs.onChange();
  }

  /** A new seat; an operator's takes the keyboard, and the stream that had it ends "taken-over". */
  sit(who: Principal, role: Role, acks: boolean, fromOffset: number, hidden = false): Seat {
    const { clock, keyFrame, size, heldUp } = this.#needs;
    const id = randomBytes(9).toString("base64url") as AttachmentId;
    // A repaint costs a viewer about 8 bytes a cell: what is worth queueing grows with it.
    const boundBytes = () => Math.max(64 * 1024, 8 * size().cols * size().rows);
    const viewer = new Viewer({ clock, keyFrame, heldUp, boundBytes: role === "watcher" ? boundBytes : undefined });
    const seat: Seat = {
      attached: { id, who, role, sinceMs: clock.wallMs(), ...(hidden ? { hidden } : {}) },
      viewer,
      acks,
      ackedOffset: fromOffset,
      input: { takenBytes: 0, toldBytes: 0 },
      ping: { waits: false, answeredAtMs: Number.NEGATIVE_INFINITY },
    };
    viewer.sentOffset = fromOffset;
    if (role === "operator") {
      const former = this.#keyboard;
      if (former !== undefined) this.#dismiss(former, { kind: "closed", why: "taken-over" });
      this.#keyboard = seat;
    }
    this.#needs.announce("joined", seat.attached);
    this.#seats.set(id, seat);
    this.#needs.onChange();
    return seat;
  }

  /** Gives a seat back; harmless when it is gone. */
  leave(seat: Seat, reason: unknown): void {
    seat.viewer.close(reason);
    if (!this.#seats.delete(seat.attached.id)) return;
    if (this.#keyboard === seat) this.#keyboard = undefined;
    this.#goOn();
    if (!this.#ended) this.#needs.announce("left", seat.attached);
    this.#needs.onChange();
  }

  /** Takes one attachment off the session; its view ends with the cause. undefined: there is no such attachment. */
  dismiss(id: AttachmentId, cause: EndCause): Dismissal | undefined {
    const far = this.#elsewhere.get(id);
    if (far !== undefined) return this.#dismissElsewhere(far, cause);
    const seat = this.#seats.get(id);
    if (seat === undefined) return undefined;
    this.#dismiss(seat, cause);
    return { reached: Promise.resolve(true), told: watchersTold(seat) };
  }

  #dismissElsewhere(far: SeatElsewhere, cause: EndCause): Dismissal {
    const { attached } = far;
    const ended = { offset: this.#publishedOffset, atMs: this.#needs.atMs(), cause };
    const answer = far.dismiss(attached.id, ended).then(
      (told) => {
        // In silence he may see it still.
        if (told !== undefined && this.#elsewhere.get(attached.id) === far) this.#leaveElsewhere(attached);
        return told;
      },
      () => undefined,
    );
    return { reached: answer.then((told) => told !== undefined), told: answer.then((told) => Number(told ?? false)) };
  }

  /** Never waits. */
  publish(event: SessionEvent): void {
    if (this.#ended) return;
    if (event.kind === "output") this.#publishedOffset = event.offset + event.bytes.length;
    for (const seat of this.#seats.values()) {
      // Late by a slow disk, he would hear of himself.
      if (event.kind === "joined" && event.who.id === seat.attached.id) continue;
      seat.viewer.push(event);
    }
    if (event.kind !== "ended") for (const ear of this.#ears) ear.event(event);
  }

  /** A word to everybody, outside the order of events. */
  tell(item: Notice | FreezeWord): void {
    for (const seat of this.#seats.values()) seat.viewer.push(item);
    for (const ear of this.#ears) ear.word(item);
  }

  /** As `tell`, to those who only see. */
  tellWatchers(item: CommandWord): void {
    for (const seat of this.#seats.values()) if (seat.attached.role === "watcher") seat.viewer.push(item);
    for (const ear of this.#ears) ear.word(item);
  }

  /**
   * The last event, once: every keyboard is void from here on. `ahead`: it overtakes the output that waits. Returns who
   * was there, with the promise of having been told.
   */
  end(event: SessionEvent & { kind: "ended" }, ahead: boolean): Told[] {
    if (this.#ended) return [];
    this.#ended = true;
    this.#keyboard = undefined;
    this.#goOn();
    const told: Told[] = [];
    for (const seat of this.#seats.values()) {
      if (ahead) seat.viewer.cut(event);
      else seat.viewer.push(event);
      told.push(watchersTold(seat));
    }
    for (const ear of this.#ears) told.push(...ear.ended(event, ahead));
    return told;
  }

  /** Undefined while the operator keeps up, or is away; else resolves when he does, leaves, or the session ends. */
  operatorReady(): Promise<void> | undefined {
    if (this.#ready !== undefined) return this.#ready.promise;
    if (this.#lackingBytes() <= waitAboveBytes) return undefined;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#ready = { promise, resolve };
    return promise;
  }

  /** Throws `invalid` for output that was never sent. */
  acknowledge(seat: Seat, offset: number): void {
    if (offset > seat.viewer.sentOffset)
      throw new BartizanFault("invalid", "An acknowledgement names output that was not sent yet.");
    if (offset > seat.ackedOffset) seat.ackedOffset = offset;
    this.#operatorMoved(seat);
  }

  /** The seat's stream took output: without acknowledgements that counts as parsed; a key frame starts anew. */
  taken(seat: Seat, isKeyFrame: boolean): void {
    if (!seat.acks || isKeyFrame) seat.ackedOffset = Math.max(seat.ackedOffset, seat.viewer.sentOffset);
    this.#operatorMoved(seat);
  }

  /** The operator hit a key that interrupts: he wants the end of the flood, not the rest of it. */
  interrupt(seat: Seat): void {
    if (this.#ready === undefined && seat.viewer.waitingBytes <= dropOnInterruptBytes) return;
    seat.viewer.skipUntilSettled();
    this.#goOn();
  }

  #dismiss(seat: Seat, cause: EndCause): void {
    seat.viewer.cut({ kind: "ended", offset: this.#publishedOffset, atMs: this.#needs.atMs(), cause });
    if (!this.#seats.delete(seat.attached.id)) return;
    if (this.#keyboard === seat) this.#keyboard = undefined;
    this.#goOn();
    this.#needs.announce("left", seat.attached);
    this.#needs.onChange();
  }

  #lackingBytes(): number {
    // One who is to get a key frame lacks nothing that the target would have to wait for.
    if (this.#keyboard === undefined || this.#keyboard.viewer.lagging) return 0;
    return this.#publishedOffset - this.#keyboard.ackedOffset;
  }

  #operatorMoved(seat: Seat): void {
    if (this.#ready !== undefined && seat === this.#keyboard && this.#lackingBytes() <= goOnBelowBytes) this.#goOn();
  }

  #goOn(): void {
    this.#ready?.resolve();
    this.#ready = undefined;
  }
}

function watchersTold({ attached, viewer }: Seat): Told {
  return viewer.told().then((told) => (told && attached.role === "watcher" ? 1 : 0));
}
