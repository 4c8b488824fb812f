/** A file that only grows: written in the same turn while the disk is quick, behind the thread's back when it is not. */
import type { Clock } from "../flow/clock.ts";
import type { Disk } from "./disk.ts";

/** A write that took longer stops the event loop for everybody: the next ones are left to others. */
const slowMs = 20;

interface Piece {
  readonly bytes: Buffer;
  readonly done: PromiseWithResolvers<void>;
}

export interface AppendFileNeeds {
  readonly disk: Disk;
  readonly clock: Clock;
  /** Belongs to this file from now on, which is `lengthBytes` long. */
  readonly fd: number;
  readonly lengthBytes: number;
}

/** After a failure nothing more is taken until `repair`. One caller, who waits for nothing but the bound he keeps. */
export class AppendFile {
  readonly #needs: AppendFileNeeds;
  readonly #queue: Piece[] = [];
  #waitingBytes = 0;
  #lengthBytes: number;
  #slow = false;
  #failed: unknown;
  #writing: Promise<void> | undefined;

  constructor(needs: AppendFileNeeds) {
    this.#needs = needs;
    this.#lengthBytes = needs.lengthBytes;
  }

  /** Not on the disk yet; what was given to `append` and has not resolved. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** undefined: written. Else resolves when it is; in order. Throws or rejects when the disk does. */
  append(bytes: Buffer): Promise<void> | undefined {
    if (this.#failed !== undefined) throw this.#failed;
    if (!this.#slow && this.#writing === undefined) {
      const { clock, disk, fd } = this.#needs;
      const start = clock.monotonicMs();
      try {
        for (let at = 0; at < bytes.length; ) at += disk.writeSync(fd, at === 0 ? bytes : bytes.subarray(at));
      } catch (error) {
        this.#failed = error;
        throw error;
      }
      this.#lengthBytes += bytes.length;
      this.#slow = clock.monotonicMs() - start > slowMs;
      return undefined;
    }
    return this.appendLater(bytes);
  }

  /** As `append`, and never in this turn: for what nobody waits to be shown. */
  appendLater(bytes: Buffer): Promise<void> {
    const piece = { bytes: Buffer.from(bytes), done: Promise.withResolvers<void>() };
    this.#queue.push(piece);
    this.#waitingBytes += bytes.length;
    this.#writing ??= this.#writeAll();
    return piece.done.promise;
  }

  /** Resolves when everything given is written, or failed. */
  async settled(): Promise<void> {
    await this.#writing;
  }

  /** What was appended before this call is on the disk when it resolves. */
  async sync(): Promise<void> {
    await this.#writing;
    if (this.#failed !== undefined) throw this.#failed;
    await this.#needs.disk.datasync(this.#needs.fd);
  }

  /** Cuts off what a failure left half-written, and takes appends again. Rejects when the disk does. */
  async repair(lengthBytes = this.#lengthBytes): Promise<void> {
    await this.#writing;
    await this.#needs.disk.truncate(this.#needs.fd, lengthBytes);
    this.#lengthBytes = lengthBytes;
    this.#failed = undefined;
  }

  read(from: number, to: number): Promise<Buffer> {
    return this.#needs.disk.read(this.#needs.fd, from, to);
  }

  /** Waits for a write that is under way: a number that was given back must not be written to. */
  async close(): Promise<void> {
    await this.#writing;
    await this.#needs.disk.close(this.#needs.fd);
  }

  async #writeAll(): Promise<void> {
    const { clock, disk, fd } = this.#needs;
    for (let piece = this.#queue.shift(); piece !== undefined; piece = this.#queue.shift()) {
      const { bytes, done } = piece;
      const start = clock.monotonicMs();
      try {
        if (this.#failed !== undefined) throw this.#failed;
        for (let at = 0; at < bytes.length; ) at += await disk.write(fd, bytes.subarray(at));
        this.#lengthBytes += bytes.length;
        done.resolve();
      } catch (error) {
        this.#failed ??= error;
        done.reject(error);
      }
      this.#waitingBytes -= bytes.length;
      this.#slow = clock.monotonicMs() - start > slowMs;
    }
    this.#writing = undefined;
  }
}
