import { describe, expect, it } from "vitest";
import { openCluster, type RedisServer } from "../support/redis.ts";
import { redisBuses } from "../support/redis-buses.ts";
import { until } from "../support/until.ts";
import { busContract, bytesOf, freshName, type Heard, hearing } from "./bus-contract.ts";
import { heardAgain, interruptedBus } from "./bus-interruptions.ts";

async function open() {
  const cluster = await openCluster();
  return redisBuses({ cluster: { nodes: cluster.nodes.slice(0, 2) } }, cluster.masters, cluster);
}

busContract("a cluster", open);
interruptedBus("a cluster", open);
describe("a bus over a cluster that changes", () => {
  const slotOf = async (server: RedisServer, name: string) => Number(await server.cli("cluster", "keyslot", name));

  it("hears on when the slot of a channel moves, and tells of the gap", async () => {
    await using cluster = await openCluster();
    const rig = redisBuses({ cluster: { nodes: cluster.nodes } }, cluster.masters, cluster);
    await using bus = await rig.openBus();
    await using sender = await rig.openBus();
    const channel = freshName();
    const heard = hearing();
    await using _subscription = await bus.subscribe(channel, heard);
    const [one, two, three] = cluster.masters as [RedisServer, RedisServer, RedisServer];
    const slot = await slotOf(one, channel);
    const bounds = [5461, 10_923, 16_384];
    const from = cluster.masters[bounds.findIndex((bound) => slot < bound)] as RedisServer;
    const to = from === one ? two : one;
    const rest = [one, two, three].filter((server) => server !== from && server !== to);
    await to.cli("cluster", "setslot", slot, "importing", await cluster.idOf(from));
    await from.cli("cluster", "setslot", slot, "migrating", await cluster.idOf(to));
    const toId = await cluster.idOf(to);
    await sender.publish(channel, bytesOf("before"));
    for (const server of [to, from, ...rest]) await server.cli("cluster", "setslot", slot, "node", toId);
    await heardAgain(sender, channel, heard, "after");
    expect(heard.gaps).toBeGreaterThan(0);
    expect(heard.texts[0]).toBe("before");
    await bus.records.put(channel.replace(/o$/, "end"), bytesOf("x"), 60_000);
    expect(await to.cli("exists", channel.replace(/o$/, "end"))).toBe("1");
  });

  it.each(["kill", "freeze"] as const)("goes to the replica when a master is gone for good (%s)", async (how) => {
    await using cluster = await openCluster({ replicas: true });
    const servers = [...cluster.masters, ...cluster.replicas];
    const rig = redisBuses({ cluster: { nodes: cluster.nodes } }, servers, cluster);
    await using bus = await rig.openBus();
    const channels = Array.from({ length: 12 }, () => freshName());
    const heard = channels.map(() => hearing());
    await Promise.all(channels.map((channel, index) => bus.subscribe(channel, heard[index] as Heard)));
    const start = performance.now();
    if (how === "kill") await cluster.masters[0]?.kill();
    else cluster.masters[0]?.freeze();
    for (const [index, channel] of channels.entries()) await heardAgain(bus, channel, heard[index] as Heard, "after");
    await until(() => bus.state.up, "the bus is up");
    // The nodes take one for dead after 2 s; the rest is theirs and ours.
    expect(performance.now() - start).toBeLessThan(14_000);
  });

  it("says that it is down while some slots are served by nobody, and goes on with the others", async () => {
    await using cluster = await openCluster();
    const rig = redisBuses({ cluster: { nodes: cluster.nodes } }, cluster.masters, cluster);
    await using bus = await rig.openBus();
    for (const master of cluster.masters) await master.cli("config", "set", "cluster-require-full-coverage", "no");
    await cluster.masters[0]?.kill();
    await until(() => !bus.state.up, "the bus is down");
    const channels = Array.from({ length: 30 }, () => freshName());
    const outcomes = await Promise.allSettled(channels.map((channel) => bus.publish(channel, bytesOf("a"))));
    expect(outcomes.some(({ status }) => status === "fulfilled")).toBe(true);
    expect(outcomes.some(({ status }) => status === "rejected")).toBe(true);
    await cluster.masters[0]?.start();
    await until(() => bus.state.up, "the bus is up again");
  });
});
