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
  const whole = scratch(size);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  const bytes = whole.subarray(0, size);
  const skip = fastForward(bytes, 0, simpleEnd(bytes, 0), rows);
  if (skip === undefined || size - skip.resumeAt + skip.lead.length > size / 4) return undefined;
  return [skip.lead, Uint8Array.from(bytes.subarray(skip.resumeAt))];
}

/** A scratch that grows to what was asked for and is then kept. */
export function createScratch(): Scratch {
  let buffer: Buffer = Buffer.alloc(0);
  return (bytes) => {
    if (buffer.length < bytes) buffer = Buffer.allocUnsafeSlow(bytes * 2);
    return buffer;
  };
}
