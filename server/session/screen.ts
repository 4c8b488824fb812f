/** The screen of one session: a log of what came since the last key frame, and the next key frame on demand. */
import { BartizanFault } from "../errors.ts";
import type { KeyFrame, SessionEvent, TermSize } from "../events.ts";
import { blankKeyFrame } from "./key-frame.ts";
import { joined, shortened } from "./screen-log.ts";
import type { ScreenPool, ScreenState } from "./screen-pool.ts";

export interface Screen extends Disposable {
  /** Never waits. Takes ownership of the bytes (they must not change). Order of calls = order of events. */
  write(event: SessionEvent): void;
  /**
   * The screen after everything written before this call, exactly at that offset. Many callers at one offset share one
   * computation. Rejects with a BartizanFault when the screen or its pool is closed, or the model cannot start.
   */
  keyFrame(): Promise<KeyFrame>;
  /** undefined while less than 1 MiB waits for the model; else resolves when it has caught up or the signal aborts. */
  ready(signal: AbortSignal): Promise<void> | undefined;
}

/** Output and resizes between two states, closed at an offset. */
interface Batch {
  readonly chunks: Uint8Array[];
  readonly resizes: { readonly at: number; readonly size: TermSize }[];
  bytes: number;
  /** What it costs in memory: a chunk of one byte holds an object and a slice of a packet. */
  weightBytes: number;
  offset: number;
  atMs: number;
  /** Callers that wait for the state at the end of this batch. */
  frame: { readonly promise: Promise<KeyFrame>; readonly settle: PromiseSettle } | undefined;
}

interface PromiseSettle {
  resolve(frame: KeyFrame): void;
  reject(error: unknown): void;
}

/** From here on the log goes to the model although nobody asked: this much is parsed at a join, in some 5 ms. */
const shipBytes = 128 * 1024;
const chunkOverheadBytes = 256;
/** Above this the session should wait for its model; it goes on below half of it. */
const maxWaitingBytes = 1024 * 1024;

/** A blank screen of `size` at offset 0. `close` of the pool ends it, too. */
export function createScreen(pool: ScreenPool, size: TermSize): Screen {
  return new ModelledScreen(pool, size);
}

class ModelledScreen implements Screen {
  readonly #pool: ScreenPool;
  readonly #session: number;
  #state: ScreenState = { bytes: blankKeyFrame(), approximate: false, steady: true, serial: 0 };
  #frame: KeyFrame;
  /** Sealed batches in order; the first one is with the pool while `#working`. */
  readonly #sealed: Batch[] = [];
  #open: Batch;
  #working = false;
  #waitingBytes = 0;
  #closed = false;
  readonly #caughtUp = new Set<() => void>();

  constructor(pool: ScreenPool, size: TermSize) {
    this.#pool = pool;
    this.#session = pool.open();
    this.#frame = {
      kind: "key-frame",
      offset: 0,
      atMs: 0,
      size,
      bytes: this.#state.bytes,
      skippedBytes: 0,
      approximate: false,
    };
    this.#open = newBatch(0, 0);
  }

  write(event: SessionEvent): void {
    if (this.#closed || (event.kind !== "output" && event.kind !== "resize")) return;
    const batch = this.#open;
    let weight = chunkOverheadBytes;
    batch.atMs = event.atMs;
    if (event.kind === "output") {
      if (event.bytes.length === 0) return;
      batch.chunks.push(event.bytes);
      batch.bytes += event.bytes.length;
      batch.offset = event.offset + event.bytes.length;
      weight += event.bytes.length;
    } else {
      batch.resizes.push({ at: batch.bytes, size: event.size });
      batch.offset = event.offset;
    }
    batch.weightBytes += weight;
    this.#waitingBytes += weight;
    if (batch.weightBytes >= shipBytes) this.#work();
  }

  keyFrame(): Promise<KeyFrame> {
    if (this.#closed) return Promise.reject(screenClosed());
    const last = isEmpty(this.#open) ? this.#sealed.at(-1) : this.#seal();
    if (last === undefined) return Promise.resolve(this.#frame);
    if (last.frame === undefined) {
      const { promise, resolve, reject } = Promise.withResolvers<KeyFrame>();
      last.frame = { promise, settle: { resolve, reject } };
    }
    const { promise } = last.frame;
    this.#work();
    return promise;
  }

  ready(signal: AbortSignal): Promise<void> | undefined {
    if (this.#waitingBytes < maxWaitingBytes || this.#closed || signal.aborted) return undefined;
    return new Promise((resolve) => {
      const done = () => {
        this.#caughtUp.delete(done);
        signal.removeEventListener("abort", done);
        resolve();
      };
      this.#caughtUp.add(done);
      signal.addEventListener("abort", done, { once: true });
    });
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#pool.close(this.#session);
    for (const batch of this.#sealed.splice(0)) batch.frame?.settle.reject(screenClosed());
    this.#open = newBatch(0, 0);
    this.#waitingBytes = 0;
    this.#tellCaughtUp();
  }

  #seal(): Batch {
    const batch = this.#open;
    this.#sealed.push(batch);
    this.#open = newBatch(batch.offset, batch.atMs);
    return batch;
  }

  /** One batch at a time: the next one starts from this one's end. What came meanwhile goes together. */
  #work(): void {
    if (this.#working || this.#closed) return;
    if (this.#sealed.length === 0 && this.#open.weightBytes >= shipBytes && !this.#shorten()) this.#seal();
    const batch = this.#sealed[0];
    if (batch === undefined) return;
    this.#working = true;
    const { chunks, resizes } = batch;
    const step = { session: this.#session, from: this.#state, size: this.#frame.size, chunks, resizes };
    this.#pool.advance(step).then(
      (state) => this.#advanced(batch, state),
      (error) => this.#failed(batch, error),
    );
  }

  /** True when the open log is short now: it was plain text that scrolls off, or mostly overhead of small chunks. */
  #shorten(): boolean {
    const batch = this.#open;
    const plain = this.#state.steady && batch.resizes.length === 0;
    const chunks =
      (plain ? shortened(batch.chunks, this.#frame.size.rows, this.#pool.scratch) : undefined) ??
      (batch.bytes < shipBytes / 2 ? [joined(batch.chunks, batch.bytes)] : undefined);
    if (chunks === undefined) return false;
    batch.chunks.splice(0, batch.chunks.length, ...chunks);
    batch.bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    const weight = batch.bytes + chunks.length * chunkOverheadBytes;
    const sparedBytes = batch.weightBytes - weight;
    batch.weightBytes = weight;
    this.#spare(sparedBytes);
    return true;
  }

  #advanced(batch: Batch, state: ScreenState): void {
    if (this.#closed) return;
    this.#state = state;
    this.#frame = {
      kind: "key-frame",
      offset: batch.offset,
      atMs: batch.atMs,
      size: batch.resizes.at(-1)?.size ?? this.#frame.size,
      bytes: state.bytes,
      skippedBytes: 0,
      approximate: state.approximate,
    };
    this.#finished(batch);
    batch.frame?.settle.resolve(this.#frame);
  }

  /** Without a model the log still must not grow: its effect is lost, and the next frames say so. */
  #failed(batch: Batch, error: unknown): void {
    if (this.#closed) return;
    this.#state = { bytes: blankKeyFrame(), approximate: true, steady: false, serial: 0 };
    this.#frame = {
      ...this.#frame,
      offset: batch.offset,
      atMs: batch.atMs,
      size: batch.resizes.at(-1)?.size ?? this.#frame.size,
      bytes: this.#state.bytes,
      approximate: true,
    };
    this.#finished(batch);
    batch.frame?.settle.reject(error);
  }

  #finished(batch: Batch): void {
    this.#sealed.shift();
    this.#working = false;
    this.#spare(batch.weightBytes);
    this.#work();
  }

  #spare(bytes: number): void {
    this.#waitingBytes -= bytes;
    if (this.#waitingBytes < maxWaitingBytes / 2) this.#tellCaughtUp();
  }

  #tellCaughtUp(): void {
    for (const each of [...this.#caughtUp]) each();
  }
}

function newBatch(offset: number, atMs: number): Batch {
  return { chunks: [], resizes: [], bytes: 0, weightBytes: 0, offset, atMs, frame: undefined };
}

function isEmpty(batch: Batch): boolean {
  return batch.weightBytes === 0;
}

function screenClosed(): BartizanFault {
  return new BartizanFault("internal", "The screen of this session is closed.", "The session has ended.");
}
