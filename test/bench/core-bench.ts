/** The core's speed beside OpenSSH's own client, in one run: prints a table, writes JSON. Run by `npm run bench`. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openWatch } from "../../proto/client/index.ts";
import {
  type BenchRig,
  echoes,
  openBastionRoad,
  openBenchRig,
  openSshRoad,
  quantile,
  type Road,
  ready,
  seen,
} from "./bench-rig.ts";

interface Row {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  readonly goal: string;
  readonly met: boolean | undefined;
}

/** Rounds on a fresh server that are run and not counted: its code is cold then. */
const warmUp = 10;

const rows: Row[] = [];
function row(what: string, value: number, unit: string, goal = "", met?: boolean): void {
  rows.push({ what, value, unit, goal, met });
  const figure = value >= 100 ? value.toFixed(0) : value.toFixed(2);
  const verdict = met === undefined ? "" : met ? "met" : "MISSED";
  process.stdout.write(`${what.padEnd(52)}${figure.padStart(9)} ${unit.padEnd(6)}${goal.padEnd(18)}${verdict}\n`);
}

async function benchEcho(rig: BenchRig): Promise<void> {
  await using ssh = openSshRoad(rig.sshd);
  await using ours = await openBastionRoad(rig.clients(), rig.sshd.target.name);
  await ready(ssh);
  await ready(ours);
  await echoes(ssh, 300);
  await echoes(ours, 300);
  const plain: number[] = [];
  const through: number[] = [];
  let cpu = 0;
  for (let round = 0; round < 10; round += 1) {
    plain.push(...(await echoes(ssh, 200)));
    const before = rig.cpuSeconds();
    through.push(...(await echoes(ours, 200)));
    cpu += rig.cpuSeconds() - before;
  }
  row("echo p50, ssh -tt", quantile(plain, 0.5), "ms");
  row("echo p50, bartizan", quantile(through, 0.5), "ms");
  const ratio = quantile(through, 0.5) / quantile(plain, 0.5);
  row("echo p50, ratio", ratio, "x", "<= 2.0 x", ratio <= 2);
  row("echo p99, ssh -tt", quantile(plain, 0.99), "ms");
  row("echo p99, bartizan", quantile(through, 0.99), "ms");
  const perFiveHundred = cpu / 4;
  row("server CPU for 500 echoes", perFiveHundred, "s", "<= 0.26 s", perFiveHundred <= 0.26);
}

/** A file of 50 MB, and how many bytes a terminal shows of it. */
async function withFlood(run: (file: string, expected: number) => Promise<void>): Promise<void> {
  const file = join(tmpdir(), `bartizan-bench-${process.pid}.txt`);
  const line = "The quick brown fox jumps over the lazy dog; pack my box with five dozen jugs.\n";
  writeFileSync(file, line.repeat(Math.ceil(52_428_800 / line.length)));
  try {
    await run(file, Math.ceil(52_428_800 / line.length) * (line.length + 1));
  } finally {
    rmSync(file);
  }
}

async function benchFlood(rig: BenchRig): Promise<void> {
  await withFlood(async (file, expected) => {
    const plain: number[] = [];
    const alone: number[] = [];
    const watched: number[] = [];
    const cpuAlone: number[] = [];
    const cpuWatched: number[] = [];
    // The first flood on either road warms it up and is not counted.
    await flood(openSshRoad(rig.sshd), file, expected);
    await flood(await openBastionRoad(rig.clients(), rig.sshd.target.name), file, expected);
    for (let round = 0; round < 5; round += 1) {
      plain.push((await flood(openSshRoad(rig.sshd), file, expected)).megabytesPerSecond);
      for (const withWatcher of [false, true]) {
        const road = await openBastionRoad(rig.clients(), rig.sshd.target.name);
        const leaving = new AbortController();
        const watching = withWatcher
          ? drain(openWatch(rig.clients().sessions, { sessionId: road.id, signal: leaving.signal }))
          : undefined;
        const before = rig.cpuSeconds();
        const { megabytesPerSecond } = await flood(road, file, expected);
        (withWatcher ? cpuWatched : cpuAlone).push(rig.cpuSeconds() - before);
        (withWatcher ? watched : alone).push(megabytesPerSecond);
        leaving.abort();
        await watching;
      }
    }
    const median = (values: number[]) => quantile(values, 0.5);
    row("50 MB through a pty, ssh -tt", median(plain), "MB/s");
    row("50 MB, bartizan, alone", median(alone), "MB/s");
    row("50 MB, bartizan, one watcher", median(watched), "MB/s");
    const ratio = median(watched) / median(plain);
    row("50 MB, one watcher, ratio", ratio, "x", ">= 1.0 x", ratio >= 1);
    row("server CPU for 50 MB, alone", median(cpuAlone), "s", "<= 0.62 s", median(cpuAlone) <= 0.62);
    row("server CPU for 50 MB, one watcher", median(cpuWatched), "s");
  });
}

async function flood(opened: Road, file: string, expected: number): Promise<{ megabytesPerSecond: number }> {
  await using road = opened;
  await seen(road, "READY\r\n", "PS1=; stty -echo; echo READ''Y\n");
  const start = performance.now();
  const bytes = await seen(road, "DONE\r\n", `cat ${file}; echo DONE\n`);
  const seconds = (performance.now() - start) / 1000;
  if (bytes < expected || bytes > expected + 200) throw new Error(`${bytes} bytes arrived, ${expected} were sent`);
  return { megabytesPerSecond: bytes / 1e6 / seconds };
}

/** What recording costs: two servers, one with its recorder and one without, turn by turn. */
async function benchRecording(on: BenchRig): Promise<void> {
  await using off = await openBenchRig({ recording: false });
  const sides = [
    { rig: on, speeds: [] as number[], cpu: [] as number[], echoMs: [] as number[] },
    { rig: off, speeds: [] as number[], cpu: [] as number[], echoMs: [] as number[] },
  ] as const;
  await withFlood(async (file, expected) => {
    for (let round = -1; round < 5; round += 1)
      for (const { rig, speeds, cpu } of round % 2 === 0 ? sides : sides.toReversed()) {
        const before = rig.cpuSeconds();
        const road = await openBastionRoad(rig.clients(), rig.sshd.target.name);
        const { megabytesPerSecond } = await flood(road, file, expected);
        if (round < 0) continue;
        speeds.push(megabytesPerSecond);
        cpu.push(rig.cpuSeconds() - before);
      }
  });
  await using roads = new AsyncDisposableStack();
  const terminals: Road[] = [];
  for (const { rig } of sides) {
    const road = roads.use(await openBastionRoad(rig.clients(), rig.sshd.target.name));
    await ready(road);
    await echoes(road, 300);
    terminals.push(road);
  }
  for (let round = 0; round < 10; round += 1)
    for (const [index, { echoMs }] of sides.entries())
      if (terminals[index] !== undefined) echoMs.push(...(await echoes(terminals[index], 200)));
  const [recorded, plain] = sides;
  const of = (which: "speeds" | "cpu" | "echoMs") =>
    [quantile(recorded[which], 0.5), quantile(plain[which], 0.5)] as const;
  const compare = (what: string, [one, other]: readonly [number, number], unit: string) => {
    row(`${what}, recorded`, one, unit);
    row(`${what}, not recorded`, other, unit);
    return one / other;
  };
  const speed = compare("50 MB", of("speeds"), "MB/s");
  row("50 MB, recorded, ratio", speed, "x", ">= 0.95 x", speed >= 0.95);
  compare("server CPU for 50 MB", of("cpu"), "s");
  const echo = compare("echo p50", of("echoMs"), "ms");
  row("echo p50, recorded, ratio", echo, "x", "<= 1.10 x", echo <= 1.1);
}

async function drain(events: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of events);
}

async function benchKick(rig: BenchRig): Promise<void> {
  const clients = rig.clients();
  const told: number[] = [];
  const answered: number[] = [];
  for (let round = -warmUp; round < 100; round += 1) {
    const road = await openBastionRoad(clients, rig.sshd.target.name);
    const ends: Promise<number>[] = [];
    for (let watcher = 0; watcher < 3; watcher += 1) {
      const joined = Promise.withResolvers<void>();
      ends.push(
        (async () => {
          for await (const event of openWatch(clients.sessions, { sessionId: road.id })) {
            if (event.kind === "key-frame") joined.resolve();
            if (event.kind === "ended") return performance.now();
          }
          return Number.NaN;
        })(),
      );
      await joined.promise;
    }
    const start = performance.now();
    await clients.sessions.kick({ sessionId: road.id, reason: "bench" });
    const answeredMs = performance.now() - start;
    const toldMs = Math.max(...(await Promise.all(ends))) - start;
    if (round >= 0) answered.push(answeredMs);
    if (round >= 0) told.push(toldMs);
    await road[Symbol.asyncDispose]();
  }
  row("kick to all told p50 (3 watchers)", quantile(told, 0.5), "ms");
  row("kick to all told p99", quantile(told, 0.99), "ms", "<= 10 ms", quantile(told, 0.99) <= 10);
  row("kick to answer (channel closed) p99", quantile(answered, 0.99), "ms");
}

async function benchJoin(rig: BenchRig): Promise<void> {
  const clients = rig.clients();
  await using road = await openBastionRoad(clients, rig.sshd.target.name);
  road.shell.resize({ cols: 200, rows: 50 });
  const times: number[] = [];
  for (let round = -warmUp; round < 100; round += 1) {
    // Between two joins a good deal is printed, in colour: the screen has to be made anew each time.
    const end = `END${round + warmUp}`;
    await seen(
      road,
      `${end}\r\n`,
      `ls --color=always -lR /etc 2>/dev/null | head -c 60000; echo; echo E''ND${round + warmUp}\n`,
    );
    const start = performance.now();
    for await (const event of openWatch(clients.sessions, { sessionId: road.id }))
      if (event.kind === "key-frame") break;
    if (round >= 0) times.push(performance.now() - start);
  }
  row("join to exact screen p50, 200x50", quantile(times, 0.5), "ms");
  row("join to exact screen p99, 200x50", quantile(times, 0.99), "ms", "<= 20 ms", quantile(times, 0.99) <= 20);
}

async function benchMemory(rig: BenchRig): Promise<void> {
  const clients = rig.clients();
  await using roads = new AsyncDisposableStack();
  const open = async (count: number) => {
    for (let index = 0; index < count; index += 1) {
      const road = roads.use(await openBastionRoad(clients, rig.sshd.target.name));
      await seen(road, "READY\r\n", "PS1=; echo READ''Y\n");
    }
  };
  await open(20);
  const before = rig.residentBytes();
  await open(200);
  const each = (rig.residentBytes() - before) / 200 / 1000;
  row("resident memory per idle session (200)", each, "KB", "<= 400 KB", each <= 400);
}

const only = process.argv.slice(2);
const benches = {
  echo: benchEcho,
  flood: benchFlood,
  kick: benchKick,
  recording: benchRecording,
  join: benchJoin,
  memory: benchMemory,
};
process.stdout.write(`node ${process.version}, one sshd, one server process, loopback\n\n`);
for (const [name, bench] of Object.entries(benches)) {
  if (only.length > 0 && !only.includes(name)) continue;
  await using rig = await openBenchRig();
  await bench(rig);
}
mkdirSync("bench-results", { recursive: true });
writeFileSync(
  "bench-results/core.json",
  `${JSON.stringify({ at: new Date().toISOString(), node: process.version, rows }, null, 2)}\n`,
);
process.stdout.write("\nwritten to bench-results/core.json\n");
process.exitCode = 0;
