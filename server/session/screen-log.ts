/** Shortens the log of a screen that is flooded with plain text: what scrolls off needs no model, and no thread. */
import { fastForward, simpleEnd } from "./fast-forward.ts";

/** Gives a buffer of at least that size whose content is anybody's; used within one turn. */
export type Scratch = (bytes: number) => Buffer;

/**
 * Chunks that have the same effect on a steady terminal of `rows` rows (see `fastForward`) as these, or undefined when
 * that would spare less than three quarters. The chunks given are not changed and not kept.
 */
export function shortened(chunks: readonly Uint8Array[], rows: number, scratch: Scratch): Uint8Array[] | undefined {
  let size = 0;
  for (const chunk of chunks) size += chunk.length;
  const bytes = scratch(size).subarray(0, size);
  putAll(chunks, bytes);
  const skip = fastForward(bytes, 0, simpleEnd(bytes, 0), rows);
  if (skip === undefined || size - skip.resumeAt + skip.lead.length > size / 4) return undefined;
  return [skip.lead, Uint8Array.from(bytes.subarray(skip.resumeAt))];
}

/** All chunks as one, in a buffer of its own, fit to be transferred. */
export function joined(chunks: readonly Uint8Array[], size: number): Uint8Array<ArrayBuffer> {
  const all = Buffer.allocUnsafeSlow(size) as Uint8Array<ArrayBuffer>;
  putAll(chunks, all);
  return all;
}

function putAll(chunks: readonly Uint8Array[], into: Uint8Array): void {
  let at = 0;
  for (const chunk of chunks) {
    into.set(chunk, at);
    at += chunk.length;
  }
}

/** A scratch that grows to what was asked for and is then kept. */
export function createScratch(): Scratch {
  let buffer: Buffer = Buffer.alloc(0);
  return (bytes) => {
    if (buffer.length < bytes) buffer = Buffer.allocUnsafeSlow(bytes * 2);
    return buffer;
  };
}
