/** Packs a sealed recording into the seekable format of zstd. The plain file goes only when the packed one gives it back. */
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import type { RecordingId } from "../events.ts";
import { recordingPaths } from "./archive.ts";
import { openRecordingFile, type RecordingFile } from "./recording-file.ts";
import { compressFrame, encodeSeekTable, type FrameSize } from "./seekable-zstd.ts";

/** 256 KiB: what a reader restores to begin anywhere; costs some 3 % against one frame. */
const frameBytes = 256 * 1024;

/**
 * Gives back the size of what is on the disk then. A plain file that changes meanwhile, or a packed one that does not
 * give it back, is an Error and leaves the plain file alone. Nothing half done is left behind, or taken for whole later.
 */
export async function compressRecording(folder: string, id: RecordingId, signal: AbortSignal): Promise<number> {
  const { plain, compressed } = recordingPaths(folder, id);
  const fresh = `${compressed}.new`;
  await rm(fresh, { force: true });
  try {
    const wanted = await pack(plain, fresh, signal);
    await using packed = await openRecordingFile(fresh);
    const restored = await digestOf(packed, signal);
    await using still = await openRecordingFile(plain);
    if (restored !== wanted.digest || (await still.size()) !== wanted.plainBytes)
      throw new Error("the packed recording does not give the plain one back");
    await rename(fresh, compressed);
    await syncFolder(folder);
    await rm(plain);
    return wanted.packedBytes;
  } finally {
    await rm(fresh, { force: true });
  }
}

async function pack(plain: string, fresh: string, signal: AbortSignal) {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  await using source = await openRecordingFile(plain);
  if (source.compressed) throw new Error("the recording is packed already");
  await using target = await open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  const digest = createHash("sha256");
  const buffer = Buffer.allocUnsafeSlow(frameBytes);
  const frames: FrameSize[] = [];
  let plainBytes = 0;
  let packedBytes = 0;
  for (;;) {
    signal.throwIfAborted();
    const got = await source.read(buffer, plainBytes);
    if (got === 0) break;
    const part = buffer.subarray(0, got);
    digest.update(part);
    const frame = await compressFrame(part);
    await target.writeFile(frame);
    frames.push({ compressedBytes: frame.length, plainBytes: got });
    plainBytes += got;
    packedBytes += frame.length;
  }
  const table = encodeSeekTable(frames);
  await target.writeFile(table);
  await target.datasync();
  return { digest: digest.digest("hex"), plainBytes, packedBytes: packedBytes + table.length };
}

async function digestOf(file: RecordingFile, signal: AbortSignal): Promise<string> {
  const digest = createHash("sha256");
  const buffer = Buffer.allocUnsafeSlow(frameBytes);
  for (let position = 0; ; ) {
    signal.throwIfAborted();
    const got = await file.read(buffer, position);
    if (got === 0) return digest.digest("hex");
    digest.update(buffer.subarray(0, got));
    position += got;
  }
}

async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  await handle.sync();
}
