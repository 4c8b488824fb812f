/** The thread that runs the emulator: takes jobs, parses them in turns and slices, answers with key frames. */
import { parentPort, workerData } from "node:worker_threads";
import unicode11 from "@xterm/addon-unicode11";
import xterm from "@xterm/headless";
import { beat, type FromWorker, type Job, type ToWorker, type WorkerSetup } from "./screen-jobs.ts";
import { charsetNames, createScreenModel, type NewTerminal, type ScreenModel } from "./screen-model.ts";

interface Running {
  readonly job: Job;
  readonly model: ScreenModel;
  readonly bytes: Buffer;
  at: number;
  resizes: number;
  /** Of the processor: a machine that has other work is no fault of this job. */
  spentMs: number;
}

/** Terminals kept alive, so that a busy session is not restored from its key frame for each job. */
const maxLive = 16;
/** What one turn of one session may take before the next session's turn. */
const turnMs = 8;
const [minSliceBytes, maxSliceBytes] = [1024, 256 * 1024];

const { beats, budgetMs } = workerData as WorkerSetup;

/** No scrollback: a key frame is the viewport. Widths as Unicode 11 has them, as on the page, or key frames would not fit. */
const newTerminal: NewTerminal = ({ cols, rows }) => {
  const terminal = new xterm.Terminal({ cols, rows, scrollback: 0, allowProposedApi: true, logLevel: "off" });
  terminal.loadAddon(new unicode11.Unicode11Addon());
  terminal.unicode.activeVersion = "11";
  return terminal;
};

const names = charsetNames(newTerminal);
const live = new Map<number, { readonly model: ScreenModel; readonly serial: number }>();
const running: Running[] = [];
let sliceBytes = 16 * 1024;
let turning = false;

parentPort?.on("message", (message: ToWorker) => {
  if (message.kind === "close") drop(message.session);
  else {
    try {
      mark(message.session);
      running.push(start(message));
      mark(0);
    } catch {
      giveUp(message);
    }
    if (!turning) {
      turning = true;
      turn();
    }
  }
});
post({ kind: "ready" });

function post(message: FromWorker, transfer: ArrayBuffer[] = []): void {
  parentPort?.postMessage(message, transfer);
}

/** Tells the watchdog what runs: a session, or 0. */
function mark(session: number): void {
  Atomics.store(beats, beat.session, session);
  Atomics.add(beats, beat.count, 1);
}

function start(job: Job): Running {
  const kept = live.get(job.session);
  live.delete(job.session);
  let model = kept?.serial === job.baseSerial ? kept.model : undefined;
  if (model === undefined) {
    kept?.model[Symbol.dispose]();
    model = createScreenModel(newTerminal, names, job.size, { bytes: job.base, approximate: job.approximate });
  }
  // A Buffer searches by memchr, a plain Uint8Array byte by byte.
  const { buffer, byteOffset, byteLength } = job.bytes;
  return { job, model, bytes: Buffer.from(buffer, byteOffset, byteLength), at: 0, resizes: 0, spentMs: 0 };
}

/** One slice of each job after the other; other messages get in between two turns. */
function turn(): void {
  const next = running.shift();
  if (next === undefined) {
    turning = false;
    return;
  }
  const before = process.threadCpuUsage();
  mark(next.job.session);
  try {
    const done = advance(next, performance.now());
    const { user, system } = process.threadCpuUsage(before);
    next.spentMs += (user + system) / 1000;
    if (done) finish(next);
    else if (next.spentMs > budgetMs) {
      next.model[Symbol.dispose]();
      giveUp(next.job);
    } else running.push(next);
  } catch {
    // A throw inside the emulator leaves it in any state: the model starts anew.
    next.model[Symbol.dispose]();
    giveUp(next.job);
  }
  mark(0);
  setImmediate(turn);
}

function advance(run: Running, startMs: number): boolean {
  const { bytes } = run;
  const { resizes } = run.job;
  for (;;) {
    const resize = resizes[run.resizes];
    const to = resize === undefined ? bytes.length : resize.at;
    if (run.at < to) {
      const before = performance.now();
      const piece = to === bytes.length ? bytes : bytes.subarray(0, to);
      run.at = run.model.feed(piece, run.at, sliceBytes);
      const tookMs = performance.now() - before;
      if (tookMs > turnMs) sliceBytes = Math.max(minSliceBytes, sliceBytes >> 1);
      else if (tookMs < turnMs / 4) sliceBytes = Math.min(maxSliceBytes, sliceBytes << 1);
    } else if (resize !== undefined) {
      run.model.resize(resize.size);
      run.resizes++;
    } else return true;
    if (performance.now() - startMs >= turnMs && (run.at < bytes.length || run.resizes < resizes.length)) return false;
  }
}

function finish({ job, model }: Running): void {
  const frame = model.keyFrame();
  live.set(job.session, { model, serial: job.serial });
  for (const [session, oldest] of live) {
    if (live.size <= maxLive) break;
    oldest.model[Symbol.dispose]();
    live.delete(session);
  }
  const bytes = frame.bytes as Uint8Array<ArrayBuffer>;
  post({ kind: "done", id: job.id, bytes, approximate: frame.approximate, steady: model.steady }, [bytes.buffer]);
}

function giveUp(job: Job): void {
  post({ kind: "gave-up", id: job.id });
}

function drop(session: number): void {
  live.get(session)?.model[Symbol.dispose]();
  live.delete(session);
}
