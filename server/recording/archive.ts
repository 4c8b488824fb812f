/** The recordings on the disk, opened by what the catalogue says of them: no path is made of anything else. */
import { rm } from "node:fs/promises";
import type { RecordingId } from "../events.ts";
import { type CastHead, readHead } from "./cast-head.ts";
import { DamagedRecording } from "./damaged-recording.ts";
import { openRecordingFile, type RecordingFile } from "./recording-file.ts";
import { castPath } from "./recording-id.ts";

export interface RecordingPaths {
  readonly plain: string;
  readonly compressed: string;
  readonly sidecar: string;
}

/** Throws `not-found` for anything that is not exactly an id. */
export function recordingPaths(folder: string, id: RecordingId): RecordingPaths {
  const plain = castPath(folder, id);
  return { plain, compressed: `${plain}.zst`, sidecar: `${plain}.idx` };
}

/** The plain file, else the compressed one; undefined when there is neither. The caller disposes it. */
export async function openRecording(folder: string, id: RecordingId): Promise<RecordingFile | undefined> {
  const { plain, compressed } = recordingPaths(folder, id);
  // Once more: it may have been compressed between the first two looks.
  for (const path of [plain, compressed, plain]) {
    const file = await openRecordingFile(path).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    });
    if (file !== undefined) return file;
  }
  return undefined;
}

/** Throws `DamagedRecording` unless the file says that it is this recording. */
export async function readOwnHead(file: RecordingFile, id: RecordingId, signal: AbortSignal): Promise<CastHead> {
  const head = await readHead(file, signal);
  if (head.start.id !== id) throw new DamagedRecording(0, "it says that it is another one");
  return head;
}

/** Removes the recording in every form, and its index. What is open stays readable. */
export async function removeRecording(folder: string, id: RecordingId): Promise<void> {
  const { plain, compressed, sidecar } = recordingPaths(folder, id);
  for (const path of [plain, compressed, sidecar]) await rm(path, { force: true });
}
