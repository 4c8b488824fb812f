/** A recording's bytes in blocks of whole lines. Bounded: a line is at most 1 MiB, a block that and what one read gives. */
import { DamagedRecording } from "./damaged-recording.ts";
import type { RecordingFile } from "./recording-file.ts";

/** Without its line feed. */
export const maxLineBytes = 1024 * 1024;

export interface CastBlock {
  /** Of the first byte. */
  readonly position: number;
  /** Whole lines, each with its line feed; with `torn`, what stands after the last one. Valid until the next step. */
  readonly bytes: Buffer;
  readonly torn: boolean;
}

const lineFeed = 0x0a;
const usualReadBytes = 256 * 1024;

/**
 * From `from`, the beginning of a line, to where the file ends when it is reached. A last block is `torn` when the file
 * does not end with a line feed. Throws `DamagedRecording` at a longer line, and the signal's reason.
 */
export async function* readBlocks(
  file: RecordingFile,
  from: number,
  signal: AbortSignal,
  readBytes = usualReadBytes, // at most 1 MiB
): AsyncGenerator<CastBlock, void, void> {
  const buffer = Buffer.allocUnsafeSlow(maxLineBytes + 1 + readBytes);
  let position = from;
  let carried = 0;
  for (;;) {
    signal.throwIfAborted();
    const got = await file.read(buffer.subarray(carried, carried + readBytes), position + carried);
    signal.throwIfAborted();
    if (got === 0) break;
    const filled = carried + got;
    const end = buffer.lastIndexOf(lineFeed, filled - 1) + 1;
    if (end > 0) {
      const bytes = buffer.subarray(0, end);
      // Only the first line can be: the others came with one read.
      if (bytes.indexOf(lineFeed) > maxLineBytes) throw tooLong(position);
      yield { position, bytes, torn: false };
      buffer.copyWithin(0, end, filled);
      position += end;
      carried = filled - end;
    } else carried = filled;
    if (carried > maxLineBytes) throw tooLong(position);
  }
  if (carried > 0) yield { position, bytes: buffer.subarray(0, carried), torn: true };
}

function tooLong(position: number): DamagedRecording {
  return new DamagedRecording(position, "a line is longer than 1 MiB");
}
