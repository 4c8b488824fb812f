import { expect, it } from "vitest";
import { systemClock } from "../../server/flow/clock.ts";
import { BusDown, maxMessageBytes } from "../../server/group/bus.ts";
import { createGroupMeter } from "../../server/group/meter.ts";
import type { Log } from "../../server/log.ts";
import { openFaultProxy } from "../support/fault-proxy.ts";
import { fileIn, openRedis } from "../support/redis.ts";
import { redisBuses } from "../support/redis-buses.ts";
import { until } from "../support/until.ts";
import { bytesOf, freshName, hearing } from "./bus-contract.ts";
import { heardAgain, refusedAfterMs } from "./bus-interruptions.ts";

async function oneRedis(config: readonly string[] = [], later = false) {
  const server = await openRedis({ config, later });
  return { server, rig: redisBuses({ url: server.url }, [server], server) };
}

it("starts without a Redis, says so, and joins by itself when there is one", async () => {
  const { server, rig: buses } = await oneRedis([], true);
  await using rig = buses;
  const start = performance.now();
  await using bus = await rig.openBus();
  expect(performance.now() - start).toBeLessThan(2500);
  expect(bus.state).toMatchObject({ up: false, reason: expect.stringContaining("ECONNREFUSED") });
  expect(await refusedAfterMs(() => bus.publish(freshName(), bytesOf("a")))).toBeLessThan(100);
  expect(await refusedAfterMs(() => bus.records.get("bz:x"))).toBeLessThan(100);
  await server.start();
  await until(() => bus.state.up, "it has joined", 3000);
  const heard = hearing();
  const channel = freshName();
  await using _subscription = await bus.subscribe(channel, heard);
  await bus.publish(channel, bytesOf("a"));
  await until(() => heard.texts.length === 1, "it is heard");
});

/** The words of each line, with what else it says. */
function lines() {
  const told: (Record<string, unknown> & { level: string; text: string })[] = [];
  const take = (level: string) => (given: unknown, text?: string) => {
    told.push({ level, ...(typeof given === "object" ? given : {}), text: text ?? String(given) });
  };
  const log = { debug: take("debug"), info: take("info"), warn: take("warn"), error: take("error") } as unknown as Log;
  return { told, log };
}

it("logs why there is no bus, and what to do, at the start and whenever that changes, and when it is back", async () => {
  const { server, rig: buses } = await oneRedis([], true);
  await using rig = buses;
  const { told, log } = lines();
  const start = rig.openBus(undefined, { log });
  await until(() => told.some(({ level }) => level === "warn"), "it is logged at once", 1000);
  await using bus = await start;
  expect(told).toEqual([
    expect.objectContaining({
      ...{ level: "warn", text: "the bus is down", reason: expect.stringMatching(/ECONNREFUSED.*[^.]\.$/) },
      advice: expect.stringContaining("Is it running"),
    }),
  ]);
  await server.start();
  await until(() => bus.state.up, "it has joined", 3000);
  await server.stop();
  await until(() => !bus.state.up, "the bus is down", 2000);
  const texts = told.filter(({ level }) => level !== "debug").map(({ level, text }) => `${level} ${text}`);
  expect(texts.slice(0, 3)).toEqual(["warn the bus is down", "info the bus is up", "warn the bus is down"]);
});

it("says that the password is wrong, and where it stands", async () => {
  await using server = await openRedis({ password: "right" });
  const file = fileIn(server, "password", "wrong");
  await using rig = redisBuses({ url: server.url, passwordFile: file }, [server], {
    [Symbol.asyncDispose]: async () => {},
  });
  const { told, log } = lines();
  await using bus = await rig.openBus(undefined, { log });
  expect(bus.state).toMatchObject({ up: false, advice: expect.stringContaining("redis.passwordFile") });
  const warning = told.find(({ reason }) => String(reason).includes("WRONGPASS"));
  expect(warning).toMatchObject({ level: "warn", advice: expect.stringContaining("redis.passwordFile") });
  expect(warning?.reason).toMatch(/[^.]\.$/);
});

it("is back within a second of its Redis, and nothing from before is done then", async () => {
  const { server, rig: buses } = await oneRedis();
  await using rig = buses;
  await using bus = await rig.openBus();
  const states: boolean[] = [];
  using _watching = bus.onState(({ up }) => states.push(up));
  const channel = freshName();
  const heard = hearing();
  await using _subscription = await bus.subscribe(channel, heard);
  await server.stop();
  await until(() => !bus.state.up, "the bus is down", 2000);
  await expect(bus.publish(channel, bytesOf("stale"))).rejects.toThrow(BusDown);
  await expect(bus.records.put("bz:stale", bytesOf("x"), 60_000)).rejects.toThrow(BusDown);
  await server.start();
  const start = performance.now();
  await until(() => bus.state.up, "the bus is up");
  expect(performance.now() - start).toBeLessThan(1500);
  await heardAgain(bus, channel, heard, "after");
  expect(heard.texts).not.toContain("stale");
  expect(await server.cli("exists", "bz:stale")).toBe("0");
  expect(heard.gaps).toBe(1);
  expect(states.filter((up) => up)).toEqual([true]);
});

it("leaves a server that has become a replica, though that still answers", async () => {
  const { server, rig: buses } = await oneRedis();
  await using rig = buses;
  await using other = await openRedis();
  const meter = createGroupMeter(systemClock);
  await using bus = await rig.openBus(meter);
  const channel = freshName();
  const heard = hearing();
  await using _subscription = await bus.subscribe(channel, heard);
  await server.cli("replicaof", "127.0.0.1", other.port);
  await until(() => !bus.state.up, "it is left", 3000);
  expect(bus.state).toMatchObject({ up: false, reason: "This Redis is a replica now." });
  expect(meter.counts().reconnects["read-only"]).toBeGreaterThan(0);
  await expect(bus.publish(channel, bytesOf("lost"))).rejects.toThrow(BusDown);
  // While it stays one there are attempts, and not many.
  const before = Number(/total_connections_received:(\d+)/.exec(await server.cli("info", "stats"))?.[1]);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const after = Number(/total_connections_received:(\d+)/.exec(await server.cli("info", "stats"))?.[1]);
  expect(after - before).toBeLessThan(40);
  await server.cli("replicaof", "no", "one");
  await heardAgain(bus, channel, heard, "after");
  expect(heard.texts).not.toContain("lost");
});

it("has at most 1 MiB under way, and takes no more than that", async () => {
  const { server, rig: buses } = await oneRedis();
  await using rig = buses;
  await using bus = await rig.openBus();
  const message = Buffer.alloc(maxMessageBytes);
  server.freeze();
  try {
    const sent = Array.from({ length: 40 }, () =>
      bus.publish(freshName(), message).then(
        () => "sent",
        (error: Error) => error.message,
      ),
    );
    const full = "Too much is under way to Redis.";
    const outcomes = await Promise.all(sent);
    expect(outcomes.filter((outcome) => outcome === full).length).toBeGreaterThanOrEqual(24);
    expect(outcomes.filter((outcome) => outcome !== full).length).toBeGreaterThan(10);
    expect(outcomes).not.toContain("sent");
  } finally {
    server.thaw();
  }
  const goesThrough = () => bus.publish(freshName(), message).catch(() => undefined);
  await until(async () => (await goesThrough()) !== undefined, "there is room again");
});

it("sends all that is published in one turn with one write", async () => {
  const { server, rig: buses } = await oneRedis();
  await using rig = buses;
  await using bus = await rig.openBus();
  const reads = async () => Number(/total_reads_processed:(\d+)/.exec(await server.cli("info", "stats"))?.[1]);
  const before = await reads();
  await Promise.all(Array.from({ length: 100 }, () => bus.publish(freshName(), bytesOf("a"))));
  expect((await reads()) - before).toBeLessThan(15);
});

it("bears a server that stands still for less than a second without a gap", async () => {
  const { server, rig: buses } = await oneRedis();
  await using rig = buses;
  const meter = createGroupMeter(systemClock);
  await using bus = await rig.openBus(meter);
  const channel = freshName();
  const heard = hearing();
  await using _subscription = await bus.subscribe(channel, heard);
  const sleeping = server.cli("debug", "sleep", "0.7");
  for (let count = 0; count < 20; count += 1) await bus.publish(channel, bytesOf(String(count)));
  await sleeping;
  await until(() => heard.texts.length === 20, "all are heard");
  expect([heard.gaps, meter.counts().reconnects]).toEqual([0, {}]);
  await server.cli("debug", "sleep", "3");
  await heardAgain(bus, channel, heard, "after");
  expect(heard.gaps).toBe(1);
});

it("refuses within 2 s what the server takes but does not do", async () => {
  const { server, rig: buses } = await oneRedis();
  await using rig = buses;
  await using bus = await rig.openBus();
  await server.cli("client", "pause", 3000, "write");
  expect(await refusedAfterMs(() => bus.publish(freshName(), bytesOf("a")))).toBeLessThan(2100);
  const goesThrough = () => bus.publish(freshName(), bytesOf("b")).catch(() => undefined);
  await until(async () => (await goesThrough()) !== undefined, "it goes on after the pause");
});

it("goes on publishing and renewing when the server has no memory left, and says that it cannot write", async () => {
  const { server, rig: buses } = await oneRedis();
  await using rig = buses;
  await using bus = await rig.openBus();
  const record = freshName("s");
  await bus.records.change(record, { set: new Map([["#", bytesOf("1")]]), lifeMs: 30_000 });
  await server.cli("config", "set", "maxmemory", "1mb");
  const change = { set: new Map([["a", bytesOf("2")]]), lifeMs: 30_000 };
  await expect(bus.records.change(record, change)).rejects.toThrow(/OOM/);
  expect(Buffer.from((await bus.records.renew(record, 30_000, "#")) ?? []).toString()).toBe("1");
  const channel = freshName();
  const heard = hearing();
  await using _subscription = await bus.subscribe(channel, heard);
  await heardAgain(bus, channel, heard, "a");
  expect(bus.state.up).toBe(true);
  await server.cli("config", "set", "maxmemory", "0");
  await bus.records.change(record, change);
});

it("takes a server that loads its data for one that is down, without a storm of attempts", async () => {
  const { server, rig: buses } = await oneRedis();
  await using rig = buses;
  await server.cli("debug", "populate", 300_000);
  await server.cli("save");
  await server.cli("config", "set", "key-load-delay", "-20");
  await using bus = await rig.openBus();
  const reloading = server.cli("debug", "reload", "nosave").catch(() => {});
  await reloading;
  await until(() => bus.state.up, "it is up after loading");
});

it("finds out that nothing comes back, in one direction or both, and leaves the connection", async () => {
  const { server, rig: buses } = await oneRedis();
  await using _server = buses;
  await using proxy = await openFaultProxy(server.port);
  await using rig = redisBuses({ url: `redis://127.0.0.1:${proxy.port}` }, [server], {
    [Symbol.asyncDispose]: async () => {},
  });
  const meter = createGroupMeter(systemClock);
  await using bus = await rig.openBus(meter);
  const start = performance.now();
  proxy.freeze();
  await until(() => !bus.state.up, "the bus is down");
  expect(performance.now() - start).toBeLessThan(2500);
  expect(meter.counts().reconnects.ping).toBeGreaterThan(0);
});
