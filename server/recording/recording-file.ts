/** One recording's file, plain or compressed, read by position in the plain bytes. Reads what it is given: hostile, too. */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { DamagedRecording } from "./damaged-recording.ts";
import { readSeekTable, zstdMagic } from "./seekable-zstd.ts";

/** Disposing closes the file. Reads may overlap. */
export interface RecordingFile extends AsyncDisposable {
  readonly compressed: boolean;
  /** Plain bytes now: a live recording grows. */
  size(): Promise<number>;
  /** Fills `into` from `position` on, and tells how much: less than asked for only at the end of the file. */
  read(into: Uint8Array, position: number): Promise<number>;
}

/**
 * Opens the file itself, never what a link leads to, and never waits for the writer of a pipe. Throws what `open` throws,
 * `DamagedRecording` for a compressed file without a whole seek table, and Error for what is no regular file.
 */
export async function openRecordingFile(path: string): Promise<RecordingFile> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) throw new Error(`${path} is not a regular file`);
    const start = Buffer.alloc(4);
    const { bytesRead } = await handle.read(start, 0, 4, 0);
    const compressed = bytesRead === 4 && start.readUInt32LE() === zstdMagic;
    return compressed ? await compressedFile(handle, stat.size) : plainFile(handle);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

function plainFile(handle: FileHandle): RecordingFile {
  return {
    compressed: false,
    size: async () => (await handle.stat()).size,
    read: (into, position) => readFully(handle, into, position),
    [Symbol.asyncDispose]: () => handle.close(),
  };
}

async function readFully(handle: FileHandle, into: Uint8Array, position: number): Promise<number> {
  let got = 0;
  while (got < into.length) {
    const { bytesRead } = await handle.read(into, got, into.length - got, position + got);
    if (bytesRead === 0) break;
    got += bytesRead;
  }
  return got;
}

/** Keeps the frames it read last: most readers go on where they were, and then the next one is on its way already. */
async function compressedFile(handle: FileHandle, fileBytes: number): Promise<RecordingFile> {
  const table = await readSeekTable((into, position) => readFully(handle, into, position), fileBytes);
  const kept = new Map<number, Promise<Buffer>>();
  let closed = false;
  const restore = (index: number): Promise<Buffer> => {
    const known = kept.get(index);
    if (known !== undefined) return known;
    const bytes = table.restore(index);
    bytes.catch(() => {});
    kept.set(index, bytes);
    return bytes;
  };
  const frame = (index: number): Promise<Buffer> => {
    const goesOn = kept.has(index) || kept.has(index - 1);
    const bytes = restore(index);
    if (goesOn && index + 1 < table.frames && !closed) void restore(index + 1);
    for (const each of kept.keys()) if (each !== index && each !== index + 1) kept.delete(each);
    return bytes;
  };
  return {
    compressed: true,
    size: async () => table.plainBytes,
    async read(into, position) {
      let got = 0;
      while (got < into.length && position + got < table.plainBytes) {
        const index = table.frameAt(position + got);
        const start = table.startOf(index);
        const bytes = await frame(index);
        const part = bytes.subarray(position + got - start, position + into.length - start);
        if (part.length === 0) throw new DamagedRecording(start, "a compressed frame is shorter than it says");
        into.set(part, got);
        got += part.length;
      }
      return got;
    },
    async [Symbol.asyncDispose]() {
      closed = true;
      // What is on its way still reads the file.
      await Promise.allSettled(kept.values());
      await handle.close();
    },
  };
}
