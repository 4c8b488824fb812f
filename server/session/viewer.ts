/** One viewer's bounded queue: what he is yet to be sent, merged when he is slow, replaced by a key frame when too slow. */
import type { KeyFrame, SessionEvent, ViewItem } from "../events.ts";
import type { Clock } from "../flow/clock.ts";

/** A message carries at most this much output. */
const messageBytes = 64 * 1024;
/** Output that follows other output closer than this is held back to be merged ... */
const mergeMs = 8;
/** ... unless this much waits already. */
const mergeBytes = 16 * 1024;
/** After an interrupt output counts as over when it pauses this long, or when the limit is reached. */
const settleMs = 50;
const settleWithinMs = 10_000;
/** What an item costs beside its bytes. */
const itemBytes = 200;
/** Small pieces are joined as they come once so many items wait. */
const joinFromItems = 64;
const joinBelowBytes = 4096;
/** Of those who came and left, and of other words, the last so many are kept for a viewer that does not read. */
const maxWords = 256;
/** A lagging viewer gets at most ten key frames a second. */
const frameGapMs = 100;

type Last = SessionEvent & { kind: "ended" };
type Output = SessionEvent & { kind: "output" };

/** Somebody came or left, a notice, a credit: the newest of them matter most. */
function isWord({ kind }: ViewItem): boolean {
  return (
    kind === "joined" ||
    kind === "left" ||
    kind === "notice" ||
    kind === "input-taken" ||
    kind === "command" ||
    kind === "freeze"
  );
}

export interface ViewerOptions {
  readonly clock: Clock;
  /** More waiting output than this makes a watcher lag; undefined: lossless (the operator, who slows the target). */
  readonly boundBytes: (() => number) | undefined;
  readonly keyFrame: () => Promise<KeyFrame>;
  /** True while output pauses only because the session itself holds it up. */
  readonly heldUp?: () => boolean;
}

/** Pushing never waits; taking waits for something to take. One reader. */
export class Viewer {
  readonly #options: ViewerOptions;
  #items: ViewItem[] = [];
  #bytes = 0;
  #words = 0;
  #last: Last | undefined;
  #closed: { readonly reason: unknown } | undefined;
  #wake: (() => void) | undefined;
  #lagging = false;
  #frame: Promise<KeyFrame> | undefined;
  #skippedBytes = 0;
  #frameAtMs = Number.NEGATIVE_INFINITY;
  #settledAtMs = Number.NEGATIVE_INFINITY;
  #settleLimitMs: number | undefined;
  #tookAtMs = Number.NEGATIVE_INFINITY;
  #promptUntilMs = Number.NEGATIVE_INFINITY;
  #lastTaken = false;
  #told = false;
  readonly #tellers: ((told: boolean) => void)[] = [];
  /** Offset after the last output handed out or skipped. */
  sentOffset = 0;

  constructor(options: ViewerOptions) {
    this.#options = options;
  }

  push(item: Exclude<ViewItem, KeyFrame>): void {
    if (this.#last !== undefined || this.#closed !== undefined) return;
    if (item.kind === "ended") this.#last = item;
    else if (item.kind === "output") this.#pushOutput(item);
    else if (item.kind === "resize") this.#pushResize(item);
    else this.#pushWord(item);
    const bound = this.#options.boundBytes?.();
    if (bound !== undefined && !this.#lagging && this.#bytes + this.#items.length * itemBytes > bound) this.skip();
    this.#notify();
  }

  #pushOutput(item: Output): void {
    if (this.#lagging) {
      this.#skippedBytes += item.bytes.length;
      if (this.#settleLimitMs !== undefined)
        this.#settledAtMs = Math.min(this.#settleLimitMs, this.#options.clock.monotonicMs() + settleMs);
      return;
    }
    const before = this.#items.at(-1);
    if (
      this.#items.length >= joinFromItems &&
      before?.kind === "output" &&
      before.bytes.length + item.bytes.length <= joinBelowBytes
    )
      this.#items[this.#items.length - 1] = { ...before, bytes: Buffer.concat([before.bytes, item.bytes]) };
    else this.#items.push(item);
    this.#bytes += item.bytes.length;
  }

  /** The key frame that a lagging viewer gets has the size already; of two sizes in a row the later one counts. */
  #pushResize(item: SessionEvent & { kind: "resize" }): void {
    if (this.#lagging) return;
    if (this.#items.at(-1)?.kind === "resize") this.#items[this.#items.length - 1] = item;
    else this.#items.push(item);
  }

  #pushWord(item: Exclude<ViewItem, KeyFrame>): void {
    this.#items.push(item);
    if (!isWord(item)) return;
    this.#words += 1;
    if (this.#words <= maxWords) return;
    this.#items.splice(this.#items.findIndex(isWord), 1);
    this.#words -= 1;
  }

  /** Drops what waits; the next item is a key frame that tells how much was skipped. */
  skip(): void {
    this.#skippedBytes += this.#bytes;
    this.#bytes = 0;
    this.#items = this.#items.filter((item) => item.kind !== "output" && item.kind !== "resize");
    this.#lagging = true;
  }

  /** As `skip`, and again and again until output pauses for 50 ms, or for 10 s at most: key frames alone till then. */
  skipUntilSettled(): void {
    const nowMs = this.#options.clock.monotonicMs();
    this.#settledAtMs = nowMs + settleMs;
    this.#settleLimitMs = nowMs + settleWithinMs;
    this.skip();
    this.#notify();
  }

  /** Asks for a key frame of this very point; it is the next item, and what is pushed from now on follows it. */
  begin(): void {
    this.#lagging = false;
    this.#settleLimitMs = undefined;
    this.#askFrame();
  }

  #askFrame(): void {
    const frame = this.#options.keyFrame();
    frame.catch(() => {});
    this.#frame = frame;
  }

  /** The last word, ahead of everything that waits: for a kick, which must not stand behind output. */
  cut(last: Last): void {
    if (this.#last !== undefined || this.#closed !== undefined) return;
    this.#items = [];
    this.#bytes = 0;
    this.#words = 0;
    this.#lagging = false;
    this.#frame = undefined;
    this.#last = last;
    this.#notify();
  }

  /** Nothing more is taken or told; a waiting `take` rejects with `reason`. */
  close(reason: unknown): void {
    this.#closed ??= { reason };
    for (const tell of this.#tellers.splice(0)) tell(this.#told);
    this.#notify();
  }

  /** The reader answered a key just now: what comes back within 50 ms goes out unmerged. */
  hurry(): void {
    this.#promptUntilMs = this.#options.clock.monotonicMs() + 50;
    this.#notify();
  }

  /** True once the reader took the last word and came back; false when it left before. */
  told(): Promise<boolean> {
    if (this.#told || this.#closed !== undefined) return Promise.resolve(this.#told);
    return new Promise((resolve) => this.#tellers.push(resolve));
  }

  /** What comes is skipped, and the next item is a key frame. */
  get lagging(): boolean {
    return this.#lagging;
  }

  /** Output waiting here. */
  get waitingBytes(): number {
    return this.#bytes;
  }

  /** The next item; undefined after "ended". Rejects with the reason given to `close`. */
  async take(): Promise<ViewItem | undefined> {
    for (;;) {
      if (this.#closed !== undefined) throw this.#closed.reason;
      if (this.#frame !== undefined) {
        const item = await this.#takeFrame(this.#frame);
        if (item !== undefined) return item;
      } else if (this.#lagging) await this.#startFrame();
      else if (this.#items.length > 0) {
        const waitMs = this.#mergeWaitMs();
        if (waitMs <= 0) return this.#shift();
        await this.#moved(waitMs);
      } else if (this.#last !== undefined) return this.#takeLast();
      else await this.#moved();
    }
  }

  #takeLast(): ViewItem | undefined {
    if (!this.#lastTaken) {
      this.#lastTaken = true;
      return this.#last;
    }
    this.#told = true;
    for (const tell of this.#tellers.splice(0)) tell(true);
    return undefined;
  }

  #mergeWaitMs(): number {
    const first = this.#items[0];
    if (first?.kind !== "output" || this.#bytes >= mergeBytes || this.#last !== undefined) return 0;
    const now = this.#options.clock.monotonicMs();
    return now < this.#promptUntilMs ? 0 : this.#tookAtMs + mergeMs - now;
  }

  #shift(): ViewItem | undefined {
    const first = this.#items.shift();
    if (first !== undefined && isWord(first)) this.#words -= 1;
    if (first?.kind !== "output") return first;
    const parts = [first.bytes];
    let bytes = first.bytes.length;
    let next = this.#items[0];
    // Small pieces are merged; large ones cost more to copy than to send.
    while (next?.kind === "output" && bytes < mergeBytes && bytes + next.bytes.length <= messageBytes) {
      parts.push(next.bytes);
      bytes += next.bytes.length;
      this.#items.shift();
      next = this.#items[0];
    }
    this.#bytes -= bytes;
    this.#tookAtMs = this.#options.clock.monotonicMs();
    this.sentOffset = first.offset + bytes;
    return parts.length === 1 ? first : { ...first, bytes: Buffer.concat(parts, bytes) };
  }

  async #startFrame(): Promise<void> {
    const nowMs = this.#options.clock.monotonicMs();
    const limitMs = this.#settleLimitMs;
    if (limitMs !== undefined && this.#options.heldUp?.()) this.#settledAtMs = Math.min(limitMs, nowMs + settleMs);
    const settling = limitMs !== undefined && nowMs < this.#settledAtMs;
    const gapMs = this.#frameAtMs + frameGapMs - nowMs;
    if (gapMs > 0 && this.#last === undefined) await this.#moved(gapMs);
    else if (!settling || this.#last !== undefined) this.begin();
    else if (this.#skippedBytes > 0) this.#askFrame();
    else await this.#moved(this.#settledAtMs - nowMs);
  }

  /** True at its offset even when the viewer lags again by now: then the next frame follows. A cut overtakes it. */
  async #takeFrame(pending: Promise<KeyFrame>): Promise<ViewItem | undefined> {
    let settled: { readonly frame?: KeyFrame; readonly error?: unknown } | undefined;
    const settle = (how: typeof settled) => {
      settled = how;
      this.#notify();
    };
    pending.then(
      (frame) => settle({ frame }),
      (error) => settle({ error }),
    );
    while (settled === undefined && this.#frame === pending && this.#closed === undefined) await this.#moved();
    if (this.#frame !== pending || this.#closed !== undefined) return undefined;
    this.#frame = undefined;
    const frame = settled?.frame;
    if (frame === undefined) {
      if (this.#last === undefined) throw settled?.error;
      // The screen is gone with its session; without it the output that follows means nothing.
      this.#items = [];
      return undefined;
    }
    const skippedBytes = this.#skippedBytes;
    this.#skippedBytes = 0;
    this.#frameAtMs = this.#options.clock.monotonicMs();
    this.sentOffset = frame.offset;
    return { ...frame, skippedBytes };
  }

  #notify(): void {
    this.#wake?.();
  }

  #moved(atMostMs?: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = atMostMs === undefined ? undefined : this.#options.clock.after(atMostMs, () => wake());
      const wake = () => {
        timer?.[Symbol.dispose]();
        this.#wake = undefined;
        resolve();
      };
      this.#wake = wake;
    });
  }
}
