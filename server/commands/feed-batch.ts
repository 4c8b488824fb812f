/** What waits to be fed to an extractor: bounded, shortened where nothing is lost, packed for the way to another thread. */
import { joined, type Scratch, shortened } from "../session/screen-log.ts";
import type { FeedEvent } from "./command.ts";
import type { PackedEvent } from "./command-jobs.ts";

/** More than this does not wait: the middle of the output is dropped. */
const maxWaitingBytes = 1024 * 1024;
/** What is kept of the output when the rest is dropped. */
const keptBytes = 32 * 1024;
const eventBytes = 100;
/** Plain output of this much is worth shortening. */
const shortenBytes = 64 * 1024;

export class FeedBatch {
  #events: FeedEvent[] = [];
  #bytes = 0;

  /** What it costs in memory. */
  get weightBytes(): number {
    return this.#bytes + this.#events.length * eventBytes;
  }

  get empty(): boolean {
    return this.#events.length === 0;
  }

  add(event: FeedEvent): void {
    this.#events.push(event);
    if (event.kind === "output" || event.kind === "input") this.#bytes += event.bytes.length;
    if (this.weightBytes > maxWaitingBytes) this.#dropMiddle();
  }

  /** All of it, as it goes to the worker; `steady`: output at its beginning may be shortened. The batch is empty then. */
  take(steady: boolean, rows: number, scratch: Scratch): { events: PackedEvent[]; bytes: Uint8Array<ArrayBuffer> } {
    if (steady) this.#shorten(rows, scratch);
    const chunks: Uint8Array[] = [];
    const events: PackedEvent[] = [];
    for (const event of this.#events) {
      if (event.kind !== "output" && event.kind !== "input") {
        events.push(event);
        continue;
      }
      const { kind, atMs, bytes } = event;
      chunks.push(bytes);
      const before = events.at(-1);
      // Of output in a row the time of the last piece is good enough, within one batch.
      if (before?.kind === kind && kind === "output")
        events[events.length - 1] = { kind, atMs, length: before.length + bytes.length };
      else events.push({ kind, atMs, length: bytes.length });
    }
    const bytes = joined(chunks, this.#bytes);
    this.clear();
    return { events, bytes };
  }

  clear(): void {
    this.#events = [];
    this.#bytes = 0;
  }

  #shorten(rows: number, scratch: Scratch): void {
    let end = 0;
    let bytes = 0;
    const chunks: Uint8Array[] = [];
    for (const event of this.#events) {
      if (event.kind !== "output") break;
      chunks.push(event.bytes);
      bytes += event.bytes.length;
      end++;
    }
    if (bytes < shortenBytes) return;
    const short = shortened(chunks, rows, scratch);
    const atMs = this.#events[end - 1]?.atMs ?? 0;
    if (short === undefined) return;
    const left = short.reduce((sum, chunk) => sum + chunk.length, 0);
    const [lead, ...rest] = short.map((chunk): FeedEvent => ({ kind: "output", atMs, bytes: chunk }));
    if (lead === undefined) return;
    this.#events.splice(0, end, lead, { kind: "skip", atMs, bytes: bytes - left }, ...rest);
    this.#bytes -= bytes - left;
  }

  /** The newest output stays; all before it, and what was typed then, is a gap. */
  #dropMiddle(): void {
    let from = this.#events.length;
    let kept = 0;
    while (from > 0 && kept < keptBytes) {
      const event = this.#events[--from];
      if (event?.kind === "output" || event?.kind === "input") kept += event.bytes.length;
    }
    const dropped = this.#events.splice(0, Math.max(1, from));
    let bytes = 0;
    let alternate: boolean | undefined;
    let size: FeedEvent | undefined;
    for (const event of dropped) {
      if (event.kind === "resize") size = event;
      else if (event.kind === "output") {
        bytes += event.bytes.length;
        alternate = alternateAfter(event.bytes) ?? alternate;
      } else if (event.kind !== "input") {
        bytes += event.bytes;
        if (event.kind === "gap") alternate = event.alternate ?? alternate;
      }
    }
    const atMs = dropped.at(-1)?.atMs ?? 0;
    this.#events.unshift({ kind: "gap", atMs, bytes, alternate }, ...(size === undefined ? [] : [size]));
    this.#bytes = this.#events.reduce(
      (sum, event) => sum + (event.kind === "output" || event.kind === "input" ? event.bytes.length : 0),
      0,
    );
  }
}

/** On which screen these bytes leave the terminal, when they say so. */
function alternateAfter(bytes: Uint8Array): boolean | undefined {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const at = buffer.lastIndexOf("\x1b[?1049");
  if (at < 0) return undefined;
  const final = buffer[at + 7];
  return final === 0x68 ? true : final === 0x6c ? false : undefined;
}
