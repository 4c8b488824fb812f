/** Lists a recording by what its file says: when the list was lost, or a file that was missing is there again. */
import type { KeyObject } from "node:crypto";
import { stat } from "node:fs/promises";
import type { RecordingId } from "../events.ts";
import { openRecording, readOwnHead, recordingPaths } from "./archive.ts";
import { type CastTail, readTail } from "./cast-tail.ts";
import type { Catalogue } from "./catalogue.ts";
import type { RecordingInfo, RecordingState } from "./recording.ts";
import type { RecordingFile } from "./recording-file.ts";
import { type VerdictWord, verifyRecording } from "./verify.ts";

export interface RelistNeeds {
  readonly folder: string;
  readonly catalogue: Catalogue;
  readonly keyOf: (keyId: string) => KeyObject | undefined;
}

const firstWindowBytes = 2 * 1024 * 1024;

/** Reads the whole file: an altered one, or one with a hole, is listed as damaged. Throws what reading it throws. Gives back the row. */
export async function relist(
  need: RelistNeeds,
  id: RecordingId,
  signal: AbortSignal,
): Promise<RecordingInfo | undefined> {
  const { folder, catalogue, keyOf } = need;
  await using file = await openRecording(folder, id);
  if (file === undefined) return undefined;
  const { start } = await readOwnHead(file, id, signal);
  const { verdict, seal } = await verifyRecording(file, { keyOf, signal });
  const tail = await tailOf(file);
  const paths = recordingPaths(folder, id);
  const { size: fileBytes } = await stat(file.compressed ? paths.compressed : paths.plain);
  const { keyId: _, ...known } = start;
  const found: RecordingInfo = {
    ...known,
    state: stateOf(verdict, tail),
    ...{ durationMs: tail.atMs, outputBytes: tail.state.outputBytes, fileBytes, compressed: file.compressed },
    commands: catalogue.find(id)?.commands ?? 0,
    cause: tail.cause ?? { kind: "incomplete" },
    ...(seal === undefined ? {} : { seal }),
  };
  if (catalogue.find(id) === undefined) catalogue.add(found);
  else catalogue.change(id, found);
  return found;
}

function stateOf(verdict: VerdictWord, tail: CastTail): RecordingState {
  if (verdict === "altered" || verdict === "gap") return "damaged";
  const whole = tail.seal !== undefined && tail.cause !== undefined && tail.cause.kind !== "incomplete";
  return whole ? "sealed" : "incomplete";
}

async function tailOf(file: RecordingFile): Promise<CastTail> {
  const size = await file.size();
  for (let windowBytes = firstWindowBytes; ; windowBytes *= 4) {
    const first = Math.max(0, size - windowBytes);
    const window = Buffer.alloc(size - first);
    const read = await file.read(window, first);
    const tail = readTail(window.subarray(0, read), first);
    if (tail !== undefined) return tail;
  }
}
