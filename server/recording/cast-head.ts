/** The first two lines of a recording: what it is, of whom and what. */

import type { SessionId } from "../events.ts";
import { readBlocks } from "./cast-blocks.ts";
import { type JsonObject, parseCastLine, parseObject, sizeOf } from "./cast-line.ts";
import { DamagedRecording } from "./damaged-recording.ts";
import type { RecordingStart } from "./recording.ts";
import type { RecordingFile } from "./recording-file.ts";
import { isRecordingId } from "./recording-id.ts";

export interface CastHead {
  readonly start: RecordingStart & { readonly keyId: string };
  /** Where the third line begins. */
  readonly bodyPosition: number;
}

/** "later": the lines are not there yet. "foreign": of a version or format that is not known here. */
export type HeadProblem = "later" | "foreign" | "no-header" | "no-start";

/** `lines`: the first two, without their line feeds; undefined for one that is not complete. */
export function parseHead(
  header: Buffer | undefined,
  second: Buffer | undefined,
): CastHead["start"] | { readonly problem: HeadProblem } {
  if (header === undefined) return { problem: "later" };
  const json = parseObject(header.toString("utf8"));
  if (json === undefined || typeof json.version !== "number") return { problem: "no-header" };
  if (json.version !== 3) return { problem: "foreign" };
  const { cols, rows } = objectOf(json.term);
  const size = sizeOf(cols, rows);
  if (size === undefined) return { problem: "no-header" };
  if (second === undefined) return { problem: "later" };
  const line = parseCastLine(second);
  if (line?.kind !== "start") return { problem: "no-start" };
  const { format, recording, session, key, wallMs } = line.json;
  if (typeof format === "number" && format !== 1) return { problem: "foreign" };
  if (typeof recording !== "string" || !isRecordingId(recording)) return { problem: "no-start" };
  if (format !== 1 || typeof session !== "string" || typeof key !== "string") return { problem: "no-start" };
  const text = (name: string) => (typeof line.json[name] === "string" ? (line.json[name] as string) : "");
  return {
    id: recording,
    sessionId: session as SessionId,
    ...{ epoch: text("epoch"), node: text("node"), target: text("target"), targetUser: text("user") },
    operator: { name: text("operator") },
    labels: labelsOf(line.json.labels),
    startedAtMs: typeof wallMs === "number" ? wallMs : 0,
    mode: line.json.mode === "best-effort" ? "best-effort" : "strict",
    ...{ size, keyId: key },
  };
}

/** Throws `DamagedRecording` unless both lines are there and say that they are of a recording of ours. */
export async function readHead(file: RecordingFile, signal: AbortSignal): Promise<CastHead> {
  for await (const { bytes, torn } of readBlocks(file, 0, signal, 64 * 1024)) {
    if (torn) break;
    const first = bytes.indexOf(0x0a);
    const second = bytes.indexOf(0x0a, first + 1);
    if (second < 0) break;
    const start = parseHead(bytes.subarray(0, first), bytes.subarray(first + 1, second));
    if ("problem" in start) break;
    return { start, bodyPosition: second + 1 };
  }
  throw new DamagedRecording(0, "it does not begin as one of this format");
}

function objectOf(value: unknown): JsonObject {
  return typeof value === "object" && value !== null ? (value as JsonObject) : {};
}

function labelsOf(value: unknown): Record<string, string> {
  const entries = Object.entries(objectOf(value)).filter(([, each]) => typeof each === "string");
  return Object.fromEntries(entries) as Record<string, string>;
}
