/** The channel of a session on another node: heard from a known point on, without gaps; what is missing is asked for. */
import { BartizanFault } from "../errors.ts";
import type { KeyFrame, Position, SessionEvent, SessionInfo } from "../events.ts";
import { type Clock, pause } from "../flow/clock.ts";
import { BusDown, type GroupBus } from "./bus.ts";
import { frameOf, type Word } from "./frame.ts";
import { FrameOrder } from "./frame-order.ts";
import { endedOf, infoOf } from "./from-wire.ts";
import type { Inbox } from "./inbox.ts";
import type { GapCause, GroupMeter, ResumeKind } from "./meter.ts";
import type { Names, NodeId } from "./names.ts";
import { missingPlace } from "./relay.ts";
import type { Opened, Sealer } from "./seal.ts";
import type { WatchTiming } from "./watch-timing.ts";

/** Messages that come before the holder's answer are kept up to this number; a key frame makes good for more. */
const maxEarly = 64;

export interface FarChannelNeeds {
  readonly bus: GroupBus;
  readonly sealer: Sealer;
  readonly inbox: Inbox;
  readonly names: Names;
  readonly clock: Clock;
  readonly meter: GroupMeter;
  readonly timing: WatchTiming;
  readonly info: SessionInfo;
  readonly holder: NodeId;
  /** As `FrameOrder`. */
  readonly deliver: (item: SessionEvent | Word, ahead: boolean) => void;
  readonly screen: (frame: KeyFrame, moved: boolean) => void;
  /** Somebody waits for a key frame. */
  readonly someoneWaits: () => boolean;
  /** Any number of messages may have been missed, in both directions. */
  readonly interrupted: () => void;
  /** The holder has no such session any more, and does not know how it ended. */
  readonly gone: () => void;
}

export class FarChannel {
  readonly #needs: FarChannelNeeds;
  readonly #order: FrameOrder;
  readonly #name: string;
  readonly #life = new AbortController();
  #subscription: AsyncDisposable | undefined;
  /** Undefined once the holder has answered. */
  #early: Uint8Array[] | undefined = [];
  #fromCount = 0;
  /** Something may be missing: after an interruption, or what a client that came back had not seen. */
  #doubt: { readonly interrupted: boolean } | undefined;
  /** Something is missing, and is counted. */
  #gap = false;
  #recovering = false;
  #changed: (() => void) | undefined;

  constructor(needs: FarChannelNeeds) {
    this.#needs = needs;
    this.#name = needs.names.output(needs.info.id);
    this.#order = new FrameOrder({
      ...{ epoch: needs.info.epoch, clock: needs.clock, timing: needs.timing, deliver: needs.deliver },
      screen: (frame, moved) => this.#takeScreen(frame, moved),
      lacks: (cause) => {
        this.#countGap(cause);
        this.#changed?.();
        this.recover();
      },
    });
  }

  /** Where the next output begins; undefined before the first key frame. */
  get next(): number | undefined {
    return this.#order.next;
  }

  get lacking(): boolean {
    return this.#order.lacking;
  }

  /**
   * Once. Resolves when nothing more can be missed: what is delivered goes on after `from` (`resumed`), or begins with a
   * key frame. Rejects with `not-found`, `BusDown`, `NoAnswer`.
   */
  async open(from: Position | undefined): Promise<{ info: SessionInfo; resumed: boolean }> {
    const { bus, inbox, holder, info, timing } = this.#needs;
    if (!bus.state.up) throw new BusDown(bus.state.reason);
    const subscription = await bus.subscribe(this.#name, {
      message: (bytes) => this.#hear(bytes),
      missed: () => this.missed(),
    });
    if (this.#life.signal.aborted) await subscription[Symbol.asyncDispose]();
    this.#subscription = subscription;
    const body = { case: "attach", value: { sessionId: info.id, ...(from && { from: toWire(from) }) } } as const;
    const answer = await inbox.ask(holder, body, "attached", timing.askMs, this.#life.signal);
    if (answer.gone || answer.session?.epoch !== info.epoch)
      throw new BartizanFault("not-found", "There is no such session.");
    this.#fromCount = Number(answer.fromCount);
    const resumed = from?.epoch === info.epoch && answer.position?.offset === BigInt(from.offset);
    if (resumed) {
      this.#order.begin(from.offset);
      this.#doubt = { interrupted: false };
    }
    return { info: infoOf(answer.session), resumed };
  }

  /** After `open`: from here on things are delivered. */
  start(): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const bytes of early) this.#hear(bytes, true);
    this.recover(this.#order.next === undefined);
  }

  /** The holder says how far the channel has come. */
  tick(offset: number): void {
    if (this.#early === undefined) this.#order.expect(offset);
  }

  /** Any number of messages may be missing. */
  missed(): void {
    if (this.#life.signal.aborted) return;
    this.#doubt = { interrupted: true };
    this.recover();
    this.#needs.interrupted();
  }

  /** Nothing is delivered any more. `detach`: the holder is told that nobody watches here. */
  close(detach: boolean): void {
    if (this.#life.signal.aborted) return;
    this.#life.abort(new BartizanFault("holder-unreachable", "It is not watched here any more."));
    this.#order[Symbol.dispose]();
    this.#changed?.();
    const { sealer, holder, inbox, info } = this.#needs;
    if (detach) inbox.send(holder, { case: "detach", value: { sessionId: info.id } }).catch(() => {});
    this.#subscription?.[Symbol.asyncDispose]().then(undefined, () => {});
    sealer.forget(this.#name);
  }

  /** Asks the holder until nothing is missing. `expected`: a key frame is on its way already. */
  recover(expected = false): void {
    if (this.#recovering || !this.#wants) return;
    this.#recovering = true;
    this.#askUntilWhole(expected).catch(() => {});
  }

  /** `early`: it was heard before the holder had answered. */
  #hear(bytes: Uint8Array, early = false): void {
    if (this.#life.signal.aborted) return;
    if (this.#early !== undefined) {
      if (this.#early.length < maxEarly) this.#early.push(bytes);
      return;
    }
    const { sealer, meter, clock } = this.#needs;
    const opened = sealer.open(this.#name, bytes);
    if (opened === undefined) return;
    if (opened.count < this.#fromCount) {
      // From an earlier time that this session was watched here: somebody kept it. Unless it was meant for another node that
      // watched already while this one had asked.
      if (!early) meter.rejected("replayed");
      return;
    }
    meter.received(bytes.length, clock.wallMs() - opened.sentAtMs);
    this.#takeFrame(opened);
  }

  #takeFrame({ sender, kind, flags, plain }: Opened): void {
    const { holder, meter } = this.#needs;
    const frame = sender === holder ? frameOf(kind, flags, plain) : undefined;
    if (frame !== undefined) this.#order.take(frame);
    else meter.rejected(sender === holder ? "malformed" : "forged");
  }

  #takeScreen(frame: KeyFrame, moved: boolean): void {
    if (moved) {
      if (this.#doubt?.interrupted === true) this.#countGap("interrupted");
      this.#closeGap("key-frame");
      this.#doubt = undefined;
    }
    this.#needs.screen(frame, moved);
    this.#changed?.();
  }

  get #wants(): boolean {
    if (this.#life.signal.aborted || this.#early !== undefined) return false;
    const { next, lacking } = this.#order;
    return next === undefined || lacking || this.#doubt !== undefined || this.#needs.someoneWaits();
  }

  async #askUntilWhole(expected: boolean): Promise<void> {
    const { clock, timing } = this.#needs;
    try {
      if (expected) await this.#newsWithin(2 * timing.keyFrameMs);
      while (this.#wants) {
        try {
          await this.#ask();
        } catch {
          await pause(clock, timing.againMs, this.#life.signal);
        }
      }
    } finally {
      this.#recovering = false;
    }
  }

  async #ask(): Promise<void> {
    const { inbox, holder, info, sealer, names, timing } = this.#needs;
    const { next, lacking } = this.#order;
    const doubt = this.#doubt;
    const position =
      next !== undefined && (lacking || doubt !== undefined)
        ? { from: toWire({ epoch: info.epoch, offset: next }) }
        : {};
    const body = { case: "resume", value: { sessionId: info.id, ...position } } as const;
    const { gone, frames } = await inbox.ask(holder, body, "missing", timing.askMs, this.#life.signal);
    if (gone) return this.#learnEnd();
    const before = this.#order.next;
    const place = missingPlace(names, info.id);
    for (const bytes of frames) {
      const opened = sealer.open(place, bytes);
      if (opened !== undefined) this.#takeFrame(opened);
    }
    if (doubt?.interrupted === true && this.#order.next !== before) this.#countGap("interrupted");
    if (frames.length > 0) {
      // Unless there was a further interruption meanwhile.
      if (this.#doubt === doubt) this.#doubt = undefined;
      if (!this.#order.lacking) this.#closeGap("ring");
    }
    if (frames.length === 0) await this.#newsWithin(2 * timing.keyFrameMs);
  }

  /** However many signs of it there are. */
  #countGap(cause: GapCause): void {
    if (!this.#gap) this.#needs.meter.gap(cause);
    this.#gap = true;
  }

  #closeGap(how: ResumeKind): void {
    if (this.#gap) this.#needs.meter.resumed(how);
    this.#gap = false;
  }

  /** It is over there: how, the holder may still know. */
  async #learnEnd(): Promise<void> {
    const { inbox, holder, info, timing, deliver, gone } = this.#needs;
    this.#closeGap("gone");
    const body = { case: "attach", value: { sessionId: info.id } } as const;
    const { ended } = await inbox.ask(holder, body, "attached", timing.askMs, this.#life.signal);
    this.#order.giveUp();
    if (ended !== undefined) deliver({ kind: "ended", ...endedOf(ended) }, false);
    else gone();
  }

  /** Resolves when a key frame came, when more is missing, or after so long. */
  #newsWithin(ms: number): Promise<void> {
    if (this.#life.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        timer[Symbol.dispose]();
        this.#changed = undefined;
        resolve();
      };
      const timer = this.#needs.clock.after(ms, done);
      this.#changed = done;
    });
  }
}

function toWire({ epoch, offset }: Position): { epoch: string; offset: bigint } {
  return { epoch, offset: BigInt(offset) };
}
