/** The receive rule: output and resizes in their order, each byte once, or a word that something is missing. No network. */
import type { KeyFrame, SessionEvent, TermSize } from "../events.ts";
import type { Clock } from "../flow/clock.ts";
import type { Frame, Word } from "./frame.ts";
import { KeyPieces } from "./key-pieces.ts";
import type { GapCause } from "./meter.ts";
import type { WatchTiming } from "./watch-timing.ts";

type Data = Frame & { readonly kind: "data" };
type WordFrame = Frame & { readonly kind: "word" };

export interface FrameOrderNeeds {
  readonly epoch: string;
  readonly clock: Clock;
  readonly timing: WatchTiming;
  /** In order: output without gaps or doubles, and the words. `ahead`: it overtook output. */
  readonly deliver: (item: SessionEvent | Word, ahead: boolean) => void;
  /** A key frame. `moved`: what was delivered before it does not lead to it. */
  readonly screen: (frame: KeyFrame, moved: boolean) => void;
  /** Bytes are missing, and did not come by themselves. Until they do, or a key frame does, nothing is delivered. */
  readonly lacks: (cause: GapCause) => void;
}

export class FrameOrder implements Disposable {
  readonly #needs: FrameOrderNeeds;
  readonly #pieces = new KeyPieces();
  /** Where the next output begins; undefined: a key frame has to come first. */
  #next: number | undefined;
  #size: TermSize | undefined;
  #held: (Data | WordFrame)[] = [];
  #heldBytes = 0;
  /** The channel is known to have come as far as this. */
  #toldOffset = 0;
  #timer: Disposable | undefined;
  #lacking = false;

  constructor(needs: FrameOrderNeeds) {
    this.#needs = needs;
  }

  get next(): number | undefined {
    return this.#next;
  }

  /** Something is missing, and the holder has to be asked for it. */
  get lacking(): boolean {
    return this.#lacking;
  }

  /** What comes goes on from here. */
  begin(offset: number): void {
    this.#next = offset;
  }

  take(frame: Frame): void {
    if (frame.epoch !== this.#needs.epoch) return;
    if (frame.kind === "key-piece") {
      const key = this.#pieces.add(frame);
      if (key !== undefined) this.#takeKey(key);
    } else if (frame.kind === "data") this.#inOrder(frame);
    else if (frame.word.kind === "resize" || (frame.word.kind === "ended" && !frame.ahead)) this.#inOrder(frame);
    else this.#needs.deliver(frame.word, frame.ahead);
  }

  /** The holder says how far the channel has come: silence may hide that the last frame was lost. */
  expect(offset: number): void {
    this.#toldOffset = Math.max(this.#toldOffset, offset);
    if (this.#next !== undefined && this.#next < this.#toldOffset) this.#waitForIt();
  }

  /** What is missing will not come: what is there is all there is. */
  giveUp(): void {
    const held = this.#held;
    this.#forget();
    for (const frame of held) if (frame.kind === "word" && frame.word.kind === "ended") this.#pass(frame);
  }

  [Symbol.dispose](): void {
    this.#forget();
  }

  #inOrder(frame: Data | WordFrame): void {
    if (this.#next === undefined) {
      if (frame.kind === "word" && frame.word.kind === "ended") this.#hold(frame);
    } else if (frame.offset > this.#next) this.#hold(frame);
    else {
      this.#pass(frame);
      if (this.#held.length > 0) this.#goOn();
      else this.#settle();
    }
  }

  #pass(frame: Data | WordFrame): void {
    const next = this.#next ?? 0;
    if (frame.kind === "word") {
      const { word } = frame;
      // An older size says nothing any more.
      if (word.kind === "resize" && frame.offset < next) return;
      if (word.kind === "resize") this.#size = word.size;
      this.#needs.deliver(word, false);
      return;
    }
    const end = frame.offset + frame.bytes.length;
    if (end <= next) return;
    const { size, atMs } = frame;
    if (size !== undefined) this.#resized(size, next, atMs);
    const bytes = frame.offset === next ? frame.bytes : frame.bytes.subarray(next - frame.offset);
    this.#next = end;
    this.#needs.deliver({ kind: "output", offset: next, atMs, bytes }, false);
  }

  /** When it is another: the resize before was lost. "Not known yet", after a resume, is another; twice is harmless. */
  #resized(size: TermSize, offset: number, atMs: number): void {
    if (size.cols === this.#size?.cols && size.rows === this.#size.rows) return;
    this.#size = size;
    this.#needs.deliver({ kind: "resize", offset, atMs, size }, false);
  }

  #takeKey(key: KeyFrame): void {
    const next = this.#next;
    const moved = next === undefined || key.offset > next || (this.#lacking && key.offset === next);
    if (!moved && key.offset < next) return;
    this.#next = key.offset;
    // Who does not take this screen has to learn its size all the same.
    if (!moved) this.#resized(key.size, key.offset, key.atMs);
    this.#size = key.size;
    this.#needs.screen(key, moved);
    if (moved) this.#goOn();
  }

  #hold(frame: Data | WordFrame): void {
    const bytes = frame.kind === "data" ? frame.bytes.length : 0;
    const full = this.#heldBytes + bytes > this.#needs.timing.holdBytes;
    if (full && this.#lacking) return;
    let at = this.#held.length;
    while (at > 0 && (this.#held[at - 1] as Frame).offset > frame.offset) at--;
    this.#held.splice(at, 0, frame);
    this.#heldBytes += bytes;
    if (full) this.#lack();
    else this.#waitForIt();
  }

  /** What was held and fits now. */
  #goOn(): void {
    while (this.#held.length > 0) {
      const first = this.#held[0] as Data | WordFrame;
      if (first.offset > (this.#next ?? -1)) break;
      this.#held.shift();
      if (first.kind === "data") this.#heldBytes -= first.bytes.length;
      this.#pass(first);
    }
    this.#settle();
  }

  /** Nothing is missing any more, as far as can be known. */
  #settle(): void {
    if (this.#held.length > 0 || (this.#next ?? 0) < this.#toldOffset) return;
    this.#lacking = false;
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }

  #waitForIt(): void {
    if (this.#lacking) return;
    this.#timer ??= this.#needs.clock.after(this.#needs.timing.holdMs, () => {
      this.#timer = undefined;
      if (this.#held.length > 0 || (this.#next !== undefined && this.#next < this.#toldOffset)) this.#lack();
    });
  }

  #lack(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    this.#lacking = true;
    this.#needs.lacks(this.#held.length > 0 ? "hole" : "tail");
  }

  #forget(): void {
    this.#held = [];
    this.#heldBytes = 0;
    this.#lacking = false;
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }
}
