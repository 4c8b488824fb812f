/** Makes the lines of one recording, with chain and seals, exactly as docs/recording.md says. It knows no disk. */

import { isUtf8 } from "node:buffer";
import { createHash, type Hash } from "node:crypto";
import type { TermSize } from "../events.ts";
import { putOutput, unfinishedBytes } from "./cast-text.ts";
import type { LineBuffer } from "./line-buffer.ts";
import type { RecordedCause, RecordingStart } from "./recording.ts";
import type { SealKey } from "./seal-key.ts";

/** A cutting line comes after the line that makes a chunk this long. */
const chunkBytes = 64 * 1024;
/** Longer pieces are split, so that no line comes near the limit of 1 MiB. */
const pieceBytes = 32 * 1024;
/** A `screen` line above this would be too long; a cleared screen stands in for it. */
const maxScreenBytes = 256 * 1024;
const none = Buffer.alloc(0);

/** Where a recording stands after some line. */
export interface CastState {
  /** Cutting lines so far, and the hash in the newest; 64 zeros before the first. */
  readonly cuts: number;
  readonly hash: string;
  /** File offset at which the chunk began that is open. */
  readonly chunkStart: number;
  readonly position: number;
  /** Output bytes so far. */
  readonly outputBytes: number;
  /** The sum of all times of events. */
  readonly eventMs: number;
  /** The unfinished character at the end of the output; its `tail` line is written. */
  readonly carry: Buffer;
}

export const emptyCast: CastState = {
  ...{ cuts: 0, hash: "0".repeat(64), chunkStart: 0, position: 0, outputBytes: 0, eventMs: 0, carry: none },
};

/** Every method puts whole lines into the buffer that `lines` gives; `take` ends a batch. Times never step back. */
export class CastWriter {
  readonly #lines: LineBuffer;
  readonly #key: SealKey;
  readonly #names: Pick<RecordingStart, "id" | "sessionId">;
  #state: CastState;
  #open: Hash;
  /** What of the buffer is hashed and counted already. */
  #counted = 0;
  #sealWanted = false;

  constructor(lines: LineBuffer, key: SealKey, names: Pick<RecordingStart, "id" | "sessionId">) {
    this.#lines = lines;
    this.#key = key;
    this.#names = names;
    this.#state = emptyCast;
    this.#open = openChunk(emptyCast);
  }

  get state(): CastState {
    return this.#state;
  }

  /** Goes back, or on, to `state`; `chunk` are the bytes of the file from `state.chunkStart` to `state.position`. */
  restore(state: CastState, chunk: Uint8Array): void {
    this.#lines.clear();
    this.#counted = 0;
    this.#state = state;
    this.#open = openChunk(state).update(chunk);
  }

  /** The lines since the last call, until another one is put. */
  take(): Buffer {
    this.#count();
    const batch = this.#lines.since(0);
    this.#lines.clear();
    this.#counted = 0;
    return batch;
  }

  start(start: RecordingStart, instance: string): void {
    const { size, startedAtMs, operator, target } = start;
    const term = { cols: size.cols, rows: size.rows, type: "xterm-256color" };
    const title = `${operator.name} on ${target}`;
    this.#put(JSON.stringify({ version: 3, term, timestamp: Math.floor(startedAtMs / 1000), title }));
    this.comment("start", {
      ...{ format: 1, recording: start.id, session: start.sessionId, epoch: start.epoch, node: start.node, instance },
      ...{ operator: operator.name, target, user: start.targetUser, labels: start.labels },
      ...{ wallMs: startedAtMs, mode: start.mode, key: this.#key.id },
    });
  }

  output(bytes: Uint8Array, atMs: number): void {
    for (let at = 0; at < bytes.length; at += pieceBytes) this.#piece(bytes.subarray(at, at + pieceBytes), atMs);
  }

  resize(size: TermSize, atMs: number): void {
    this.flushCarry(atMs);
    this.#put(`${this.#head(atMs)}"r", "${size.cols}x${size.rows}"]`);
  }

  marker(text: string, atMs: number): void {
    this.#put(`${this.#head(atMs)}"m", ${JSON.stringify(text)}]`);
  }

  exit(code: number, atMs: number): void {
    this.#put(`${this.#head(atMs)}"x", "${code}"]`);
  }

  comment(word: string, content: object): void {
    this.#put(`# bartizan ${word} ${JSON.stringify(content)}`);
  }

  /** Output is missing up to `to`; the screen is drawn again by a key frame of that point. */
  gap(to: number, reason: string, screen: { size: TermSize; bytes: Uint8Array } | undefined, atMs: number): void {
    this.flushCarry(atMs);
    this.comment("gap", { at: atMs, from: this.#state.outputBytes, to, reason });
    this.marker(`not recorded: ${to - this.#state.outputBytes} bytes of output`, atMs);
    this.#state = { ...this.#state, outputBytes: to };
    if (screen === undefined) return;
    this.resize(screen.size, atMs);
    const frame = screen.bytes.length <= maxScreenBytes ? Buffer.from(screen.bytes) : Buffer.from("\x1bc");
    this.#lines.putAscii(`# bartizan screen ${frame.toString("base64")}\n`);
    this.#lines.putText(`${this.#head(atMs)}"o", ${JSON.stringify(frame.toString("utf8"))}]\n`);
  }

  /** An unfinished character becomes an event of its own: something else has its place right behind it. */
  flushCarry(atMs: number): void {
    const { carry } = this.#state;
    if (carry.length === 0) return;
    this.#state = { ...this.#state, carry: none };
    putOutput(this.#lines, `${this.#head(atMs)}"o", `, carry);
  }

  /** The next output is followed by a seal, at a place where no character is unfinished. */
  wantSeal(): void {
    this.#sealWanted = true;
  }

  get sealWanted(): boolean {
    return this.#sealWanted;
  }

  /** Ends the chunk with a signature. `final`: the very last line. */
  seal(atMs: number, final?: RecordedCause): string {
    this.#sealWanted = false;
    const { id, sessionId } = this.#names;
    const more = { recording: id, session: sessionId, key: this.#key.id, ...(final && { final }) };
    const [json, hash] = this.#cut(atMs, more);
    this.#put(`# bartizan seal ${json} ${this.#key.sign(`bartizan seal 1 ${json}`)}`);
    return hash;
  }

  /** The last lines; gives back the hash in the final seal. */
  end(cause: RecordedCause, atMs: number): string {
    this.flushCarry(atMs);
    if (cause.kind === "kicked") this.marker(`kicked by ${cause.by.name}: ${cause.reason}`, atMs);
    if (cause.kind === "exited") this.exit(cause.code, atMs);
    this.comment("end", { at: atMs, offset: this.#state.outputBytes, cause });
    return this.seal(atMs, cause);
  }

  #piece(piece: Uint8Array, atMs: number): void {
    const { carry } = this.#state;
    const bytes = carry.length > 0 ? Buffer.concat([carry, piece]) : asBuffer(piece);
    const unfinished = unfinishedBytes(bytes);
    const whole = unfinished === 0 ? bytes : bytes.subarray(0, bytes.length - unfinished);
    const carried = unfinished > 0 && isUtf8(whole);
    const shown = carried ? whole : bytes;
    if (shown.length > 0) putOutput(this.#lines, `${this.#head(atMs)}"o", `, shown);
    this.#state = { ...this.#state, outputBytes: this.#state.outputBytes - carry.length + shown.length, carry: none };
    if (this.#sealWanted) this.seal(atMs);
    else if (this.#length() - this.#state.chunkStart >= chunkBytes) this.#link(atMs);
    if (!carried) return;
    // A copy: the chunk it is a part of may be large.
    const rest = Buffer.from(bytes.subarray(whole.length));
    this.#lines.putAscii(`# bartizan tail ${rest.toString("base64")}\n`);
    this.#state = { ...this.#state, outputBytes: this.#state.outputBytes + rest.length, carry: rest };
  }

  #link(atMs: number): void {
    const [json] = this.#cut(atMs, {});
    this.#lines.putAscii(`# bartizan link ${json}\n`);
  }

  #cut(ms: number, more: object): [json: string, hash: string] {
    this.#count();
    const hash = this.#open.digest("hex");
    const { cuts, position, outputBytes } = this.#state;
    this.#state = { ...this.#state, cuts: cuts + 1, hash, chunkStart: position };
    this.#open = openChunk(this.#state);
    return [JSON.stringify({ n: cuts + 1, at: position, out: outputBytes, ms, hash, ...more }), hash];
  }

  #count(): void {
    const fresh = this.#lines.since(this.#counted);
    if (fresh.length === 0) return;
    this.#open.update(fresh);
    this.#counted += fresh.length;
    this.#state = { ...this.#state, position: this.#state.position + fresh.length };
  }

  #length(): number {
    return this.#state.position + this.#lines.length - this.#counted;
  }

  #head(atMs: number): string {
    const sinceMs = Math.max(0, atMs - this.#state.eventMs);
    if (sinceMs > 0) this.#state = { ...this.#state, eventMs: atMs };
    return `[${(sinceMs / 1000).toFixed(3)}, `;
  }

  #put(line: string): void {
    this.#lines.putText(`${line}\n`);
  }
}

function openChunk({ hash }: CastState): Hash {
  return createHash("sha256").update(Buffer.from(hash, "hex"));
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
