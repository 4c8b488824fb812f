/** What a viewer's timeline marks: resizes, kicks, gaps and who began to watch. */
import { isUtf8 } from "node:buffer";
import { type CastBlock, readBlocks } from "./cast-blocks.ts";
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

/** How far a file was looked through, and what was found up to there. */
export interface MarkerScan {
  /** Of the next line; after a whole number of reads. */
  position: number;
  /** The sum of all times before it. */
  atMs: number;
  /** In order of time. */
  readonly markers: Marker[];
}

/**
 * Goes on with `scan` to where the file ends now, without decoding its output. Each read is taken over whole or not at all,
 * so that it can go on after any end. Throws as `readCast`.
 */
export async function readMarkers(file: RecordingFile, scan: MarkerScan, signal: AbortSignal): Promise<void> {
  if (scan.markers.length >= mostMarkers) return;
  for await (const block of readBlocks(file, scan.position, signal)) {
    if (block.torn) return;
    const { markers, atMs } = markersIn(block, scan.atMs);
    scan.markers.push(...markers.slice(0, mostMarkers - scan.markers.length));
    scan.atMs = atMs;
    scan.position = block.position + block.bytes.length;
    if (scan.markers.length >= mostMarkers) return;
  }
}

function markersIn({ position, bytes }: CastBlock, fromMs: number): { markers: Marker[]; atMs: number } {
  const markers: Marker[] = [];
  const scanned: ScannedOutput = { textBytes: 0, afterMs: 0, next: 0 };
  let atMs = fromMs;
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
    if (marker !== undefined && markers.length < mostMarkers) markers.push(marker);
    at = end + 1;
  }
  return { markers, atMs };
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
