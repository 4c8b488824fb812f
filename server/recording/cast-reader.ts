/** A recording's events with their exact bytes, times and places, streamed. */
import type { TermSize } from "../events.ts";
import { type CastBlock, readBlocks } from "./cast-blocks.ts";
import { type CastLine, type JsonObject, parseCastLine } from "./cast-line.ts";
import { DamagedRecording } from "./damaged-recording.ts";
import type { RecordingFile } from "./recording-file.ts";

/** A point between two lines, and what was before it. */
export interface CastPoint {
  /** File position of the line that comes next. */
  readonly position: number;
  readonly atMs: number;
  /** Output bytes of the session before it; those of a `tail` line whose `o` comes later are not. */
  readonly offset: number;
  readonly size: TermSize;
}

/** `offset` and `atMs` as in SessionEvent; `next` is the point behind the event. */
export type CastEvent = { readonly atMs: number; readonly offset: number; readonly next: CastPoint } & (
  | { readonly kind: "output"; readonly bytes: Uint8Array }
  | { readonly kind: "resize"; readonly size: TermSize }
  | { readonly kind: "marker"; readonly text: string }
  | { readonly kind: "joined" | "left" | "notice" | "gap" | "end"; readonly json: JsonObject }
  /** Draws the screen again after a gap. */
  | { readonly kind: "screen"; readonly bytes: Uint8Array }
  | { readonly kind: "cut"; readonly hash: string }
);

/**
 * The events behind `from`, the whole lines of one read at a time, to where the file ends then. A `tail` that the file
 * ends with is output, too. Throws `DamagedRecording` at a line that cannot be read.
 */
export async function* readCast(
  file: RecordingFile,
  from: CastPoint,
  signal: AbortSignal,
): AsyncGenerator<readonly CastEvent[], void, void> {
  const follower = createFollower(from);
  for await (const block of readBlocks(file, from.position, signal)) {
    if (block.torn) break;
    const events = follower.take(block);
    if (events.length > 0) yield events;
  }
  const rest = follower.end();
  if (rest !== undefined) yield [rest];
}

function createFollower(from: CastPoint) {
  let { atMs, offset, size } = from;
  let position = from.position;
  let tail: Buffer | undefined;
  let exact: Buffer | undefined;
  let screen: Buffer | undefined;

  const point = (): CastPoint => ({ position, atMs, offset, size });

  const output = (text: string): CastEvent | undefined => {
    if (screen !== undefined) {
      const bytes = screen;
      screen = undefined;
      return { kind: "screen", bytes, atMs, offset, next: point() };
    }
    const bytes = exact ?? Buffer.from(text, "utf8");
    const at = offset;
    exact = undefined;
    tail = undefined;
    offset += bytes.length;
    return bytes.length === 0 ? undefined : { kind: "output", bytes, atMs, offset: at, next: point() };
  };

  const event = (line: CastLine): CastEvent | undefined => {
    if ("afterMs" in line) atMs += line.afterMs;
    switch (line.kind) {
      case "output":
        return output(line.text);
      case "resize":
        size = line.size;
        return { kind: "resize", size, atMs, offset, next: point() };
      case "marker":
        return { kind: "marker", text: line.text, atMs, offset, next: point() };
      case "bytes":
        exact = line.bytes;
        return undefined;
      case "screen":
        screen = line.bytes;
        return undefined;
      case "tail":
        tail = line.bytes;
        return undefined;
      case "gap": {
        const to = line.json.to;
        if (typeof to === "number" && Number.isSafeInteger(to) && to > offset) offset = to;
        return { kind: "gap", json: line.json, atMs, offset, next: point() };
      }
      case "joined":
      case "left":
      case "notice":
      case "end":
        return { kind: line.kind, json: line.json, atMs, offset, next: point() };
      case "link":
      case "seal":
        return {
          kind: "cut",
          hash: typeof line.json.hash === "string" ? line.json.hash : "",
          atMs,
          offset,
          next: point(),
        };
      default:
        return undefined;
    }
  };

  return {
    take(block: CastBlock): CastEvent[] {
      const events: CastEvent[] = [];
      for (let start = 0; start < block.bytes.length; ) {
        const end = block.bytes.indexOf(0x0a, start);
        const line = parseCastLine(block.bytes.subarray(start, end));
        if (line === undefined) throw new DamagedRecording(block.position + start, "a line cannot be read");
        position = block.position + end + 1;
        const found = event(line);
        if (found !== undefined) events.push(found);
        start = end + 1;
      }
      return events;
    },
    end(): CastEvent | undefined {
      if (tail === undefined) return undefined;
      const at = offset;
      offset += tail.length;
      return { kind: "output", bytes: tail, atMs, offset: at, next: point() };
    },
  };
}
