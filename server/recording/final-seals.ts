/** How the recordings of a folder ended, by their own last lines: what the audit log has to know, too. */
import { readdir } from "node:fs/promises";
import { readTail } from "./cast-tail.ts";
import { DamagedRecording } from "./damaged-recording.ts";
import { openRecordingFile } from "./recording-file.ts";
import { castPath, recordingIdOf } from "./recording-id.ts";

/** The last seal is in these, or its file is no whole recording. */
const tailBytes = 2 * 1024 * 1024;

/** The hash of the final seal of each; those that have none, cannot be read or are damaged are left to other checks. */
export async function finalSeals(folder: string, signal: AbortSignal): Promise<Map<string, string>> {
  const seals = new Map<string, string>();
  const names = await readdir(folder).catch(() => []);
  for (const name of names) {
    signal.throwIfAborted();
    const id = recordingIdOf(name);
    if (id === undefined) continue;
    const path = `${castPath(folder, id)}${name.endsWith(".zst") ? ".zst" : ""}`;
    const seal = await sealOf(path).catch((error: unknown) => {
      const { code } = error as NodeJS.ErrnoException;
      if (error instanceof DamagedRecording || error instanceof SyntaxError || code !== undefined) return undefined;
      throw error;
    });
    if (seal !== undefined) seals.set(id, seal);
  }
  return seals;
}

async function sealOf(path: string): Promise<string | undefined> {
  await using file = await openRecordingFile(path);
  const size = await file.size();
  const first = Math.max(0, size - tailBytes);
  const window = Buffer.alloc(size - first);
  const got = await file.read(window, first);
  return readTail(window.subarray(0, got), first)?.seal;
}
