/** What reading recordings costs: verifying, seeking, packing, on one of 500 MB. Run by `npm run bench:recording [MB]`. */
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, statSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../server/flow/clock.ts";
import { createLog } from "../../server/log.ts";
import { openRecording, readOwnHead, recordingPaths } from "../../server/recording/archive.ts";
import { compressRecording } from "../../server/recording/compress.ts";
import { readMarkers } from "../../server/recording/markers.ts";
import type { RecordingInfo } from "../../server/recording/recording.ts";
import { openReplays, type Replays } from "../../server/recording/replays.ts";
import { verifyRecording } from "../../server/recording/verify.ts";
import { blankKeyFrame } from "../../server/session/key-frame.ts";
import { createScreen } from "../../server/session/screen.ts";
import { openScreenPool } from "../../server/session/screen-pool.ts";
import { infoFor, makeCast, makeKey, startFor } from "../recording/cast-maker.ts";
import { randomFrom } from "../support/random.ts";
import { quantile } from "./bench-rig.ts";
import { createBenchTable } from "./bench-table.ts";

/** Seeks that are made and not counted: the code is cold then. */
const warmUp = 10;

const megabytes = Number(process.argv[2] ?? 500);
const key = makeKey();
const signal = new AbortController().signal;
const table = createBenchTable();
const folder = mkdtempSync(join(tmpdir(), "bartizan-bench-"));
const keepAlive = setInterval(() => {}, 1000);

/** Full-screen programs, 1500 bytes every 10 ms, sealed as a recorder does. */
function makeLarge(): RecordingInfo {
  const fixtures = new URL("../fixtures/terminal/", import.meta.url);
  const programs = readdirSync(fixtures).filter((name) => name.endsWith(".bin"));
  const source = Buffer.concat(programs.map((name) => readFileSync(new URL(name, fixtures))));
  const start = startFor(1, { size: { cols: 100, rows: 30 } });
  const maker = makeCast(start, key);
  const file = openSync(join(folder, `${start.id}.cast`), "w");
  for (let at = 0, atMs = 0; maker.position < megabytes * 1e6; at = (at + 1500) % (source.length - 1500)) {
    maker.output(source.subarray(at, at + 1500), atMs);
    atMs += 10;
    if (atMs % 1000 === 0) writeSync(file, maker.take());
  }
  maker.end({ kind: "exited", code: 0 });
  writeSync(file, maker.take());
  closeSync(file);
  return infoFor(start, maker);
}

async function opened<T>(
  info: RecordingInfo,
  use: (file: NonNullable<Awaited<ReturnType<typeof openRecording>>>) => Promise<T>,
) {
  await using file = await openRecording(folder, info.id);
  if (file === undefined) throw new Error("the recording is gone");
  const startMs = performance.now();
  const result = await use(file);
  return { result, ms: performance.now() - startMs };
}

async function verifying(info: RecordingInfo, form: string): Promise<void> {
  const rates: number[] = [];
  for (let round = 0; round < 3; round += 1) {
    const { result, ms } = await opened(info, (file) => verifyRecording(file, { keyOf: () => key.publicKey, signal }));
    if (result.verdict !== "complete") throw new Error(`${result.verdict}: ${result.detail}`);
    rates.push(info.outputBytes === 0 ? 0 : plainBytes / 1e3 / ms);
  }
  const rate = quantile(rates, 0.5);
  table.row(
    `verify, ${form}`,
    rate,
    "MB/s",
    form === "plain" ? ">= 200 MB/s" : "",
    form === "plain" ? rate >= 200 : undefined,
  );
}

/** To the first message, and to the last event before the time asked for: all that is drawn at once. */
async function seeking(replays: Replays, info: RecordingInfo, form: string): Promise<void> {
  const random = randomFrom(5);
  const first: number[] = [];
  const there: number[] = [];
  const cpu: number[] = [];
  for (let count = -warmUp; count < 100; count += 1) {
    if (count === 0) for (const times of [first, there, cpu]) times.length = 0;
    const atMs = random.below(info.durationMs);
    const cpuAtStart = process.cpuUsage();
    const startMs = performance.now();
    for await (const item of replays.open(info, atMs, signal)) {
      if (item.kind === "key-frame") first.push(performance.now() - startMs);
      if (item.atMs >= atMs) break;
    }
    there.push(performance.now() - startMs);
    const { user, system } = process.cpuUsage(cpuAtStart);
    cpu.push((user + system) / 1000);
  }
  table.row(`seek, ${form}, CPU of the worst of 100`, Math.max(...cpu), "ms");
  table.row(`seek to the screen, ${form}, p50`, quantile(first, 0.5), "ms");
  table.row(`seek with all before the time, ${form}, p50`, quantile(there, 0.5), "ms");
  table.row(
    `seek with all before the time, ${form}, worst of 100`,
    Math.max(...there),
    "ms",
    "<= 100 ms",
    Math.max(...there) <= 100,
  );
}

const info = makeLarge();
const plainBytes = info.fileBytes;
{
  await using pool = openScreenPool({ clock: systemClock });
  await using replays = openReplays({
    ...{ folder, log: createLog("silent"), blank: blankKeyFrame(), running: () => false },
    createScreen: (size) => createScreen(pool, size),
  });
  table.row("the recording", plainBytes / 1e6, "MB");
  await verifying(info, "plain");
  const markers = await opened(info, async (file) => {
    const { bodyPosition } = await readOwnHead(file, info.id, signal);
    await readMarkers(file, { position: bodyPosition, atMs: 0, markers: [] }, signal);
  });
  table.row("find what the timeline marks", markers.ms, "ms");
  const startMs = performance.now();
  for await (const _ of replays.open(info, info.durationMs, signal));
  table.row("make the index anew", (performance.now() - startMs) / 1000, "s");
  table.row("the index", statSync(recordingPaths(folder, info.id).sidecar).size / 1e6, "MB");
  await seeking(replays, info, "plain");
  const packing = performance.now();
  const packedBytes = await compressRecording(folder, info.id, signal);
  table.row("pack and check", plainBytes / 1e3 / (performance.now() - packing), "MB/s");
  table.row("packed to", (100 * packedBytes) / plainBytes, "%");
  await verifying(info, "packed");
  await seeking(replays, info, "packed");
}
clearInterval(keepAlive);
rmSync(folder, { recursive: true, force: true });
table.write("recording", { megabytes });
