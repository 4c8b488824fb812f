/** One node of a group under measurement, in a process of its own: real Redis, real sessions, ptys in memory. Ordered over IPC. */
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { SessionInfo, ViewItem } from "../../server/events.ts";
import { systemClock } from "../../server/flow/clock.ts";
import { openGroup } from "../../server/group/group.ts";
import { createGroupMeter, type GroupCounts } from "../../server/group/meter.ts";
import { createNames, createNodeId } from "../../server/group/names.ts";
import { openRedisBus } from "../../server/group/redis-bus.ts";
import { timing } from "../../server/group/timing.ts";
import { createLog } from "../../server/log.ts";
import { Registry } from "../../server/session/registry.ts";
import { createScreen } from "../../server/session/screen.ts";
import { openScreenPool } from "../../server/session/screen-pool.ts";
import { createMemoryTarget, type MemoryPty } from "../support/memory-target.ts";

export interface NodeSetup {
  readonly name: string;
  readonly redisUrl: string;
  readonly key: Buffer;
}

/** Times are of the machine's monotonic clock, ms: the same in all processes. */
export interface NodeCalls {
  open(count: number): SessionInfo[];
  /** Each session prints a line of `bytes` with the time in it every `everyMs`, spread evenly; resolves when that is over. */
  pulse(ids: readonly string[], everyMs: number, forMs: number, bytes: number): { printed: number };
  /** Watches each session; resolves when all have a screen. */
  watch(ids: readonly string[]): void;
  unwatch(): void;
  /** How long each line took from printing to the watcher's view, since this was last asked. */
  lags(): number[];
  /** What the watchers' views show by now, by session: where they stand, and the bytes since the first key frame, if that was the only one. */
  seen(): Record<string, { offset: number; sha256: string; keyFrames: number }>;
  /** What a session has printed. */
  printed(): Record<string, { offset: number; sha256: string }>;
  /** Kicks each session, one after the other; ms each. */
  kick(ids: readonly string[]): { outcome: string; ms: number }[];
  /** Types a key and waits for its echo, again and again; ms each. */
  echoes(forMs: number): number[];
  /** `waitedMs`: ready to run, and another process had the core. */
  cost(): { cpuMs: number; waitedMs: number; residentBytes: number; counts: GroupCounts };
  /** What is in use once all garbage is gone, bytes. */
  memory(): number;
}

const nowMs = () => Number(process.hrtime.bigint()) / 1e6;
const never = new AbortController().signal;
const stamp = /@(\d+\.\d+)@/g;

process.once("message", async (setup: NodeSetup) => {
  const folder = mkdtempSync(join(tmpdir(), "bartizan-bench-node-"));
  const clock = systemClock;
  const log = createLog(process.env.BARTIZAN_TEST_LOG === undefined ? "silent" : "info");
  const meter = createGroupMeter(clock);
  const self = createNodeId(setup.name);
  const bus = await openRedisBus({
    config: { url: setup.redisUrl, prefix: "bz" },
    ...{ name: self, clock, log, meter },
  });
  const pool = openScreenPool({ clock });
  pool.warm();
  const memory = createMemoryTarget({ echo: true });
  const registry = new Registry({
    ...{ node: setup.name, idPrefix: self, clock, log, dial: memory.dial, recorders: undefined },
    screen: (size) => createScreen(pool, size),
    ...{ graceMs: 3_600_000, maxSessions: 10_000, atOnce: () => ({ ofUser: 10_000, onTarget: 10_000 }) },
  });
  const group = await openGroup({
    ...{ bus, keys: [setup.key], self, names: createNames("bz"), registry, address: "", version: "bench" },
    ...{ dataFolder: folder, strictMs: undefined, clock, log, meter, timing },
  });

  const ptys = new Map<string, { pty: MemoryPty; offset: number; hash: ReturnType<typeof createHash> }>();
  const views = new Map<string, { offset: number; hash: ReturnType<typeof createHash>; keyFrames: number }>();
  let lags: number[] = [];
  let watching = new AbortController();

  async function watchOne(id: string): Promise<void> {
    const found = await group.sessions.find(id);
    if (found.kind !== "live") throw new Error(`${id} is ${found.kind}`);
    const { view } = await found.session.attach({ name: "carol" }, "watcher", {}, watching.signal);
    const seen = { offset: -1, hash: createHash("sha256"), keyFrames: 0 };
    views.set(id, seen);
    const begun = Promise.withResolvers<void>();
    const read = async () => {
      for await (const item of view) take(item, seen, begun.resolve);
    };
    read().catch(() => {});
    await begun.promise;
  }

  function take(
    item: ViewItem,
    seen: { offset: number; hash: ReturnType<typeof createHash>; keyFrames: number },
    begun: () => void,
  ): void {
    if (item.kind === "key-frame") {
      seen.keyFrames += 1;
      seen.offset = item.offset;
      begun();
    }
    if (item.kind !== "output") return;
    seen.offset = item.offset + item.bytes.length;
    seen.hash.update(item.bytes);
    const text = Buffer.from(item.bytes.buffer, item.bytes.byteOffset, item.bytes.length).toString("latin1");
    const now = nowMs();
    for (const [, at] of text.matchAll(stamp)) lags.push(now - Number(at));
  }

  const calls: { [Name in keyof NodeCalls]: (...args: Parameters<NodeCalls[Name]>) => unknown } = {
    async open(count) {
      const infos: SessionInfo[] = [];
      for (let i = 0; i < count; i += 1) {
        const request = { target: memory.target, who: { name: "alice" }, size: { cols: 80, rows: 24 } };
        const session = await registry.open({ ...request, ask: {} as never }, never);
        ptys.set(session.info.id, { pty: memory.pty(), offset: 0, hash: createHash("sha256") });
        infos.push(session.info);
      }
      return infos;
    },
    async pulse(ids, everyMs, forMs, bytes) {
      const startMs = nowMs();
      const end = startMs + forMs;
      let printed = 0;
      // One loop for all sessions: each has its turn within the period.
      for (let turn = 0; ; turn += 1) {
        const dueMs = startMs + (turn * everyMs) / ids.length;
        if (dueMs >= end) break;
        if (dueMs > nowMs() + 1) await sleep(Math.max(0, dueMs - nowMs()));
        else if (turn % 64 === 0) await sleep(0);
        const one = ptys.get(ids[turn % ids.length] ?? "");
        if (one === undefined) continue;
        const line = Buffer.from(`@${nowMs().toFixed(3)}@`.padEnd(bytes - 2, "x").concat("\r\n"));
        one.offset += line.length;
        one.hash.update(line);
        void one.pty.print(line);
        printed += 1;
      }
      return { printed };
    },
    async watch(ids) {
      for (let at = 0; at < ids.length; at += 50) await Promise.all(ids.slice(at, at + 50).map(watchOne));
    },
    unwatch() {
      watching.abort(new Error("over"));
      watching = new AbortController();
      views.clear();
    },
    lags() {
      const taken = lags;
      lags = [];
      return taken;
    },
    seen: () =>
      Object.fromEntries(
        [...views].map(([id, { offset, hash, keyFrames }]) => [
          id,
          { offset, keyFrames, sha256: hash.copy().digest("hex") },
        ]),
      ),
    printed: () =>
      Object.fromEntries(
        [...ptys].map(([id, { offset, hash }]) => [id, { offset, sha256: hash.copy().digest("hex") }]),
      ),
    async kick(ids) {
      const results: { outcome: string; ms: number }[] = [];
      for (const id of ids) {
        const found = await group.sessions.find(id);
        if (found.kind !== "live") throw new Error(`${id} is ${found.kind}`);
        const startMs = nowMs();
        const { outcome } = await found.session.kick("everyone", { name: "root" }, "bench", `order-${id}`);
        results.push({ outcome, ms: nowMs() - startMs });
      }
      return results;
    },
    async echoes(forMs) {
      const [info] = (await calls.open(1)) as SessionInfo[];
      const session = registry.find(info?.id ?? "");
      if (session === undefined) throw new Error("no session");
      const leaving = new AbortController();
      const { view, keyboard } = await session.attach({ name: "alice" }, "operator", {}, leaving.signal);
      let echoed = () => {};
      void (async () => {
        for await (const item of view) if (item.kind === "output") echoed();
      })().catch(() => {});
      const times: number[] = [];
      for (const end = nowMs() + forMs; nowMs() < end; ) {
        const startMs = nowMs();
        await new Promise<void>((resolve) => {
          echoed = resolve;
          void keyboard?.write(Buffer.from("x"));
        });
        times.push(nowMs() - startMs);
        await sleep(10);
      }
      keyboard?.hangUp();
      leaving.abort();
      return times;
    },
    cost() {
      const { user, system } = process.cpuUsage();
      // proc(5): the second field of schedstat is the time on the run queue, ns.
      const waited = readFileSync(`/proc/self/task/${process.pid}/schedstat`, "latin1").split(" ")[1];
      return {
        ...{ cpuMs: (user + system) / 1000, waitedMs: Number(waited) / 1e6 },
        ...{ residentBytes: process.memoryUsage.rss(), counts: meter.counts() },
      };
    },
    memory() {
      globalThis.gc?.();
      const { heapUsed, external } = process.memoryUsage();
      return heapUsed + external;
    },
  };

  process.on("message", async ({ id, name, args }: { id: number; name: keyof NodeCalls; args: never }) => {
    try {
      const value = await (calls[name] as (...all: unknown[]) => unknown)(...(args as unknown[]));
      process.send?.({ id, value });
    } catch (error) {
      process.send?.({ id, error: String(error) });
    }
  });
  process.once("disconnect", async () => {
    watching.abort();
    await registry[Symbol.asyncDispose]();
    await group[Symbol.asyncDispose]();
    await pool[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
    process.exit(0);
  });
  process.send?.({ id: 0, value: self });
});
