/** The worker thread of the extractors, and the watchdog that replaces it when hostile output got it stuck. */
import { Worker } from "node:worker_threads";
import type { CommandSeen, SessionEvent, TermSize } from "../events.ts";
import type { Clock } from "../flow/clock.ts";
import type { Log } from "../log.ts";
import { createScratch } from "../session/screen-log.ts";
import type { CommandOrigin, CommandTap, FeedEvent, OpenTap } from "./command.ts";
import { beat, type FeedJob, type FromWorker, type WorkerSetup } from "./command-jobs.ts";
import { FeedBatch } from "./feed-batch.ts";

/**
 * Disposing waits for the sessions that have ended, a few seconds at most, and ends the thread. Whatever a session prints,
 * it can cost itself its commands, and nobody a shell.
 */
export interface CommandPool extends AsyncDisposable {
  readonly openTap: OpenTap;
  /** How often a thread was replaced, and how many sessions lost their commands for good. */
  readonly losses: { readonly restarts: number; readonly sessions: number };
}

export interface CommandPoolOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Told of every command, and again when more is known of it; `count`: how many its session has so far. */
  readonly onCommand: (origin: CommandOrigin, command: CommandSeen, count: number) => void;
  /** Without progress for this long the thread is stuck. Default 3000. */
  readonly stuckMs?: number;
  /** What one batch may cost. Default 1000. */
  readonly budgetMs?: number;
  /** Another worker program, for tests. */
  readonly workerUrl?: URL;
}

interface Tapped {
  readonly key: number;
  readonly origin: CommandOrigin;
  readonly seen: (command: CommandSeen) => void;
  readonly batch: FeedBatch;
  readonly ended: PromiseWithResolvers<number>;
  size: TermSize;
  /** Output offset after the last byte that was sent to the worker, or dropped. */
  offset: number;
  commands: number;
  /** The worker has an extractor for it. */
  started: boolean;
  busy: boolean;
  steady: boolean;
  strikes: number;
  /** Its commands are lost: nothing is fed any more. */
  lost: boolean;
  over: boolean;
  timer: Disposable | undefined;
}

const batchMs = 50;
const batchBytes = 64 * 1024;
const checkMs = 250;
const maxStrikes = 3;
const maxFailures = 3;
const disposeMs = 5000;
const limits = { maxOldGenerationSizeMb: 512, maxYoungGenerationSizeMb: 32 };
/** In a packed build the files end in .js. */
const ending = import.meta.url.endsWith(".ts") ? ".ts" : ".js";

export function openCommandPool(options: CommandPoolOptions): CommandPool {
  const { clock, log, onCommand, stuckMs = 3000, budgetMs = 1000 } = options;
  const workerUrl = options.workerUrl ?? new URL(`./command-worker${ending}`, import.meta.url);
  const taps = new Map<number, Tapped>();
  const scratch = createScratch();
  const losses = { restarts: 0, sessions: 0 };
  let worker: Worker | undefined;
  let ready = false;
  let beats = new Int32Array(new SharedArrayBuffer(8));
  let lastBeat = 0;
  let lastBeatMs = 0;
  let failures = 0;
  let keys = 0;
  let watchdog: Disposable | undefined;
  let closed = false;

  const start = () => {
    beats = new Int32Array(new SharedArrayBuffer(8));
    ready = false;
    lastBeat = 0;
    lastBeatMs = clock.monotonicMs();
    const setup: WorkerSetup = { beats, budgetMs };
    const made = new Worker(workerUrl, { workerData: setup, resourceLimits: limits, env: {}, execArgv: [] });
    worker = made;
    made.unref();
    made.on("message", (message: FromWorker) => {
      if (worker === made) answered(message);
    });
    const gone = () => {
      if (worker === made) replace();
    };
    made.on("error", gone);
    made.on("exit", gone);
  };

  const answered = (message: FromWorker) => {
    if (message.kind === "ready") {
      ready = true;
      failures = 0;
      lastBeatMs = clock.monotonicMs();
      for (const tap of taps.values()) send(tap);
      return;
    }
    const tap = taps.get(message.session);
    if (tap === undefined) return;
    tap.busy = false;
    if (message.kind === "gave-up") strike(tap);
    else {
      tap.steady = message.steady;
      for (const command of message.commands) {
        tap.commands = Math.max(tap.commands, command.number);
        tap.seen(command);
        onCommand(tap.origin, command, tap.commands);
      }
      if (tap.over && tap.batch.empty) return finish(tap);
    }
    if (tap.over || tap.batch.weightBytes >= batchBytes) send(tap);
    else if (!tap.batch.empty) arm(tap);
  };

  /** Its extractor is gone. It begins anew, unless that happened too often. */
  const strike = (tap: Tapped) => {
    tap.started = false;
    tap.steady = false;
    tap.strikes++;
    if (tap.strikes < maxStrikes && !tap.lost) return;
    lose(tap);
  };

  const lose = (tap: Tapped) => {
    if (!tap.lost) {
      losses.sessions++;
      log.warn({ session: tap.origin.sessionId }, "the commands of this session are not looked for any more");
    }
    tap.lost = true;
    tap.batch.clear();
    if (tap.over) finish(tap);
  };

  const finish = (tap: Tapped) => {
    tap.timer?.[Symbol.dispose]();
    tap.timer = undefined;
    taps.delete(tap.key);
    tap.ended.resolve(tap.commands);
  };

  const arm = (tap: Tapped) => {
    tap.timer ??= clock.after(batchMs, () => {
      tap.timer = undefined;
      send(tap);
    });
  };

  /** One batch of a session at a time; what comes meanwhile waits in the next one. */
  const send = (tap: Tapped) => {
    if (closed || tap.busy || tap.lost || (tap.batch.empty && !tap.over)) return;
    tap.timer?.[Symbol.dispose]();
    tap.timer = undefined;
    if (worker === undefined) start();
    if (!ready) return;
    const { size, commands, offset } = tap;
    const startPart = tap.started ? undefined : { size, commands, offset };
    const { events, bytes } = tap.batch.take(tap.steady, size.rows, scratch);
    for (const event of events) {
      if (event.kind === "resize") tap.size = event.size;
      else if (event.kind === "output") tap.offset += event.length;
      else if (event.kind !== "input") tap.offset += event.bytes;
    }
    const job: FeedJob = { kind: "feed", session: tap.key, start: startPart, events, bytes, last: tap.over };
    tap.started = true;
    tap.busy = true;
    if (![...taps.values()].some((each) => each !== tap && each.busy)) lastBeatMs = clock.monotonicMs();
    worker?.postMessage(job, [bytes.buffer]);
    watchdog ??= clock.every(checkMs, check);
  };

  const check = () => {
    const nowMs = clock.monotonicMs();
    if (![...taps.values()].some(({ busy }) => busy)) {
      watchdog?.[Symbol.dispose]();
      watchdog = undefined;
      return;
    }
    const count = Atomics.load(beats, beat.count);
    if (count !== lastBeat) {
      lastBeat = count;
      lastBeatMs = nowMs;
    } else if (nowMs - lastBeatMs > (ready ? stuckMs : 10 * stuckMs)) replace();
  };

  /** The thread is dead or stuck: whoever was at work has lost his commands, the others begin anew. */
  const replace = () => {
    const culprit = taps.get(Atomics.load(beats, beat.session));
    worker?.terminate().catch(() => {});
    worker = undefined;
    if (closed) return;
    losses.restarts++;
    if (!ready) failures++;
    log.warn({ session: culprit?.origin.sessionId }, "the thread that looks for commands was replaced");
    for (const tap of [...taps.values()]) {
      const wasBusy = tap.busy;
      tap.started = false;
      tap.steady = false;
      tap.busy = false;
      if (tap === culprit || failures >= maxFailures) lose(tap);
      else if (wasBusy && tap.over && tap.batch.empty) finish(tap);
      else send(tap);
    }
    if (failures >= maxFailures) failures = 0;
  };

  const openTap: OpenTap = (origin, size, seen): CommandTap => {
    const tap: Tapped = {
      ...{ key: ++keys, origin, seen, size, batch: new FeedBatch(), ended: Promise.withResolvers<number>() },
      ...{ offset: 0, commands: 0, strikes: 0, timer: undefined },
      ...{ started: false, busy: false, steady: false, lost: false, over: false },
    };
    taps.set(tap.key, tap);
    const add = (event: FeedEvent) => {
      if (tap.lost || tap.over || closed) return;
      tap.batch.add(event);
      if (tap.busy) return;
      if (tap.batch.weightBytes >= batchBytes) send(tap);
      else arm(tap);
    };
    return {
      event(event: SessionEvent) {
        if (event.kind === "output" && event.bytes.length > 0)
          add({ kind: "output", atMs: event.atMs, bytes: event.bytes });
        else if (event.kind === "resize") add({ kind: "resize", atMs: event.atMs, size: event.size });
      },
      // A copy: what the caller does with its bytes afterwards is its own affair.
      input: (bytes, atMs) => add({ kind: "input", atMs, bytes: Uint8Array.from(bytes) }),
      end() {
        if (tap.over) return tap.ended.promise;
        tap.over = true;
        if (closed || tap.lost || (!tap.started && tap.batch.empty)) finish(tap);
        else send(tap);
        return tap.ended.promise;
      },
    };
  };

  return {
    ...{ openTap, losses },
    async [Symbol.asyncDispose]() {
      const limit = Promise.withResolvers<void>();
      const ending = [...taps.values()].filter(({ over }) => over).map(({ ended }) => ended.promise);
      {
        using _timer = clock.after(disposeMs, limit.resolve);
        await Promise.race([Promise.all(ending), limit.promise]);
      }
      closed = true;
      watchdog?.[Symbol.dispose]();
      for (const tap of [...taps.values()]) finish(tap);
      const last = worker;
      worker = undefined;
      await last?.terminate();
    },
  };
}
