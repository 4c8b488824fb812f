/** What one session sends to other nodes: output gathered into frames, words in their places, key frames when asked or flooding. */
import type { CommandWord, KeyFrame, Notice, SessionEvent, SessionId, TermSize } from "../events.ts";
import type { Clock } from "../flow/clock.ts";
import { FloodGauge } from "./flood-gauge.ts";
import { framesOf, keyFrames, type Outgoing, type Word, wordFrame } from "./frame.ts";
import type { FrameKind, GroupMeter } from "./meter.ts";
import { kinds } from "./seal.ts";
import type { WatchTiming } from "./watch-timing.ts";

/** More is never on its way at once; what cannot be sent is repaired later. */
const maxUnderWayBytes = 256 * 1024;
/** A key frame costs less than more missing bytes than this. */
export const maxMissingBytes = 48 * 1024;
/** A key frame of more pieces is sent piece by piece, so that it leaves room for others. */
const pacedFromPieces = 4;

type Output = SessionEvent & { readonly kind: "output" };
type Ended = SessionEvent & { readonly kind: "ended" };

export interface FeedNeeds {
  readonly clock: Clock;
  readonly timing: WatchTiming;
  readonly meter: GroupMeter;
  readonly sessionId: SessionId;
  readonly epoch: string;
  readonly size: TermSize;
  /** Output begins here. */
  readonly offset: number;
  readonly keyFrame: () => Promise<KeyFrame>;
  readonly since: (offset: number) => SessionEvent[] | undefined;
  /** Seals and publishes; resolves with how many took it. */
  readonly publish: (frame: Outgoing) => Promise<number>;
  readonly busIsUp: () => boolean;
  /** Nobody took frames for a second. */
  readonly unheard: () => void;
}

/** No call waits or throws. What is published is in order; what could not be published is sent again, or a key frame is. */
export class Feed {
  readonly #needs: FeedNeeds;
  #items: (Output | Word)[] = [];
  #itemBytes = 0;
  #size: TermSize | undefined;
  #publishedOffset: number;
  #flushedAtMs = Number.NEGATIVE_INFINITY;
  #roundTripMs = 0;
  #underWayBytes = 0;
  /** From here on something may not have gone out. */
  #lostFrom: number | undefined;
  #unheardSinceMs: number | undefined;
  /** A key frame that is being made, or sent, and for how many. */
  #frame: { joins: number; sending: boolean } | undefined;
  #frameAtMs = Number.NEGATIVE_INFINITY;
  #joins = 0;
  /** Nothing more is sent before a further key frame. */
  #screenFirst = false;
  readonly #gauge: FloodGauge;
  /** Output since the last key frame was asked for; undefined: the session does not flood. */
  #flood: { bytes: number; readonly ticks: Disposable } | undefined;
  #flush: Disposable | undefined;
  #join: Disposable | undefined;
  #again: Disposable | undefined;
  #closed = false;

  constructor(needs: FeedNeeds) {
    this.#needs = needs;
    this.#size = needs.size;
    this.#publishedOffset = needs.offset;
    this.#gauge = new FloodGauge(needs.clock, needs.timing);
  }

  /** What was published so far ends here. */
  get publishedOffset(): number {
    return this.#publishedOffset;
  }

  output(event: Output): void {
    if (this.#closed) return;
    if (this.#countsAsFlood(event.bytes.length)) return;
    this.#items.push(event);
    this.#itemBytes += event.bytes.length;
    // While a key frame is made, what follows it waits; never more than the next key frame costs.
    if (this.#frame === undefined) this.#flushInTime();
    else if (this.#itemBytes > this.#needs.timing.holdBytes) this.#startFlood();
  }

  word(word: Exclude<Word, Ended> | Notice | CommandWord): void {
    if (this.#closed) return;
    // A key frame has the size.
    if (word.kind === "resize" && this.#flood !== undefined) {
      this.#flood.bytes += 1;
      return;
    }
    this.#items.push(word);
    if (this.#frame === undefined) this.#send();
  }

  /** The last word. `ahead`: before everything that waits. */
  ended(event: Ended, ahead: boolean): void {
    if (this.#closed) return;
    if (ahead) {
      this.#drop();
      this.sayEnded(event, true);
      this.close();
      return;
    }
    this.#items.push(event);
    this.#screenFirst = (this.#flood?.bytes ?? 0) > 0;
    this.#endFlood();
    if (this.#frame === undefined) this.#goOn();
  }

  /** The last word once more. */
  sayEnded(event: Ended, ahead: boolean): void {
    const { epoch, sessionId } = this.#needs;
    const head = { epoch, offset: event.offset, atMs: event.atMs, size: undefined };
    this.#publish({ ...wordFrame(head, sessionId, event, ahead), from: event.offset, to: event.offset });
  }

  /** Somebody joined, or cannot be given the bytes he lacks: one key frame for all who ask within 250 ms. */
  wantKeyFrame(): void {
    if (this.#closed) return;
    if (this.#frame?.sending === false) {
      this.#frame.joins += 1;
      return;
    }
    this.#joins += 1;
    if (this.#join !== undefined) return;
    const waitMs = this.#frameAtMs + this.#needs.timing.keyFrameMs - this.#needs.clock.monotonicMs();
    const ask = () => {
      this.#join = undefined;
      if (this.#frame === undefined) this.#askFrame();
      else if (this.#frame.sending) this.#join = this.#needs.clock.after(this.#needs.timing.keyFrameMs, ask);
    };
    if (waitMs <= 0) ask();
    else this.#join = this.#needs.clock.after(waitMs, ask);
  }

  /** What did not go out goes now, if it can. */
  retry(): void {
    if (!this.#closed && this.#frame === undefined && this.#lostFrom !== undefined) this.#send();
  }

  close(): void {
    this.#closed = true;
    this.#endFlood();
    this.#drop();
    for (const timer of [this.#flush, this.#join, this.#again]) timer?.[Symbol.dispose]();
  }

  #drop(): void {
    this.#items = [];
    this.#itemBytes = 0;
  }

  #flushInTime(): void {
    const { clock, timing } = this.#needs;
    const windowMs = Math.min(timing.flushAtMostMs, Math.max(timing.flushMs, 2 * this.#roundTripMs));
    const waitMs = this.#flushedAtMs + windowMs - clock.monotonicMs();
    if (waitMs <= 0 || this.#itemBytes >= timing.flushBytes) this.#send();
    else this.#flush ??= clock.after(waitMs, () => this.#send());
  }

  #goOn(): void {
    if (this.#screenFirst) {
      this.#screenFirst = false;
      this.#askFrame(false);
    } else this.#send();
  }

  /** Everything that waits. */
  #send(): void {
    this.#flush?.[Symbol.dispose]();
    this.#flush = undefined;
    if (this.#lostFrom !== undefined && !this.#takeUpLost()) return;
    const [items, size] = [this.#items, this.#size];
    if (items.length === 0) return;
    this.#drop();
    const { epoch, sessionId, clock } = this.#needs;
    this.#flushedAtMs = clock.monotonicMs();
    for (const item of items) if (item.kind === "resize") this.#size = item.size;
    const frames = framesOf(items, { epoch, sessionId, offset: this.#publishedOffset, size });
    for (const frame of frames) {
      this.#publishedOffset = frame.to;
      this.#publish(frame);
    }
  }

  /** Bytes that did not go out go before the others. False: nothing is to be sent now. */
  #takeUpLost(): boolean {
    const { since, busIsUp } = this.#needs;
    const from = this.#lostFrom as number;
    const missed = busIsUp() ? since(from) : undefined;
    const words = this.#items.filter(({ kind }) => kind !== "output" && kind !== "resize");
    if (!busIsUp()) {
      this.#items = words.slice(-1).filter(({ kind }) => kind === "ended");
      this.#itemBytes = 0;
      return false;
    }
    this.#lostFrom = undefined;
    this.#items = words;
    this.#itemBytes = 0;
    const bytes = missed?.reduce((sum, event) => sum + (event.kind === "output" ? event.bytes.length : 0), 0);
    if (missed === undefined || (bytes ?? 0) > maxMissingBytes) {
      this.#askFrame(false);
      return false;
    }
    this.#items = [...(missed as (Output | Word)[]), ...words];
    this.#publishedOffset = from;
    // Of which size the first of them are is not known any more when it has changed since.
    if (missed.some(({ kind }) => kind === "resize")) this.#size = undefined;
    return true;
  }

  #publish(frame: Outgoing): Promise<boolean> {
    const { clock, meter, publish, busIsUp } = this.#needs;
    const bytes = frame.plain.length;
    if (!busIsUp() || this.#underWayBytes + bytes > maxUnderWayBytes) {
      this.#lose(frame);
      return Promise.resolve(false);
    }
    this.#underWayBytes += bytes;
    const startedMs = clock.monotonicMs();
    return publish(frame).then(
      (receivers) => {
        this.#underWayBytes -= bytes;
        this.#roundTripMs += (clock.monotonicMs() - startedMs - this.#roundTripMs) / 8;
        meter.published(wordOf(frame.kind), bytes, receivers);
        this.#heard(receivers);
        return true;
      },
      () => {
        this.#underWayBytes -= bytes;
        meter.publishFailed();
        this.#lose(frame);
        return false;
      },
    );
  }

  #lose({ from, kind, repeated }: Outgoing): void {
    if (this.#closed || (kind === kinds.word && repeated !== true)) return;
    if (this.#flood !== undefined) {
      this.#flood.bytes += 1;
      return;
    }
    this.#lostFrom = Math.min(from, this.#lostFrom ?? from);
    const { clock, timing } = this.#needs;
    this.#again ??= clock.after(timing.againMs, () => {
      this.#again = undefined;
      this.retry();
    });
  }

  #heard(receivers: number): void {
    if (receivers > 0) this.#unheardSinceMs = undefined;
    const nowMs = this.#needs.clock.monotonicMs();
    if (receivers > 0 || this.#closed) return;
    this.#unheardSinceMs ??= nowMs;
    if (nowMs - this.#unheardSinceMs >= this.#needs.timing.unheardMs) this.#needs.unheard();
  }

  /** `first`: what waits goes before it; otherwise it takes the place of what waits. */
  #askFrame(first = true): void {
    if (first && this.#flood === undefined) this.#send();
    if (this.#frame !== undefined) return;
    const { clock, keyFrame, timing } = this.#needs;
    const asked = { joins: this.#joins, sending: false };
    this.#joins = 0;
    this.#frame = asked;
    this.#frameAtMs = clock.monotonicMs();
    if (this.#flood !== undefined) this.#flood.bytes = 0;
    const done = () => {
      this.#frame = undefined;
      if (!this.#closed) this.#goOn();
    };
    keyFrame().then(
      (frame) => {
        asked.sending = true;
        return this.#closed ? undefined : this.#sendFrame(frame, asked.joins).then(done);
      },
      () => {
        // The screen is gone with its session, or could not be drawn: those who wait ask again.
        this.#frameAtMs = clock.monotonicMs() - timing.keyFrameMs;
        done();
      },
    );
  }

  async #sendFrame(frame: KeyFrame, joins: number): Promise<void> {
    const { epoch, meter } = this.#needs;
    const pieces = keyFrames(epoch, frame);
    this.#publishedOffset = frame.offset;
    this.#size = frame.size;
    meter.keyFrame(joins);
    for (const piece of pieces) {
      const sent = this.#publish({ ...piece, from: frame.offset, to: frame.offset });
      if (pieces.length >= pacedFromPieces && (!(await sent) || this.#closed)) return;
    }
  }

  /** True: key frames take the place of these bytes. */
  #countsAsFlood(bytes: number): boolean {
    if (this.#flood !== undefined) {
      this.#flood.bytes += bytes;
      this.#gauge.count(bytes);
      return true;
    }
    if (!this.#gauge.floods(bytes)) return false;
    this.#startFlood();
    return true;
  }

  #startFlood(): void {
    const { clock, timing } = this.#needs;
    this.#items = this.#items.filter(({ kind }) => kind !== "output" && kind !== "resize");
    this.#itemBytes = 0;
    this.#flush?.[Symbol.dispose]();
    this.#flush = undefined;
    this.#lostFrom = undefined;
    this.#gauge.begin();
    this.#flood = { bytes: 1, ticks: clock.every(timing.floodFrameMs, () => this.#tick()) };
    if (this.#frame === undefined && this.#frameAtMs + timing.floodFrameMs <= clock.monotonicMs())
      this.#askFrame(false);
  }

  #tick(): void {
    const { meter, timing } = this.#needs;
    meter.flooded(timing.floodFrameMs);
    const isCalm = this.#gauge.isCalm();
    const isNew = (this.#flood?.bytes ?? 0) > 0;
    if (this.#frame !== undefined || this.#underWayBytes > maxUnderWayBytes / 2) return;
    if (isCalm) this.#endFlood();
    if (isNew) this.#askFrame(false);
  }

  #endFlood(): void {
    this.#flood?.ticks[Symbol.dispose]();
    this.#flood = undefined;
  }
}

function wordOf(kind: number): FrameKind {
  return kind === kinds.data ? "data" : kind === kinds.keyFrame ? "key-frame" : "word";
}
