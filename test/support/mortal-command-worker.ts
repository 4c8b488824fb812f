/** The command worker, except that it hangs or dies at certain words, as no clean emulator should. */
import { parentPort, workerData } from "node:worker_threads";
import { beat, type ToWorker } from "../../server/commands/command-jobs.ts";

parentPort?.on("message", (message: ToWorker) => {
  if (message.kind !== "feed") return;
  const text = Buffer.from(message.bytes).toString("latin1");
  if (!text.includes("<")) return;
  Atomics.store(workerData.beats, beat.session, message.session);
  if (text.includes("<hang>")) for (;;);
  if (text.includes("<exit>")) process.exit(3);
});
await import("../../server/commands/command-worker.ts");
