/** Lists packed recordings again when the list was lost. Plain ones are put right by the recorder's own start. */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { RecordingId } from "../events.ts";
import type { Log } from "../log.ts";
import { openRecording, readOwnHead } from "./archive.ts";
import type { Catalogue } from "./catalogue.ts";
import { recordingIdOf } from "./recording-id.ts";
import { recordedCauseOf } from "./replay.ts";
import { verifyRecording } from "./verify.ts";

export interface RelistNeeds {
  readonly folder: string;
  readonly catalogue: Catalogue;
  readonly log: Log;
}

/** Ends early when the signal aborts; a file that cannot be read is logged and left alone. */
export async function relistPacked({ folder, catalogue, log }: RelistNeeds, signal: AbortSignal): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names) {
    const id = name.endsWith(".zst") ? recordingIdOf(name) : undefined;
    if (signal.aborted) return;
    if (id === undefined || catalogue.find(id) !== undefined) continue;
    try {
      await relist(folder, catalogue, id, (await stat(join(folder, name))).size, signal);
    } catch (error) {
      if (!signal.aborted) log.warn({ err: error, recording: id }, "a packed recording cannot be listed again");
    }
  }
}

async function relist(folder: string, catalogue: Catalogue, id: RecordingId, fileBytes: number, signal: AbortSignal) {
  await using file = await openRecording(folder, id);
  if (file === undefined || !file.compressed) return;
  const { keyId: _key, ...start } = (await readOwnHead(file, id, signal)).start;
  // Whether it is what was written is told by verifying it; here only what it says of its end is of use.
  const {
    verdict,
    outputBytes,
    seal,
    endMs = 0,
    cause,
  } = await verifyRecording(file, { keyOf: () => undefined, signal });
  const known = recordedCauseOf(cause);
  const whole = verdict !== "altered" && seal !== undefined;
  catalogue.add({
    ...start,
    ...{ state: !whole ? "damaged" : known?.kind === "incomplete" ? "incomplete" : "sealed", durationMs: endMs },
    ...{ outputBytes, fileBytes, compressed: true, commands: 0 },
    ...(known === undefined ? {} : { cause: known }),
    ...(seal === undefined ? {} : { seal }),
  });
}
