/** The speed of a group: nodes in processes of their own over a real Redis. Prints a table, writes JSON. `npm run bench:groups`. */
import { randomBytes } from "node:crypto";
import { cpus, loadavg } from "node:os";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../server/flow/clock.ts";
import { createGroupMeter } from "../../server/group/meter.ts";
import { createNodeId } from "../../server/group/names.ts";
import { createSealer, kinds } from "../../server/group/seal.ts";
import { createLog } from "../../server/log.ts";
import { until } from "../support/until.ts";
import { quantile } from "./bench-rig.ts";
import { createBenchTable } from "./bench-table.ts";
import { type BenchNode, type GroupsRig, openGroupsRig } from "./groups-rig.ts";

const table = createBenchTable();
const lineBytes = 330;

/** Sessions that all nodes can know of. */
async function opened(holder: BenchNode, count: number): Promise<string[]> {
  const infos = await holder.open(count);
  await sleep(1500);
  return infos.map(({ id }) => id);
}

function node(rig: GroupsRig, index: number): BenchNode {
  const found = rig.nodes[index];
  if (found === undefined) throw new Error(`there is no node ${index}`);
  return found;
}

/** The watcher's views stand where the sessions do. */
async function level(holder: BenchNode, watcher: BenchNode, which: readonly string[]): Promise<void> {
  await until(async () => {
    const [seen, printed] = await Promise.all([watcher.seen(), holder.printed()]);
    return which.every((id) => seen[id]?.offset === printed[id]?.offset);
  }, "the watchers have seen all");
}

/** CPU, not time: the machine may do much else. */
function cpuUsEach(times: number, run: () => void): number {
  const before = process.cpuUsage();
  for (let time = 0; time < times; time += 1) run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / times;
}

async function benchSeal(): Promise<void> {
  const common = { keys: [randomBytes(32)], clock: systemClock, log: createLog("silent") };
  const [one, other] = ["web1", "web2"].map((name) =>
    createSealer({ ...common, self: createNodeId(name), meter: createGroupMeter(systemClock) }),
  );
  if (one === undefined || other === undefined) throw new Error("there are no sealers");
  const plain = Buffer.alloc(lineBytes);
  const best = { seal: Number.POSITIVE_INFINITY, open: Number.POSITIVE_INFINITY };
  for (let round = 0; round < 10; round += 1) {
    const sealed: Uint8Array[] = [];
    let at = 0;
    const seal = cpuUsEach(20_000, () => void sealed.push(one.seal(kinds.data, "bz:{s}:o", plain)));
    const open = cpuUsEach(20_000, () => void other.open("bz:{s}:o", sealed[at++] as Uint8Array));
    Object.assign(best, { seal: Math.min(best.seal, seal), open: Math.min(best.open, open) });
  }
  table.row("seal a frame of 330 bytes, CPU, best of 10 rounds", best.seal, "us", "<= 6 us", best.seal <= 6);
  table.row("open it, CPU, best of 10 rounds", best.open, "us", "<= 6 us", best.open <= 6);
}

async function benchLag(): Promise<void> {
  await using rig = await openGroupsRig(2);
  const [holder, watcher] = [node(rig, 0), node(rig, 1)];
  const sessions = await opened(holder, 100);
  await watcher.watch(sessions);
  await holder.pulse(sessions, 250, 3000, lineBytes);
  await watcher.lags();
  const [holder0, watcher0] = [await holder.cost(), await watcher.cost()];
  const machine = monitorEventLoopDelay({ resolution: 1 });
  machine.enable();
  await holder.pulse(sessions, 250, 15_000, lineBytes);
  machine.disable();
  const [holder1, watcher1] = [await holder.cost(), await watcher.cost()];
  await level(holder, watcher, sessions);
  const lags = await watcher.lags();
  // How busy the machine is with other things: a process that has nothing to do, and how long these two waited for a core.
  table.row("a 1 ms timer of an idle process meanwhile, p99", machine.percentile(99) / 1e6, "ms");
  const waited = (one: { waitedMs: number }, other: { waitedMs: number }) => (other.waitedMs - one.waitedMs) / 150;
  table.row("  the holder waited for a core", waited(holder0, holder1), "%");
  table.row("  the watchers' node did", waited(watcher0, watcher1), "%");
  const [p50, p99] = [quantile(lags, 0.5), quantile(lags, 0.99)];
  table.row("watch lag, 100 sessions, p50", p50, "ms", "<= 2 ms", p50 <= 2);
  table.row("watch lag, 100 sessions, p99", p99, "ms", "<= 10 ms", p99 <= 10);
  const kicks = await watcher.kick(sessions);
  const times = kicks.map(({ ms }) => ms);
  const ended = kicks.filter(({ outcome }) => outcome === "ended").length;
  table.row("kick across nodes, watched, p50", quantile(times, 0.5), "ms");
  table.row("kick across nodes, watched, p99", quantile(times, 0.99), "ms", "<= 50 ms", quantile(times, 0.99) <= 50);
  table.row("kicks answered with `ended`, of 100", ended, "", "100", ended === 100);
}

async function benchPublishes(): Promise<void> {
  await using rig = await openGroupsRig(4);
  const holder = node(rig, 0);
  const busy = await opened(holder, 1000);
  await sleep(1500);
  const before = { frames: framesOf(await holder.cost()), commands: await rig.commands("publish") };
  await holder.pulse(busy, 1000, 5000, lineBytes);
  const after = { frames: framesOf(await holder.cost()), commands: await rig.commands("publish") };
  const none = after.frames - before.frames;
  table.row("frames published, 1,000 busy sessions unwatched", none, "", "0", none === 0);
  table.row("PUBLISH per second meanwhile, all of the group", (after.commands - before.commands) / 5, "/s");
  const [first] = busy;
  if (first === undefined) throw new Error("there is no session");
  for (let watchers = 1; watchers <= 3; watchers += 1) {
    await node(rig, watchers).watch([first]);
    await sleep(500);
    const [from, framesFrom] = [await rig.commands("publish"), framesOf(await holder.cost())];
    await holder.pulse([first], 20, 4000, lineBytes);
    await level(holder, node(rig, watchers), [first]);
    const frames = framesOf(await holder.cost()) - framesFrom;
    const idle = await idlePublishes(rig, 4000);
    const each = ((await rig.commands("publish")) - from - 2 * idle) / frames;
    table.row(`PUBLISH per flush, ${watchers} nodes watching`, each, "", "1", Math.abs(each - 1) < 0.03);
  }
}

/** What the nodes say of themselves. */
async function idlePublishes(rig: GroupsRig, ms: number): Promise<number> {
  const from = await rig.commands("publish");
  await sleep(ms);
  return (await rig.commands("publish")) - from;
}

function framesOf({ counts }: Awaited<ReturnType<BenchNode["cost"]>>): number {
  return Object.values(counts.framesPublished).reduce((sum, each) => sum + each, 0);
}

async function benchKills(): Promise<void> {
  await using rig = await openGroupsRig(2);
  const [holder, watcher] = [node(rig, 0), node(rig, 1)];
  const sessions = await opened(holder, 4);
  await watcher.watch(sessions);
  await sleep(500);
  const flow = holder.pulse(sessions, 10, 4000, lineBytes);
  await sleep(1000);
  for (let kill = 0; kill < 10; kill += 1) {
    await rig.redis.cli("client", "kill", "type", "pubsub").catch(() => {});
    await sleep(100);
  }
  await flow;
  await level(holder, watcher, sessions);
  const [seen, printed, { counts }] = [await watcher.seen(), await holder.printed(), await watcher.cost()];
  const exact = sessions.filter((id) => seen[id]?.keyFrames === 1 && seen[id]?.sha256 === printed[id]?.sha256).length;
  const drawn = sessions.filter((id) => (seen[id]?.keyFrames ?? 0) > 1).length;
  const sum = (tally: object) => Object.values(tally).reduce((all: number, each: number) => all + each, 0);
  table.row("10 kills in 1 s: watchers byte-exact, of 4", exact, "", "4 with those", exact + drawn === 4);
  table.row("  by a further key frame", drawn, "");
  table.row("  gaps counted", sum(counts.gaps), "");
  table.row("  gaps closed", sum(counts.resumes), "", "= gaps", sum(counts.resumes) === sum(counts.gaps));
}

async function benchReceive(): Promise<void> {
  await using rig = await openGroupsRig(2);
  const [holder, watcher] = [node(rig, 0), node(rig, 1)];
  const sessions = await opened(holder, 200);
  await watcher.watch(sessions);
  await holder.pulse(sessions, 20, 3000, lineBytes);
  await level(holder, watcher, sessions);
  const before = await watcher.cost();
  const startedMs = performance.now();
  await holder.pulse(sessions, 10, 6000, lineBytes);
  await level(holder, watcher, sessions);
  const seconds = (performance.now() - startedMs) / 1000;
  const after = await watcher.cost();
  const frames = after.counts.framesReceived - before.counts.framesReceived;
  const perFrameUs = ((after.cpuMs - before.cpuMs) * 1000) / frames;
  table.row("frames received by one node", frames / seconds, "/s");
  table.row("  CPU of that node for each, watcher and Redis client", perFrameUs, "us");
  const possible = 600_000 / perFrameUs;
  table.row("  so many at 60 % of a core", possible, "/s", ">= 20000 /s", possible >= 20_000);
}

async function benchScale(): Promise<void> {
  for (const count of [10, 100, 1000]) {
    await using rig = await openGroupsRig(2);
    const [holder, watcher] = [node(rig, 0), node(rig, 1)];
    const sessions = await opened(holder, count);
    await watcher.watch(sessions);
    await holder.pulse(sessions, 250, 3000, lineBytes);
    await watcher.lags();
    const cost = async () => [await holder.cost(), await watcher.cost(), await rig.redisCpu()] as const;
    const [holder0, watcher0, redis0] = await cost();
    await holder.pulse(sessions, 250, 10_000, lineBytes);
    const [holder1, watcher1, redis1] = await cost();
    await level(holder, watcher, sessions);
    const lags = await watcher.lags();
    const percent = (one: { cpuMs: number }, other: { cpuMs: number }) => (other.cpuMs - one.cpuMs) / 100;
    const name = `${count} watched sessions, 4 flushes/s each`;
    table.row(`${name}: CPU of the holder`, percent(holder0, holder1), "%");
    table.row(
      "  for each flush",
      ((holder1.cpuMs - holder0.cpuMs) * 1000) / (framesOf(holder1) - framesOf(holder0)),
      "us",
    );
    table.row("  CPU of the watchers' node", percent(watcher0, watcher1), "%");
    table.row("  CPU of Redis", (redis1 - redis0) * 10, "%");
    table.row("  watch lag p50", quantile(lags, 0.5), "ms");
    table.row("  watch lag p99", quantile(lags, 0.99), "ms");
    table.row("  memory of the holder for each session", holder1.residentBytes / count / 1024, "KiB");
    table.row("  memory of the watchers' node for each", watcher1.residentBytes / count / 1024, "KiB");
  }
}

async function benchFrozen(): Promise<void> {
  await using rig = await openGroupsRig(2);
  const [holder, watcher] = [node(rig, 0), node(rig, 1)];
  const sessions = await opened(holder, 20);
  await watcher.watch(sessions);
  const round = async () => {
    const [times] = await Promise.all([holder.echoes(30_000), holder.pulse(sessions, 100, 30_000, lineBytes)]);
    return times;
  };
  await Promise.all([holder.echoes(3000), holder.pulse(sessions, 100, 3000, lineBytes)]);
  const healthy = await round();
  const before = await holder.memory();
  rig.redis.freeze();
  const frozen = await round();
  const after = await holder.memory();
  rig.redis.thaw();
  const [one, other] = [quantile(healthy, 0.99), quantile(frozen, 0.99)];
  table.row("echo p99, Redis well", one, "ms");
  table.row("echo p99, Redis frozen for 30 s", other, "ms");
  table.row("  ratio", other / one, "x", "<= 1.1 x", other / one <= 1.1);
  const grown = (after - before) / 1024 / 1024;
  table.row("  memory in use by the holder grew by", grown, "MiB", "<= 5 MiB", grown <= 5);
  const thawedMs = performance.now();
  await level(holder, watcher, sessions);
  table.row("  watchers level again after", performance.now() - thawedMs, "ms");
}

const benches = { benchSeal, benchLag, benchPublishes, benchKills, benchReceive, benchScale, benchFrozen };
const chosen = process.argv.slice(2);
process.stdout.write(`${cpus().length} cores, load ${loadavg()[0]?.toFixed(1)}\n`);
for (const [name, bench] of Object.entries(benches)) {
  if (chosen.length > 0 && !chosen.some((each) => name.toLowerCase().includes(each))) continue;
  await bench();
}
table.write("groups", { cores: cpus().length, load: loadavg()[0] });
