/** The last output of a session, kept so that a viewer who comes back gets exactly the bytes he lacks. */
import type { SessionEvent, TermSize } from "../events.ts";

const firstBytes = 4 * 1024;
const pieceBytes = 64 * 1024;
const marksKept = 256;

interface ResizeMark {
  readonly offset: number;
  readonly atMs: number;
  readonly size: TermSize;
}

/** Holds at most `capacityBytes` (256 KiB) of output; grows to it only as output comes, so an idle session is small. */
export class Ring {
  readonly #capacityBytes: number;
  #buffer: Buffer = Buffer.alloc(0);
  /** Offset after the newest byte. */
  #end = 0;
  /** Offset of the oldest byte still here. */
  #start = 0;
  #lastMs = 0;
  #marks: ResizeMark[] = [];

  /** `offset`: of the first byte that will come. */
  constructor(capacityBytes = 256 * 1024, offset = 0) {
    this.#capacityBytes = capacityBytes;
    this.#start = offset;
    this.#end = offset;
  }

  /** Copies the bytes of an output event; notes a resize; ignores the rest. */
  add(event: SessionEvent): void {
    this.#lastMs = event.atMs;
    if (event.kind === "resize") {
      this.#marks.push({ offset: event.offset, atMs: event.atMs, size: event.size });
      if (this.#marks.length > marksKept) this.#forgetBefore((this.#marks.shift()?.offset ?? 0) + 1);
    } else if (event.kind === "output") this.#append(event.bytes);
  }

  /**
   * Everything after `offset` as events, output in pieces of at most 64 KiB (copies); undefined when some of it is gone
   * or was never sent. A resize exactly at `offset` is repeated: applying it twice is harmless.
   */
  since(offset: number): SessionEvent[] | undefined {
    if (!Number.isSafeInteger(offset) || offset < this.#start || offset > this.#end) return undefined;
    const events: SessionEvent[] = [];
    let at = offset;
    for (const mark of this.#marks) {
      if (mark.offset < offset) continue;
      at = this.#output(at, mark.offset, events);
      events.push({ kind: "resize", offset: mark.offset, atMs: mark.atMs, size: mark.size });
    }
    this.#output(at, this.#end, events);
    return events;
  }

  #output(from: number, to: number, into: SessionEvent[]): number {
    for (let at = from; at < to; ) {
      const bytes = this.#copy(at, Math.min(to, at + pieceBytes));
      into.push({ kind: "output", offset: at, atMs: this.#lastMs, bytes });
      at += bytes.length;
    }
    return to;
  }

  #copy(from: number, to: number): Uint8Array {
    const out = Buffer.allocUnsafeSlow(to - from);
    const size = this.#buffer.length;
    const first = from % size;
    const taken = this.#buffer.copy(out, 0, first, Math.min(size, first + out.length));
    this.#buffer.copy(out, taken, 0, out.length - taken);
    return out;
  }

  #append(bytes: Uint8Array): void {
    const kept = bytes.length > this.#capacityBytes ? bytes.subarray(bytes.length - this.#capacityBytes) : bytes;
    const end = this.#end + bytes.length;
    this.#grow(Math.min(this.#capacityBytes, end - this.#start));
    const size = this.#buffer.length;
    const first = (end - kept.length) % size;
    const head = Math.min(kept.length, size - first);
    this.#buffer.set(kept.subarray(0, head), first);
    if (head < kept.length) this.#buffer.set(kept.subarray(head), 0);
    this.#end = end;
    if (end - this.#start > size) this.#forgetBefore(end - size);
  }

  #grow(needed: number): void {
    if (needed <= this.#buffer.length) return;
    let size = Math.max(firstBytes, this.#buffer.length);
    while (size < needed) size *= 2;
    const bigger = Buffer.allocUnsafeSlow(Math.min(size, this.#capacityBytes));
    for (let at = this.#start; at < this.#end; ) {
      const from = at % this.#buffer.length;
      const to = at % bigger.length;
      const run = Math.min(this.#end - at, this.#buffer.length - from, bigger.length - to);
      this.#buffer.copy(bigger, to, from, from + run);
      at += run;
    }
    this.#buffer = bigger;
  }

  #forgetBefore(offset: number): void {
    this.#start = Math.max(this.#start, Math.min(offset, this.#end));
    this.#marks = this.#marks.filter((mark) => mark.offset >= this.#start);
  }
}
