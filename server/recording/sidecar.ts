/**
 * The index beside a recording: screens at places of its file, so that a reader need not begin at the start. A cache:
 * bound to its file by hashes of the chain, never evidence, made anew when it is gone.
 */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { type CastBlock, maxLineBytes, readBlocks } from "./cast-blocks.ts";
import { parseCastLine, parseObject, sizeOf } from "./cast-line.ts";
import { openRecordingFile, type RecordingFile } from "./recording-file.ts";

/** Entries beyond this are left out: the disk is slow. */
const maxWaitingBytes = 256 * 1024;
/** A frame of a line this long is some 700 KB: no terminal of ours has one. */
const maxEntries = 1_000_000;
/** A chunk of the chain is 64 KiB and the line that makes it so: mostly short, at most 1 MiB. */
const lookBackBytes = [128 * 1024, 2 * maxLineBytes];

/** The screen after everything before `position`, which is directly after the line that ends at `offset`. */
export interface SidecarEntry {
  readonly atMs: number;
  readonly offset: number;
  readonly position: number;
  readonly size: { readonly cols: number; readonly rows: number };
  /** H of the last cutting line before `position`, 64 hexadecimal digits; zeros before the first. */
  readonly hash: string;
  /** A key frame. */
  readonly bytes: Uint8Array;
}

/** Never evidence: what cannot be written is left out. Entries come in the order of their positions. */
export interface Sidecar extends AsyncDisposable {
  add(entry: SidecarEntry): void;
  /** Resolves when all that was added is written, or left out. */
  settled(): Promise<void>;
}

/** Begins the index at `path`, or goes on with it: one JSON line for each entry. */
export function openSidecar(path: string): Sidecar {
  let file: Promise<FileHandle> | undefined;
  let waitingBytes = 0;
  let last: Promise<void> = Promise.resolve();
  const write = async (line: string) => {
    try {
      file ??= open(path, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
      await (await file).appendFile(line);
    } catch {
      // A reader makes the index anew.
    }
    waitingBytes -= line.length;
  };
  return {
    add({ atMs, offset, position, hash, size, bytes }) {
      if (waitingBytes > maxWaitingBytes) return;
      const frame = Buffer.from(bytes).toString("base64");
      const line = `${JSON.stringify({ atMs, offset, position, hash, size, frame })}\n`;
      waitingBytes += line.length;
      last = last.then(() => write(line));
    },
    settled: () => last,
    async [Symbol.asyncDispose]() {
      await last;
      await (await file?.catch(() => undefined))?.close();
    },
  };
}

export interface SidecarView {
  /** The newest entry at or before `atMs` that the file bears out, if any. */
  readonly entry: SidecarEntry | undefined;
  /** File position of the newest entry of all; -1 when there is none. */
  readonly lastPosition: number;
}

/**
 * Reads the index at `path`. Only entries that fit what `recording` holds at their place are given: what is not there,
 * not whole, of another file or of nonsense counts as missing.
 */
export async function readSidecar(
  path: string,
  recording: RecordingFile,
  atMs: number,
  signal: AbortSignal,
): Promise<SidecarView> {
  const found = await lastEntries(path, atMs, signal).catch((error: unknown) => {
    signal.throwIfAborted();
    return { candidates: [], lastPosition: -1, error };
  });
  for (const entry of found.candidates.toReversed())
    if (await isBorneOut(entry, recording, signal)) return { entry, lastPosition: found.lastPosition };
  return { entry: undefined, lastPosition: found.candidates.length === 0 ? found.lastPosition : -1 };
}

interface Place {
  readonly atMs: number;
  readonly position: number;
  readonly lineStart: number;
  readonly lineBytes: number;
}

/** So many of the newest fitting entries are tried: one that was cut by a crash may be among them. */
const mostCandidates = 3;

async function lastEntries(path: string, atMs: number, signal: AbortSignal) {
  await using file = await openRecordingFile(path);
  const places: Place[] = [];
  let lastPosition = -1;
  let count = 0;
  for await (const block of readBlocks(file, 0, signal, maxLineBytes)) {
    if (block.torn) break;
    for (const place of placesIn(block)) {
      count += 1;
      if (count > maxEntries) break;
      lastPosition = place.position;
      if (place.atMs > atMs) continue;
      places.push(place);
      if (places.length > mostCandidates) places.shift();
    }
  }
  const candidates: SidecarEntry[] = [];
  for (const { lineStart, lineBytes } of places) {
    const line = Buffer.alloc(lineBytes);
    await file.read(line, lineStart);
    const entry = parseEntry(line.toString("latin1"));
    if (entry !== undefined) candidates.push(entry);
  }
  return { candidates, lastPosition };
}

/** Times and positions alone: the frames, which are nearly all of it, are not decoded. */
function* placesIn({ position, bytes }: CastBlock): Generator<Place, void, void> {
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(0x0a, start);
    const head = bytes.toString("latin1", start, Math.min(end, start + 120));
    const found = /^\{"atMs":(\d{1,15}),"offset":\d{1,15},"position":(\d{1,15}),/.exec(head);
    if (found !== null)
      yield {
        ...{ atMs: Number(found[1]), position: Number(found[2]) },
        ...{ lineStart: position + start, lineBytes: end - start },
      };
    start = end + 1;
  }
}

function parseEntry(text: string): SidecarEntry | undefined {
  const { atMs, offset, position, size, hash, frame } = parseObject(text) ?? {};
  const { cols, rows } = (size ?? {}) as Record<string, unknown>;
  const checked = sizeOf(cols, rows);
  const counts = [atMs, offset, position].every((each) => Number.isSafeInteger(each) && (each as number) >= 0);
  if (!counts || checked === undefined || typeof hash !== "string" || typeof frame !== "string") return undefined;
  const bytes = Buffer.from(frame, "base64");
  if (bytes.length === 0) return undefined;
  return { atMs: Number(atMs), offset: Number(offset), position: Number(position), size: checked, hash, bytes };
}

/** The line before ends there, and the last cutting line before has the hash. */
async function isBorneOut(entry: SidecarEntry, file: RecordingFile, signal: AbortSignal): Promise<boolean> {
  if (entry.position > (await file.size())) return false;
  for (const most of lookBackBytes) {
    const start = Math.max(0, entry.position - most);
    const before = Buffer.alloc(entry.position - start);
    signal.throwIfAborted();
    if ((await file.read(before, start)) !== before.length || before.at(-1) !== 0x0a) return false;
    const hash = lastHash(before, start);
    if (hash !== undefined) return hash === entry.hash;
  }
  return false;
}

const links = [Buffer.from("\n# bartizan link "), Buffer.from("\n# bartizan seal ")];

function lastHash(before: Buffer, start: number): string | undefined {
  const at = Math.max(...links.map((each) => before.lastIndexOf(each)));
  if (at < 0) return start === 0 ? "0".repeat(64) : undefined;
  const line = parseCastLine(before.subarray(at + 1, before.indexOf(0x0a, at + 1)));
  const { hash } = line?.kind === "link" || line?.kind === "seal" ? line.json : {};
  return typeof hash === "string" ? hash : undefined;
}
