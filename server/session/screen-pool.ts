/** Worker threads that model screens, and the watchdog that replaces one when hostile output got it stuck. */
import { Worker } from "node:worker_threads";
import { BartizanFault } from "../errors.ts";
import type { TermSize } from "../events.ts";
import type { Clock } from "../flow/clock.ts";
import { blankKeyFrame } from "./key-frame.ts";
import { beat, type FromWorker, type Job, type WorkerSetup } from "./screen-jobs.ts";
import { createScratch, joined, type Scratch } from "./screen-log.ts";

export interface ScreenState {
  readonly bytes: Uint8Array;
  readonly approximate: boolean;
  /** In it a flood of plain text may be shortened before it is modelled. */
  readonly steady: boolean;
  /** Names this state for the next step. */
  readonly serial: number;
}

export interface ScreenStep {
  readonly session: number;
  readonly from: ScreenState;
  readonly size: TermSize;
  /** Not changed and not taken: a copy goes to the worker. */
  readonly chunks: readonly Uint8Array[];
  /** `at` counts bytes before the resize. */
  readonly resizes: readonly { readonly at: number; readonly size: TermSize }[];
}

/** Disposing ends the threads; steps under way then reject. */
export interface ScreenPool extends AsyncDisposable {
  /** A number for one screen. */
  open(): number;
  close(session: number): void;
  /** Starts the threads now and lets them practise, so that the first watchers do not wait for cold code. */
  warm(): void;
  readonly scratch: Scratch;
  /**
   * The state after a step. Steps of one screen must not overlap. A step that gets a worker stuck, kills it or costs more than
   * its budget is answered by a blank, approximate state; others on the same worker start again on a new one, unharmed.
   * Rejects with a BartizanFault when the pool is closed or no worker starts.
   */
  advance(step: ScreenStep): Promise<ScreenState>;
}

export interface ScreenPoolOptions {
  readonly clock: Clock;
  /** Threads for well-behaved screens; one more is started for those that got a worker stuck. Default 1. */
  readonly workers?: number;
  /** Without progress for this long a worker is stuck. Default 3000. */
  readonly stuckMs?: number;
  /** What one step may cost. Default 2000. */
  readonly budgetMs?: number;
  /** Another worker program, for tests. */
  readonly workerUrl?: URL;
}

interface Call {
  readonly step: ScreenStep;
  readonly serial: number;
  readonly resolve: (state: ScreenState) => void;
  readonly reject: (error: unknown) => void;
  attempts: number;
}

interface Thread {
  worker: Worker | undefined;
  beats: Int32Array;
  ready: boolean;
  /** Worker starts in a row that never got ready. */
  failures: number;
  lastBeat: number;
  lastBeatMs: number;
  readonly calls: Map<number, Call>;
}

const checkMs = 250;
const maxAttempts = 3;
/** A model is some 100 KB; only hostile output needs more. */
const limits = { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 32 };
/** In a packed build the files end in .js. */
const ending = import.meta.url.endsWith(".ts") ? ".ts" : ".js";

export function openScreenPool(options: ScreenPoolOptions): ScreenPool {
  const { clock, workers = 1, stuckMs = 3000, budgetMs = 2000 } = options;
  const workerUrl = options.workerUrl ?? new URL(`./screen-worker${ending}`, import.meta.url);
  const threads = Array.from({ length: workers }, newThread);
  /** For screens that did harm once: they can only harm each other. */
  const quarantine = newThread();
  const suspects = new Set<number>();
  let sessions = 0;
  let calls = 0;
  let serials = 0;
  let watchdog: Disposable | undefined;
  let closed = false;

  const threadOf = (session: number): Thread =>
    suspects.has(session) ? quarantine : (threads.at(session % threads.length) ?? quarantine);

  const send = (thread: Thread, id: number, { step, serial }: Call) => {
    const bytes = joined(
      step.chunks,
      step.chunks.reduce((sum, chunk) => sum + chunk.length, 0),
    );
    const job: Job = {
      kind: "job",
      id,
      session: step.session,
      baseSerial: step.from.serial,
      base: step.from.bytes,
      approximate: step.from.approximate,
      size: step.size,
      serial,
      bytes,
      resizes: step.resizes,
    };
    thread.worker?.postMessage(job, [bytes.buffer]);
  };

  const begin = (call: Call) => {
    const thread = threadOf(call.step.session);
    const id = ++calls;
    if (thread.calls.size === 0) thread.lastBeatMs = clock.monotonicMs();
    thread.calls.set(id, call);
    if (thread.worker === undefined) startWorker(thread);
    else if (thread.ready) send(thread, id, call);
    watchdog ??= clock.every(checkMs, check);
  };

  const settle = (thread: Thread, message: FromWorker) => {
    if (message.kind === "ready") {
      thread.ready = true;
      thread.failures = 0;
      for (const [id, call] of thread.calls) send(thread, id, call);
      return;
    }
    const call = thread.calls.get(message.id);
    thread.calls.delete(message.id);
    if (call === undefined) return;
    if (message.kind === "gave-up") condemn(call);
    else {
      const { bytes, approximate, steady } = message;
      call.resolve({ bytes, approximate, steady, serial: call.serial });
    }
  };

  const startWorker = (thread: Thread) => {
    thread.beats = new Int32Array(new SharedArrayBuffer(8));
    thread.ready = false;
    thread.lastBeat = 0;
    thread.lastBeatMs = clock.monotonicMs();
    const setup: WorkerSetup = { beats: thread.beats, budgetMs };
    const worker = new Worker(workerUrl, { workerData: setup, resourceLimits: limits, env: {}, execArgv: [] });
    thread.worker = worker;
    worker.unref();
    worker.on("message", (message: FromWorker) => {
      if (thread.worker === worker) settle(thread, message);
    });
    const lost = (error?: unknown) => {
      if (thread.worker === worker) replace(thread, error);
    };
    worker.on("error", lost);
    worker.on("exit", lost);
  };

  /** A blank state stands for what could not be modelled; the screen is a suspect from now on. */
  const condemn = (call: Call) => {
    suspects.add(call.step.session);
    call.resolve({ bytes: blankKeyFrame(), approximate: true, steady: false, serial: ++serials });
  };

  /** The thread is dead or stuck: whoever was at work is the culprit, the others begin again. */
  const replace = (thread: Thread, error: unknown) => {
    const { worker } = thread;
    const culprit = Atomics.load(thread.beats, beat.session);
    thread.worker = undefined;
    worker?.terminate().catch(() => {});
    if (closed) return;
    if (!thread.ready) thread.failures++;
    const again = [...thread.calls.values()];
    thread.calls.clear();
    for (const call of again) {
      call.attempts++;
      if (thread.failures >= maxAttempts) call.reject(noWorker(error));
      else if (call.step.session === culprit || call.attempts >= maxAttempts) condemn(call);
      else begin(call);
    }
    if (thread.failures >= maxAttempts) thread.failures = 0;
  };

  const check = () => {
    const nowMs = clock.monotonicMs();
    let busy = false;
    for (const thread of [...threads, quarantine]) {
      if (thread.calls.size === 0) continue;
      busy = true;
      const count = Atomics.load(thread.beats, beat.count);
      if (count !== thread.lastBeat) {
        thread.lastBeat = count;
        thread.lastBeatMs = nowMs;
      } else if (nowMs - thread.lastBeatMs > stuckMs && (thread.ready || nowMs - thread.lastBeatMs > 10 * stuckMs)) {
        replace(thread, undefined);
      }
    }
    if (!busy) {
      watchdog?.[Symbol.dispose]();
      watchdog = undefined;
    }
  };

  /** Below 0: no screen has such a number. */
  const practise = async (session: number) => {
    const size = { cols: 200, rows: 50 };
    const text = Buffer.from("\x1b[1;32mpractice\x1b[0m \x1b[38;5;208mmakes\x1b[m perfect\x1b[K\r\n".repeat(1000));
    let from: ScreenState = { bytes: blankKeyFrame(), approximate: false, steady: true, serial: 0 };
    for (let round = 0; round < 8 && !closed; round++) {
      const chunks = [text, Buffer.from("\x1b[2;40r\x1b[3;3H\x1b[7mx\x1b[r")];
      from = await new Promise<ScreenState>((resolve, reject) => {
        const step = { session, from: { ...from, serial: 0 }, size, chunks, resizes: [] };
        begin({ step, serial: ++serials, resolve, reject, attempts: 0 });
      });
    }
    if (!closed) forget(session);
  };
  const forget = (session: number) => {
    const thread = threadOf(session);
    suspects.delete(session);
    if (thread.ready) thread.worker?.postMessage({ kind: "close", session });
  };

  return {
    open: () => ++sessions,
    scratch: createScratch(),
    warm() {
      for (let thread = 0; thread < threads.length; thread++) practise(thread - threads.length).catch(() => {});
    },
    close: forget,
    advance: (step) =>
      new Promise((resolve, reject) => {
        if (closed) reject(poolClosed());
        else begin({ step, serial: ++serials, resolve, reject, attempts: 0 });
      }),
    async [Symbol.asyncDispose]() {
      closed = true;
      watchdog?.[Symbol.dispose]();
      const all = [...threads, quarantine];
      const ends = all.map((thread) => thread.worker?.terminate());
      for (const thread of all) {
        thread.worker = undefined;
        for (const call of thread.calls.values()) call.reject(poolClosed());
        thread.calls.clear();
      }
      await Promise.all(ends);
    },
  };
}

function newThread(): Thread {
  return {
    worker: undefined,
    beats: new Int32Array(2),
    ready: false,
    failures: 0,
    lastBeat: 0,
    lastBeatMs: 0,
    calls: new Map(),
  };
}

function poolClosed(): BartizanFault {
  return new BartizanFault("draining", "The bastion is shutting down.", "Try again when it is back.");
}

function noWorker(cause: unknown): BartizanFault {
  return new BartizanFault("internal", "The screen model does not start.", "The bastion's log has the details.", cause);
}
