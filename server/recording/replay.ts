/** A recording as a view: from a known screen on, then its events, to its end or to the live edge. */
import type { AttachmentId, EndCause, KeyFrame, Role, SessionEvent } from "../events.ts";
import type { JsonObject } from "./cast-line.ts";
import { type CastEvent, type CastPoint, readCast } from "./cast-reader.ts";
import type { RecordedCause, RecordingInfo } from "./recording.ts";
import type { RecordingFile } from "./recording-file.ts";

/** Nothing is behind "ended" and "live-edge". */
export type ReplayItem = KeyFrame | SessionEvent | { readonly kind: "live-edge"; offset: number; atMs: number };

/** A screen, and the point of the file that it is of. */
export interface ReplayStart {
  readonly frame: KeyFrame;
  readonly point: CastPoint;
}

/** Output of one time is put together up to this. */
const mostOutputBytes = 64 * 1024;

/**
 * First the screen, then every event behind it, as fast as they are taken. `running` is asked at the end of a file that
 * does not tell how the session ended. Throws as `readCast`.
 */
export async function* replay(
  file: RecordingFile,
  info: Pick<RecordingInfo, "startedAtMs">,
  { frame, point }: ReplayStart,
  running: () => boolean,
  signal: AbortSignal,
): AsyncGenerator<ReplayItem, void, void> {
  yield frame;
  let last = point;
  for await (const events of readCast(file, point, signal)) {
    for (const item of shown(events, info.startedAtMs)) {
      signal.throwIfAborted();
      yield item;
      if (item.kind === "ended") return;
    }
    last = events.at(-1)?.next ?? last;
  }
  const { offset, atMs } = last;
  if (running()) yield { kind: "live-edge", offset, atMs };
  else yield { kind: "ended", offset, atMs, cause: serverDied };
}

const serverDied: EndCause = { kind: "closed", why: "fault", detail: "The server died here." };

function* shown(events: readonly CastEvent[], startedAtMs: number): Generator<ReplayItem, void, void> {
  let waiting: { readonly atMs: number; readonly offset: number; chunks: Uint8Array[]; bytes: number } | undefined;
  const put = function* (): Generator<ReplayItem, void, void> {
    if (waiting === undefined) return;
    const { atMs, offset, chunks } = waiting;
    waiting = undefined;
    const [only] = chunks;
    const all = chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks);
    for (let at = 0; at < all.length; at += mostOutputBytes)
      yield { kind: "output", atMs, offset: offset + at, bytes: all.subarray(at, at + mostOutputBytes) };
  };
  for (const event of events) {
    const { atMs, offset } = event;
    if (event.kind === "output") {
      if (waiting?.atMs !== atMs || waiting.bytes + event.bytes.length > mostOutputBytes) yield* put();
      waiting ??= { atMs, offset, chunks: [], bytes: 0 };
      waiting.chunks.push(event.bytes);
      waiting.bytes += event.bytes.length;
      continue;
    }
    const item = shownEvent(event, startedAtMs);
    if (item === undefined) continue;
    yield* put();
    yield item;
  }
  yield* put();
}

function shownEvent(event: CastEvent, startedAtMs: number): ReplayItem | undefined {
  const { atMs, offset } = event;
  switch (event.kind) {
    case "resize":
      return { kind: "resize", atMs, offset, size: event.size };
    case "joined":
    case "left": {
      const { attachment, who, role } = event.json;
      const id = textOf(attachment) as AttachmentId;
      const known: Role = role === "operator" ? "operator" : "watcher";
      const attached = { id, who: { name: textOf(who) }, role: known, sinceMs: startedAtMs + atMs };
      return { kind: event.kind, atMs, offset, who: attached };
    }
    case "screen":
      return {
        ...{ kind: "key-frame", atMs, offset, size: event.next.size, bytes: event.bytes },
        ...{ skippedBytes: 0, approximate: false },
      };
    case "end": {
      const cause = recordedCauseOf(event.json.cause);
      return {
        kind: "ended",
        atMs,
        offset,
        cause: cause === undefined || cause.kind === "incomplete" ? serverDied : cause,
      };
    }
    default:
      return undefined;
  }
}

/** Nothing else is turned into text: an object may say how. */
function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** A cause as a recording has it, made fit for this version; undefined for one that is not known. */
export function recordedCauseOf(value: unknown): RecordedCause | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const cause = value as JsonObject;
  switch (cause.kind) {
    case "exited":
      return Number.isInteger(cause.code) ? { kind: "exited", code: Number(cause.code) & 0xff } : undefined;
    case "signalled":
      return { kind: "signalled", name: textOf(cause.name) };
    case "lost":
      return { kind: "lost", reason: textOf(cause.reason) };
    case "kicked": {
      const by = (typeof cause.by === "object" && cause.by !== null ? cause.by : {}) as JsonObject;
      return { kind: "kicked", by: { name: textOf(by.name) }, reason: textOf(cause.reason) };
    }
    case "closed": {
      const why = closedReasons.find((each) => each === cause.why) ?? "fault";
      return { kind: "closed", why, ...(typeof cause.detail === "string" ? { detail: cause.detail } : {}) };
    }
    case "incomplete":
      return { kind: "incomplete" };
    default:
      return undefined;
  }
}

const closedReasons = [
  ...(["operator", "grace-expired", "draining", "taken-over", "fault", "unrecorded"] as const),
  ...(["access-ended", "idle", "too-long"] as const),
];
