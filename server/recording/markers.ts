/** What a viewer's timeline marks: resizes, kicks, gaps and who began to watch. */
import { isUtf8 } from "node:buffer";
import { readBlocks } from "./cast-blocks.ts";
import type { CastHead } from "./cast-head.ts";
import { type CastLine, parseCastLine } from "./cast-line.ts";
import { DamagedRecording } from "./damaged-recording.ts";
import type { RecordingFile } from "./recording-file.ts";
import { recordedCauseOf } from "./replay.ts";
import { type ScannedOutput, scanOutput } from "./scan-output.ts";

export interface Marker {
  readonly atMs: number;
  readonly kind: "resize" | "kick" | "gap" | "watch";
  /** One line; as untrusted as names and reasons are. */
  readonly text: string;
}

/** The first so many: a timeline has no room for more. */
const mostMarkers = 1000;

/** In order of time. Reads the whole file without decoding its output; throws as `readCast`. */
export async function readMarkers(
  file: RecordingFile,
  { bodyPosition }: CastHead,
  signal: AbortSignal,
): Promise<Marker[]> {
  const markers: Marker[] = [];
  const scanned: ScannedOutput = { textBytes: 0, afterMs: 0, next: 0 };
  let atMs = 0;
  for await (const { position, bytes, torn } of readBlocks(file, bodyPosition, signal)) {
    if (torn) break;
    const valid = isUtf8(bytes);
    for (let at = 0; at < bytes.length; ) {
      if (valid && scanOutput(bytes, at, scanned)) {
        atMs += scanned.afterMs;
        at = scanned.next;
        continue;
      }
      const end = bytes.indexOf(0x0a, at);
      const line = parseCastLine(bytes.subarray(at, end));
      if (line === undefined) throw new DamagedRecording(position + at, "a line cannot be read");
      if ("afterMs" in line) atMs += line.afterMs;
      const marker = markerOf(line, atMs);
      if (marker !== undefined) markers.push(marker);
      if (markers.length >= mostMarkers) return markers;
      at = end + 1;
    }
  }
  return markers;
}

function markerOf(line: CastLine, atMs: number): Marker | undefined {
  const text = (value: unknown) => (typeof value === "string" ? value.slice(0, 200) : "");
  switch (line.kind) {
    case "resize":
      return { atMs, kind: "resize", text: `${line.size.cols}x${line.size.rows}` };
    case "gap":
      return { atMs, kind: "gap", text: text(line.json.reason) };
    case "joined":
      return line.json.role === "watcher" ? { atMs, kind: "watch", text: text(line.json.who) } : undefined;
    case "end": {
      const cause = recordedCauseOf(line.json.cause);
      if (cause?.kind !== "kicked") return undefined;
      return { atMs, kind: "kick", text: text(`${cause.by.name}: ${cause.reason}`) };
    }
    default:
      return undefined;
  }
}
