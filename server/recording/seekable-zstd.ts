/** The seekable format of zstd's contrib: independent frames, and a skippable frame with their sizes at the end. */
import { promisify } from "node:util";
import { constants, zstdCompress, zstdDecompress } from "node:zlib";
import { DamagedRecording } from "./damaged-recording.ts";

/** RFC 8878, 3.1.1 and 3.1.2. */
export const zstdMagic = 0xfd2fb528;
const skippableMagic = 0x184d2a5e;
const seekableMagic = 0x8f92eab1;
const footerBytes = 9;
const skippableHeaderBytes = 8;
/** Ours are 256 KiB; one that says more than this is not read. */
const maxFrameBytes = 8 * 1024 * 1024;
/** A table of this size stands for some 250 GB of recording. */
const maxTableBytes = 8 * 1024 * 1024;

const compressed = promisify(zstdCompress);
const decompressed = promisify(zstdDecompress);

export interface SeekTable {
  readonly frames: number;
  readonly plainBytes: number;
  /** The frame that holds this position, which must be below `plainBytes`. */
  frameAt(position: number): number;
  startOf(frame: number): number;
  /** Rejects with `DamagedRecording` when the frame does not give what the table says. */
  restore(frame: number): Promise<Buffer>;
}

export interface FrameSize {
  readonly compressedBytes: number;
  readonly plainBytes: number;
}

/** One frame, with a checksum of its own. */
export function compressFrame(plain: Uint8Array): Promise<Buffer> {
  const { ZSTD_c_compressionLevel: level, ZSTD_c_checksumFlag: checksum } = constants;
  return compressed(plain, { params: { [level]: 3, [checksum]: 1 } });
}

/** The skippable frame that ends the file. */
export function encodeSeekTable(frames: readonly FrameSize[]): Buffer {
  const bytes = Buffer.alloc(skippableHeaderBytes + frames.length * 8 + footerBytes);
  bytes.writeUInt32LE(skippableMagic, 0);
  bytes.writeUInt32LE(bytes.length - skippableHeaderBytes, 4);
  let at = skippableHeaderBytes;
  for (const frame of frames) {
    bytes.writeUInt32LE(frame.compressedBytes, at);
    bytes.writeUInt32LE(frame.plainBytes, at + 4);
    at += 8;
  }
  bytes.writeUInt32LE(frames.length, at);
  bytes.writeUInt32LE(seekableMagic, at + 5);
  return bytes;
}

type Read = (into: Uint8Array, position: number) => Promise<number>;

/** Throws `DamagedRecording` unless table and frames fill the file exactly. */
export async function readSeekTable(read: Read, fileBytes: number): Promise<SeekTable> {
  const refuse = (): never => {
    throw new DamagedRecording(0, "the compressed file has no whole seek table");
  };
  const at = async (length: number, position: number) => {
    const bytes = Buffer.alloc(length);
    return position >= 0 && (await read(bytes, position)) === length ? bytes : refuse();
  };
  const footer = await at(footerBytes, fileBytes - footerBytes);
  const count = footer.readUInt32LE(0);
  const descriptor = footer.readUInt8(4);
  // Bit 7: each entry has a checksum besides; bits 6 to 2 are reserved.
  const entryBytes = (descriptor & 0x80) === 0 ? 8 : 12;
  const tableBytes = skippableHeaderBytes + count * entryBytes + footerBytes;
  if (footer.readUInt32LE(5) !== seekableMagic || (descriptor & 0x7c) !== 0 || tableBytes > maxTableBytes) refuse();
  const table = await at(tableBytes, fileBytes - tableBytes);
  if (table.readUInt32LE(0) !== skippableMagic || table.readUInt32LE(4) !== tableBytes - skippableHeaderBytes) refuse();
  const starts = new Float64Array(count + 1);
  const places = new Float64Array(count + 1);
  for (let frame = 0; frame < count; frame += 1) {
    const entry = skippableHeaderBytes + frame * entryBytes;
    const plainBytes = table.readUInt32LE(entry + 4);
    if (plainBytes === 0 || plainBytes > maxFrameBytes) refuse();
    places[frame + 1] = (places[frame] ?? 0) + table.readUInt32LE(entry);
    starts[frame + 1] = (starts[frame] ?? 0) + plainBytes;
  }
  if (places[count] !== fileBytes - tableBytes) refuse();
  const startOf = (frame: number) => starts[frame] ?? 0;
  const placeOf = (frame: number) => places[frame] ?? 0;
  return {
    frames: count,
    plainBytes: startOf(count),
    startOf,
    frameAt: (position) => lastAtOrBelow(starts, count, position),
    async restore(frame) {
      const plainBytes = startOf(frame + 1) - startOf(frame);
      const packed = await at(placeOf(frame + 1) - placeOf(frame), placeOf(frame));
      let plain: Buffer;
      try {
        plain = await decompressed(packed, { maxOutputLength: plainBytes });
      } catch (error) {
        throw new DamagedRecording(startOf(frame), "a compressed frame cannot be restored", error);
      }
      if (plain.length !== plainBytes)
        throw new DamagedRecording(startOf(frame), "a compressed frame is not as long as it says");
      return plain;
    },
  };
}

function lastAtOrBelow(starts: Float64Array, count: number, position: number): number {
  let low = 0;
  let high = count - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((starts[middle] ?? 0) <= position) low = middle;
    else high = middle - 1;
  }
  return low;
}
