/** The file of the audit log: only appended to, each line bound to the one before it. Knows no events, and nothing of time. */
import {
  closeSync,
  constants,
  fdatasync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  statSync,
  writeSync,
} from "node:fs";
import { promisify } from "node:util";
import { type AuditLine, encodeLine, hashOf, maxLineBytes, noHash, parseLine } from "./audit-lines.ts";

const datasync = promisify(fdatasync);

interface End {
  readonly lengthBytes: number;
  readonly lines: number;
  /** Of the last line. */
  readonly hash: string;
}

/** One writer at a time. What throws or rejects does so as the system said it. */
export class ChainFile {
  readonly #path: string;
  readonly #fd: number;
  #end: End;
  /** A write may have left half a line. */
  #torn = false;
  /** The line that the file ended with when it was opened; undefined: it was empty. */
  readonly lastLine: AuditLine | undefined;
  /** What a crash left of an unfinished line: it was cut off, nobody was told that it was written. */
  readonly tornBytes: number;

  /** Opens or makes the file, itself and not what a link leads to. Throws for what is no audit log, and leaves it as it is. */
  constructor(path: string) {
    const { O_RDWR, O_APPEND, O_CREAT, O_NOFOLLOW } = constants;
    this.#path = path;
    this.#fd = openSync(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600);
    try {
      const { size } = fstatSync(this.#fd);
      const { end, line } = endOf(this.#fd, size);
      this.#end = end;
      this.lastLine = line;
      this.tornBytes = size - end.lengthBytes;
      if (this.tornBytes > 0) ftruncateSync(this.#fd, end.lengthBytes);
    } catch (error) {
      closeSync(this.#fd);
      throw error;
    }
  }

  get lengthBytes(): number {
    return this.#end.lengthBytes;
  }

  /** What the next line is bound to. */
  get next(): { readonly n: number; readonly prev: string } {
    return { n: this.#end.lines + 1, prev: this.#end.hash };
  }

  /** Written when it returns the line as it stands in the file. A failure leaves nothing that the next append does not mend. */
  append(fields: Readonly<Record<string, unknown>>): Buffer {
    const line = encodeLine({ ...this.next, ...fields });
    const { lengthBytes, lines } = this.#end;
    if (this.#torn) ftruncateSync(this.#fd, lengthBytes);
    this.#torn = false;
    const { size, ino, dev } = fstatSync(this.#fd);
    const there = statSync(this.#path, { throwIfNoEntry: false });
    if (there?.ino !== ino || there.dev !== dev) throw new Error("the file was removed or moved away");
    if (size !== lengthBytes) throw new Error("somebody else has written to it");
    this.#torn = true;
    for (let at = 0; at < line.length; ) at += writeSync(this.#fd, line, at);
    this.#torn = false;
    this.#end = { lengthBytes: lengthBytes + line.length, lines: lines + 1, hash: hashOf(line) };
    return line;
  }

  /** The last whole lines without their line feeds, the very last first; so many at most. */
  tail(lines: number): string[] {
    const { lengthBytes } = this.#end;
    const first = Math.max(0, lengthBytes - (lines + 1) * maxLineBytes);
    const texts = readPiece(this.#fd, first, lengthBytes).toString("utf8").split("\n").slice(0, -1);
    // The first of a piece has no beginning.
    return (first > 0 ? texts.slice(1) : texts).slice(-lines).reverse();
  }

  /** What was appended before this call is on the disk when it resolves. */
  sync(): Promise<void> {
    return datasync(this.#fd);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** Where the last whole line ends, how many there are, and the last. */
function endOf(fd: number, size: number): { end: End; line: AuditLine | undefined } {
  const first = Math.max(0, size - 2 * maxLineBytes);
  const tail = readPiece(fd, first, size);
  const to = tail.lastIndexOf(0x0a) + 1;
  if (to === 0) {
    // One unfinished first line may be cut off, but not the whole of a file that is something else.
    if (first > 0 || (size > 0 && tail[0] !== 0x7b)) throw new Error("it is no audit log");
    return { end: { lengthBytes: 0, lines: 0, hash: noHash }, line: undefined };
  }
  const bytes = tail.subarray(to < 2 ? 0 : tail.lastIndexOf(0x0a, to - 2) + 1, to);
  const line = parseLine(bytes.toString("utf8"));
  if (line === undefined) throw new Error("it is no audit log");
  return { end: { lengthBytes: first + to, lines: line.n, hash: hashOf(bytes) }, line };
}

function readPiece(fd: number, from: number, to: number): Buffer {
  const piece = Buffer.alloc(to - from);
  for (let at = 0; at < piece.length; ) {
    const got = readSync(fd, piece, at, piece.length - at, from + at);
    if (got === 0) break;
    at += got;
  }
  return piece;
}
