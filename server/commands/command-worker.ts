/** The thread that runs the extractors: a terminal for each session, fed in slices, watched from outside. */
import { parentPort, workerData } from "node:worker_threads";
import unicode11 from "@xterm/addon-unicode11";
import xterm from "@xterm/headless";
import { clampCsiCounts } from "../../proto/client/csi-clamps.ts";
import type { TermSize } from "../events.ts";
import { coreOf, limitPayloads } from "../session/xterm-internals.ts";
import type { FeedEvent } from "./command.ts";
import { beat, type FeedJob, type FromWorker, type ToWorker, type WorkerSetup } from "./command-jobs.ts";
import { Extractor } from "./extractor.ts";

/** Rows above the screen that a long line may reach into. */
const scrollback = 100;
const sliceBytes = 16 * 1024;

const { beats, budgetMs } = workerData as WorkerSetup;
const live = new Map<number, { readonly extractor: Extractor; readonly terminal: { dispose(): void } }>();

parentPort?.on("message", (message: ToWorker) => {
  if (message.kind === "close") drop(message.session);
  else {
    mark(message.session);
    try {
      if (!work(message)) giveUp(message.session);
    } catch {
      // A throw inside the emulator leaves it in any state.
      giveUp(message.session);
    }
    mark(0);
  }
});
post({ kind: "ready" });

function post(message: FromWorker): void {
  parentPort?.postMessage(message);
}

/** Tells the watchdog what runs: a session, or 0. */
function mark(session: number): void {
  Atomics.store(beats, beat.session, session);
  Atomics.add(beats, beat.count, 1);
}

/** False when it takes too long. */
function work({ session, start, events, bytes, last }: FeedJob): boolean {
  const endMs = performance.now() + budgetMs;
  if (start !== undefined) {
    drop(session);
    const terminal = newTerminal(start.size);
    live.set(session, { terminal, extractor: new Extractor(terminal, start) });
  }
  const extractor = live.get(session)?.extractor;
  if (extractor === undefined) return false;
  let at = 0;
  for (const event of events) {
    if (event.kind !== "output" && event.kind !== "input") {
      extractor.feed(event);
      continue;
    }
    const end = at + event.length;
    while (at < end) {
      const to = Math.min(end, at + sliceBytes);
      extractor.feed({ kind: event.kind, atMs: event.atMs, bytes: bytes.subarray(at, to) } satisfies FeedEvent);
      at = to;
      if (performance.now() > endMs) return false;
      mark(session);
    }
  }
  if (last) extractor.end();
  post({ kind: "done", session, commands: extractor.log.take(), steady: extractor.steady });
  if (last) drop(session);
  return true;
}

function newTerminal({ cols, rows }: TermSize) {
  const terminal = new xterm.Terminal({
    ...{ cols: Math.max(2, cols), rows, scrollback },
    ...{ allowProposedApi: true, logLevel: "off" as const },
  });
  // Widths as the screen model and the page have them.
  terminal.loadAddon(new unicode11.Unicode11Addon());
  terminal.unicode.activeVersion = "11";
  clampCsiCounts(terminal);
  limitPayloads(coreOf(terminal));
  return terminal;
}

function giveUp(session: number): void {
  drop(session);
  post({ kind: "gave-up", session });
}

function drop(session: number): void {
  live.get(session)?.terminal.dispose();
  live.delete(session);
}
