/** Lists a recording by what its file says: when the list was lost, or a file that was missing is there again. */
import type { KeyObject } from "node:crypto";
import { stat } from "node:fs/promises";
import type { RecordingId } from "../events.ts";
import { openRecording, readOwnHead, recordingPaths } from "./archive.ts";
import type { Catalogue } from "./catalogue.ts";
import type { RecordingInfo, RecordingState } from "./recording.ts";
import { recordedCauseOf } from "./replay.ts";
import { type Verification, verifyRecording } from "./verify.ts";

export interface RelistNeeds {
  readonly folder: string;
  readonly catalogue: Catalogue;
  readonly keyOf: (keyId: string) => KeyObject | undefined;
}

/** Reads the whole file: an altered one, or one with a hole, is listed as damaged. Throws what reading it throws. */
export async function relist(
  need: RelistNeeds,
  id: RecordingId,
  signal: AbortSignal,
): Promise<RecordingInfo | undefined> {
  const { folder, catalogue, keyOf } = need;
  await using file = await openRecording(folder, id);
  if (file === undefined) return undefined;
  const { keyId: _, ...start } = (await readOwnHead(file, id, signal)).start;
  const verified = await verifyRecording(file, { keyOf, signal });
  const { outputBytes, seal, endMs = 0, cause } = verified;
  const paths = recordingPaths(folder, id);
  const { size: fileBytes } = await stat(file.compressed ? paths.compressed : paths.plain);
  const row = catalogue.find(id);
  const found: RecordingInfo = {
    ...start,
    state: stateOf(verified),
    ...{ durationMs: endMs, outputBytes, fileBytes, compressed: file.compressed, commands: row?.commands ?? 0 },
    cause: recordedCauseOf(cause) ?? { kind: "incomplete" },
    ...(seal === undefined ? {} : { seal }),
  };
  if (row === undefined) catalogue.add(found);
  else catalogue.change(id, found);
  return found;
}

/** Of an unknown key: what is told here is no verdict on who wrote it. */
function stateOf({ verdict, cause, seal }: Verification): RecordingState {
  if (verdict === "altered" || verdict === "gap") return "damaged";
  const whole = seal !== undefined && recordedCauseOf(cause)?.kind !== "incomplete";
  return whole ? "sealed" : "incomplete";
}
