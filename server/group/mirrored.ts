/** One session of another node as it is watched here: one subscription and one copy, however many watchers there are. */
import { BartizanFault } from "../errors.ts";
import type {
  Attached,
  AttachmentId,
  Frozen,
  KeyFrame,
  Position,
  Principal,
  Reach,
  SessionEvent,
  SessionInfo,
} from "../events.ts";
import { orAborted } from "../flow/life.ts";
import { Ring } from "../session/ring.ts";
import { countTold } from "../session/told.ts";
import { BusDown } from "./bus.ts";
import { FarChannel, type FarChannelNeeds } from "./far-channel.ts";
import type { Word } from "./frame.ts";
import { MirrorSeat } from "./mirror-seat.ts";

type Ended = SessionEvent & { readonly kind: "ended" };

/** So much of the newest output is kept for those who join, or come back. */
const ringBytes = 64 * 1024;
/** A key frame and this much after it is a screen at hand; above that a new key frame is smaller. */
const afterBytes = 32 * 1024;
const afterEvents = 32;

export interface MirroredNeeds
  extends Omit<FarChannelNeeds, "deliver" | "screen" | "someoneWaits" | "gone" | "interrupted"> {
  /** The watchers here are others than before, or the holder may not know of them any more. */
  readonly changed: () => void;
  /** Nobody watches any more, or it ended: forget it. */
  readonly over: () => void;
}

/**
 * Has no model of the screen. The last key frame and what came after it, while that is short, serve whoever joins here or
 * lagged, without a word to the holder; else the holder is asked for a key frame, once for all.
 */
export class Mirrored {
  readonly #needs: MirroredNeeds;
  readonly #channel: FarChannel;
  readonly #seats = new Map<AttachmentId, MirrorSeat>();
  #opening: Promise<void> | undefined;
  #over = false;
  #info: SessionInfo;
  #screen: KeyFrame | undefined;
  #ring: Ring | undefined;
  #reach: { readonly reach: Reach; readonly text: string } = { reach: "live", text: "" };
  #unreachable: Disposable | undefined;
  #lastWord: Disposable | undefined;

  constructor(needs: MirroredNeeds) {
    this.#needs = needs;
    this.#info = needs.info;
    this.#channel = new FarChannel({
      ...needs,
      deliver: (item, ahead) => this.#deliver(item, ahead),
      screen: (frame, moved) => this.#takeScreen(frame, moved),
      someoneWaits: () => this.#seats.values().some(({ waits }) => waits),
      interrupted: () => this.#needs.changed(),
      gone: () => this.fail(new BartizanFault("not-found", "There is no such session any more.")),
    });
  }

  get watchers(): Attached[] {
    return Array.from(this.#seats.values(), ({ attached }) => attached);
  }

  /** A seat from now on; it lasts until `leave`. */
  sit(who: Principal, hidden = false): MirrorSeat {
    const { clock, timing, meter } = this.#needs;
    const seat: MirrorSeat = new MirrorSeat({
      ...{ clock, who, hidden, slowMs: timing.slowMs },
      size: () => this.#info.size,
      screen: () => this.#screenAtHand(),
      wantScreen: () => this.#channel.recover(),
      slowCut: () => {
        meter.slowCut();
        this.leave(seat);
      },
    });
    this.#seats.set(seat.attached.id, seat);
    return seat;
  }

  leave(seat: MirrorSeat): void {
    if (!this.#seats.delete(seat.attached.id) || this.#over) return;
    if (this.#seats.size === 0) this.#close(this.#opening !== undefined);
    else this.#needs.changed();
  }

  /**
   * The seat's view begins: after `from` when those bytes are at hand, else with a key frame. Rejects with `not-found` or
   * `holder-unreachable`.
   */
  async begin(
    seat: MirrorSeat,
    from: Position | undefined,
    signal: AbortSignal,
  ): Promise<{ info: SessionInfo; start: Position; resumed: boolean }> {
    this.#opening ??= this.#open(from);
    await orAborted(this.#opening, signal);
    const { epoch } = this.#info;
    const missed = from?.epoch === epoch ? this.#ring?.since(from.offset) : undefined;
    const resumed = missed !== undefined && from !== undefined;
    const offset = resumed ? from.offset : (this.#channel.next ?? this.#info.outputBytes);
    if (resumed) seat.resume(from.offset, missed);
    else seat.begin();
    if (this.#reach.reach !== "live") seat.push({ kind: "reach", ...this.#reach });
    this.#needs.changed();
    return { info: this.#info, start: { epoch, offset }, resumed };
  }

  tick(offset: number): void {
    this.#channel.tick(offset);
  }

  /** How far the holder can be heard. Once it can be again, what is missing is asked for. */
  reach(reach: Reach, text: string): void {
    if (this.#over || reach === this.#reach.reach) return;
    this.#reach = { reach, text };
    for (const seat of this.#seats.values()) seat.push({ kind: "reach", reach, text });
    this.#unreachable?.[Symbol.dispose]();
    this.#unreachable = undefined;
    const { clock, timing } = this.#needs;
    if (reach === "unreachable")
      this.#unreachable = clock.after(timing.unreachableMs, () => this.fail(unreachable(text)));
    if (reach === "live") this.#channel.missed();
  }

  /** One watcher is taken off; resolves with whether he was told. */
  async dismiss(id: AttachmentId, event: Ended): Promise<number> {
    const seat = this.#seats.get(id);
    if (seat === undefined) return 0;
    const { clock, timing } = this.#needs;
    const told = seat.end(event, true).then(Number);
    this.leave(seat);
    return countTold(clock, [told], timing.toldMs);
  }

  /** The session is over; `ahead`: before everything that waits. Resolves with how many were told, within 0.8 s. */
  async end(event: Ended, ahead: boolean): Promise<number> {
    if (this.#over) return 0;
    const { clock, timing } = this.#needs;
    const told = Array.from(this.#seats.values(), (seat) => seat.end(event, ahead).then(Number));
    this.#close(false);
    return countTold(clock, told, timing.toldMs);
  }

  /** The session ended, says somebody else than its channel: that has a moment to bring the last output before. */
  endSoon(event: Ended): void {
    if (this.#over) return;
    this.#lastWord ??= this.#needs.clock.after(this.#needs.timing.againMs, () => this.#deliver(event, false));
  }

  /** Its end is known, and about to be told. */
  get ending(): boolean {
    return this.#lastWord !== undefined;
  }

  /** Every view ends with this fault. */
  fail(fault: BartizanFault): void {
    for (const seat of this.#seats.values()) seat.close(fault);
    this.#close(true);
    this.#seats.clear();
  }

  #close(detach: boolean): void {
    if (this.#over) return;
    this.#over = true;
    this.#unreachable?.[Symbol.dispose]();
    this.#lastWord?.[Symbol.dispose]();
    this.#channel.close(detach);
    this.#needs.over();
  }

  async #open(from: Position | undefined): Promise<void> {
    try {
      const { info, resumed } = await this.#channel.open(from);
      this.#info = info;
      if (resumed && from !== undefined) this.#ring = new Ring(ringBytes, from.offset);
      this.#channel.start();
    } catch (error) {
      const text = error instanceof BusDown ? "This node is cut off from the others." : "";
      const fault = error instanceof BartizanFault ? error : unreachable(text, error);
      this.fail(fault);
      throw fault;
    }
  }

  #deliver(item: SessionEvent | Word, ahead: boolean): void {
    if (item.kind === "ended") {
      const { inbox, holder, info } = this.#needs;
      this.end(item, ahead)
        .then((watchers) => inbox.send(holder, { case: "told", value: { sessionId: info.id, watchers } }))
        .catch(() => {});
      return;
    }
    if (item.kind === "output" || item.kind === "resize") this.#ring?.add(item);
    if (item.kind === "resize") this.#info = { ...this.#info, size: item.size };
    if (item.kind === "freeze") this.#info = withFrozen(this.#info, item.frozen);
    if (item.kind === "joined" || item.kind === "left") this.#noteWatcher(item.kind, item.who);
    for (const seat of this.#seats.values()) seat.push(item);
  }

  #noteWatcher(kind: "joined" | "left", who: Attached): void {
    const others = this.#info.attachments.filter(({ id }) => id !== who.id);
    this.#info = { ...this.#info, attachments: kind === "joined" ? [...others, who] : others };
    // The holder has not heard of this node for too long.
    if (kind === "left" && this.#seats.has(who.id)) this.#needs.changed();
  }

  #takeScreen(frame: KeyFrame, moved: boolean): void {
    this.#screen = frame;
    this.#info = { ...this.#info, size: frame.size };
    if (moved || this.#ring === undefined) this.#ring = new Ring(ringBytes, frame.offset);
    for (const seat of this.#seats.values()) {
      if (moved) seat.moved(frame);
      else seat.give(frame);
    }
  }

  #screenAtHand(): { frame: KeyFrame; after: readonly SessionEvent[] } | undefined {
    const { next = 0, lacking } = this.#channel;
    const frame = this.#screen;
    if (frame === undefined || lacking || next - frame.offset > afterBytes) return undefined;
    const after = this.#ring?.since(frame.offset);
    return after === undefined || after.length > afterEvents ? undefined : { frame, after };
  }
}

function unreachable(text: string, cause?: unknown): BartizanFault {
  const message = `The node that holds this session cannot be heard. ${text}`.trim();
  return new BartizanFault("holder-unreachable", message, "Try again in a moment.", cause);
}

function withFrozen({ frozen: _before, ...info }: SessionInfo, frozen: Frozen | undefined): SessionInfo {
  return frozen === undefined ? info : { ...info, frozen };
}
