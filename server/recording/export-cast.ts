/** A recording as a file to take away: the very bytes, or asciicast v2 for older players, without the chain. */
import { type CastHead, readHead } from "./cast-head.ts";
import { readCast } from "./cast-reader.ts";
import type { RecordingFile } from "./recording-file.ts";

/** Pieces of about this size, so that the reader's pace is kept. */
const pieceBytes = 64 * 1024;

/**
 * The file's bytes in order, to where the recording ends now. Output is decoded as one stream: a character that the
 * target split is whole again, and U+FFFD stands for what is no UTF-8. Throws as `readCast`.
 */
export async function* exportV2(file: RecordingFile, signal: AbortSignal): AsyncGenerator<Buffer, void, void> {
  const head = await readHead(file, signal);
  // A byte order mark is output like any other.
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let lines = `${JSON.stringify(headerOf(head))}\n`;
  let lastMs = 0;
  const line = (atMs: number, code: string, data: string) => {
    lines += `[${(atMs / 1000).toFixed(3)}, "${code}", ${JSON.stringify(data)}]\n`;
  };
  const from = { position: head.bodyPosition, atMs: 0, offset: 0, size: head.start.size };
  for await (const events of readCast(file, from, signal)) {
    for (const event of events) {
      lastMs = event.atMs;
      if (event.kind === "output") {
        const text = decoder.decode(event.bytes, { stream: true });
        if (text !== "") line(event.atMs, "o", text);
      } else if (event.kind === "screen")
        line(event.atMs, "o", decoder.decode() + Buffer.from(event.bytes).toString("utf8"));
      else if (event.kind === "resize") line(event.atMs, "r", `${event.size.cols}x${event.size.rows}`);
      else if (event.kind === "marker") line(event.atMs, "m", event.text);
      if (lines.length < pieceBytes) continue;
      yield* pieces(lines);
      lines = "";
    }
  }
  const rest = decoder.decode();
  if (rest !== "") line(lastMs, "o", rest);
  yield* pieces(lines);
}

function* pieces(text: string): Generator<Buffer, void, void> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}

function headerOf({ start }: CastHead): object {
  const { size, startedAtMs, operator, target } = start;
  return {
    ...{ version: 2, width: size.cols, height: size.rows, timestamp: Math.floor(startedAtMs / 1000) },
    ...{ title: `${operator.name} on ${target}`, env: { TERM: "xterm-256color" } },
  };
}

/** The very file, plain, in pieces. */
export async function* exportV3(file: RecordingFile, signal: AbortSignal): AsyncGenerator<Buffer, void, void> {
  const buffer = Buffer.allocUnsafeSlow(pieceBytes);
  for (let position = 0; ; ) {
    signal.throwIfAborted();
    const got = await file.read(buffer, position);
    if (got === 0) return;
    yield Buffer.from(buffer.subarray(0, got));
    position += got;
  }
}
