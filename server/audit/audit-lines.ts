/** The lines of an audit log: how one is made, bound to the one before it, and how they are read again in bounded memory. */
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";

/** A line is never longer; texts in it are cut long before. */
export const maxLineBytes = 16 * 1024;
/** Of a text, and of one in a line whose texts are all as long as that, and all escapes. */
const maxTextLength = 1000;
const maxTextLengthOfMany = 100;
const pieceBytes = 64 * 1024;

/** Before the first line. */
export const noHash = "0".repeat(64);

/** What every line has, besides what its event says; an older log has `kind` for `event`, and less. */
export interface AuditLine {
  readonly n: number;
  readonly prev: string;
  readonly event: string;
  readonly atMs: number;
  readonly [key: string]: unknown;
}

/** One whole line as it stands in the file. */
export interface RawLine {
  /** Without its line feed. */
  readonly text: string;
  /** SHA-256 over its bytes, line feed included: the next one's `prev`. */
  readonly hash: string;
  /** Where it begins and ends in the file. */
  readonly from: number;
  readonly to: number;
}

/** What would drive a terminal, or show a text in another order than it has; JSON lets it pass. */
const unsafe = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** The line of this event with its line feed. Nothing in it is longer than it may be. */
export function encodeLine(fields: Readonly<Record<string, unknown>>): Buffer {
  const cutAt = (most: number) =>
    JSON.stringify(fields, (_key, value) => (typeof value === "string" ? value.slice(0, most) : value)).replace(
      unsafe,
      (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`,
    );
  const bytes = Buffer.from(`${cutAt(maxTextLength)}\n`);
  return bytes.length <= maxLineBytes ? bytes : Buffer.from(`${cutAt(maxTextLengthOfMany)}\n`);
}

export function hashOf(line: Uint8Array | string): string {
  return createHash("sha256").update(line).digest("hex");
}

/** The line, when it is one of an audit log; undefined for anything else. */
export function parseLine(text: string): AuditLine | undefined {
  try {
    const line = JSON.parse(text) as Record<string, unknown> | null;
    if (line === null || typeof line !== "object" || Array.isArray(line)) return undefined;
    const event = line.event ?? line.kind;
    if (!Number.isSafeInteger(line.n) || typeof line.prev !== "string" || typeof event !== "string") return undefined;
    return { ...line, event, atMs: typeof line.atMs === "number" ? line.atMs : 0 } as AuditLine;
  } catch {
    return undefined;
  }
}

/** Opens the log itself, never what a link leads to. */
export function openLog(path: string): Promise<FileHandle> {
  return open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
}

/**
 * Whole lines between two positions of the file, the first at the start of one; ends where no whole line is left. One that
 * is longer than any may be is cut: its hash fits nothing.
 */
export async function* readLines(
  file: FileHandle,
  from = 0,
  until = Number.POSITIVE_INFINITY,
): AsyncGenerator<RawLine> {
  const piece = Buffer.alloc(pieceBytes);
  let rest: Buffer = Buffer.alloc(0);
  let start = from;
  for (let at = from; at < until; ) {
    const { bytesRead } = await file.read(piece, 0, Math.min(pieceBytes, until - at), at);
    if (bytesRead === 0) return;
    at += bytesRead;
    const bytes: Buffer = Buffer.concat([rest, piece.subarray(0, bytesRead)]);
    let begin = 0;
    for (let end = bytes.indexOf(0x0a); end >= 0; end = bytes.indexOf(0x0a, begin)) {
      const line = bytes.subarray(begin, end + 1);
      const to = start + line.length;
      yield { text: line.toString("utf8", 0, line.length - 1), hash: hashOf(line), from: start, to };
      start = to;
      begin = end + 1;
    }
    rest = bytes.subarray(begin);
    if (rest.length > 4 * maxLineBytes) {
      start += rest.length - maxLineBytes;
      rest = rest.subarray(-maxLineBytes);
    }
  }
}
