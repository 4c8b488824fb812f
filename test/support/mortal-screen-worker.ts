/**
 * The screen worker, except that it hangs, dies or runs out of memory at certain words, as no clean emulator should. What
 * it is about to do it says on a channel of its own name.
 */
import { parentPort, workerData } from "node:worker_threads";
import { beat, type ToWorker } from "../../server/session/screen-jobs.ts";

parentPort?.on("message", (message: ToWorker) => {
  if (message.kind !== "job") return;
  const text = Buffer.from(message.bytes).toString("latin1");
  if (!text.includes("<")) return;
  Atomics.store(workerData.beats, beat.session, message.session);
  new BroadcastChannel("mortal-screen-worker").postMessage(text);
  if (text.includes("<hang>")) for (;;);
  if (text.includes("<exit>")) process.exit(3);
  const hoard: number[][] = [];
  if (text.includes("<memory>")) for (;;) hoard.push(new Array(1e6).fill(hoard.length));
});
await import("../../server/session/screen-worker.ts");
