import { expect, it } from "vitest";
import { BusDown } from "../../server/group/bus.ts";
import { fileIn, openCluster, openRedis, type RedisServer } from "../support/redis.ts";
import { redisBuses } from "../support/redis-buses.ts";
import { until } from "../support/until.ts";
import { bytesOf, freshName, hearing } from "./bus-contract.ts";
import { heardAgain } from "./bus-interruptions.ts";

/** What docs/groups.md asks for: all that a node runs, on names with the prefix alone. */
const commands =
  "-@all +ping +publish +spublish +subscribe +unsubscribe +ssubscribe +sunsubscribe +hset +hdel +hget +hgetall +set " +
  "+get +del +pexpire +zadd +zrange +zrem +multi +exec +client|setname +info";
const rule = (password: string) => ["on", `>${password}`, "~bz:*", "&bz:*", ...commands.split(" ")];

function asUser(server: RedisServer, passwordFile: string) {
  return redisBuses({ url: server.url, username: "bus", passwordFile }, [server], server);
}

it("refuses to start with a Redis on another machine that lets anybody in, whatever the config says of passwords", async () => {
  const server = await openRedis();
  await using rig = redisBuses(
    { url: server.url, passwordFile: fileIn(server, "word", "unneeded\n") },
    [server],
    server,
  );
  await expect(rig.openBus(undefined, { isLocal: () => false })).rejects.toThrow(
    /^The Redis at (::ffff:)?127\.0\.0\.1 lets anybody in: it asks for neither a password nor a client certificate\.$/,
  );
  await until(async () => (await rig.connections()) === 0, "no connection is left");
  await using bus = await rig.openBus();
  expect(bus.state.up).toBe(true);
});

it("leaves a Redis alone that turns out to be open only after the start", async () => {
  const server = await openRedis({ later: true });
  await using rig = redisBuses({ url: server.url }, [server], server);
  await using bus = await rig.openBus(undefined, { isLocal: () => false });
  expect(bus.state.up).toBe(false);
  await server.start();
  await until(() => !bus.state.up && bus.state.reason.includes("lets anybody in"), "it is refused");
  await expect(bus.publish(freshName(), bytesOf("a"))).rejects.toThrow(BusDown);
  await until(async () => (await rig.connections()) === 0, "no connection is left");
});

it("leaves a cluster alone of which one master lets anybody in", async () => {
  await using cluster = await openCluster();
  for (const master of cluster.masters.slice(1)) {
    await master.cli("acl", "setuser", "bus", ...rule("secret"), "+cluster|nodes");
    await master.cli("config", "set", "requirepass", "secret");
  }
  const open = cluster.masters[0] as RedisServer;
  await open.cli("acl", "setuser", "bus", ...rule("secret"), "+cluster|nodes");
  const config = { cluster: { nodes: cluster.nodes.slice(1) }, username: "bus" };
  const passwordFile = fileIn(open, "word", "secret");
  await using buses = redisBuses({ ...config, passwordFile }, cluster.masters, {
    [Symbol.asyncDispose]: async () => {},
  });
  await expect(buses.openBus(undefined, { isLocal: () => false })).rejects.toThrow(`127.0.0.1 lets anybody in`);
});

it("takes a Redis on another machine that asks who calls", async () => {
  const server = await openRedis({ password: "secret" });
  await using rig = redisBuses({ url: server.url, passwordFile: fileIn(server, "word", "secret\n") }, [server], server);
  await using bus = await rig.openBus(undefined, { isLocal: () => false });
  expect([bus.state.up, bus.warnings]).toEqual([true, []]);
});

it("warns of records that are thrown away, of small buffers, and of commands that are not allowed", async () => {
  const config = ["maxmemory-policy volatile-ttl", "client-output-buffer-limit pubsub 2mb 1mb 2"];
  const server = await openRedis({ config });
  await using rig = redisBuses({ url: server.url }, [server], server);
  await using bus = await rig.openBus();
  expect(bus.warnings).toEqual([
    expect.stringContaining("maxmemory-policy volatile-ttl"),
    expect.stringContaining("1024 KiB behind"),
  ]);
  await server.cli("acl", "setuser", "bus", ...rule("secret"), "-hset", "-zadd");
  await using restricted = redisBuses(
    { url: server.url, username: "bus", passwordFile: fileIn(server, "word", "secret") },
    [server],
    { [Symbol.asyncDispose]: async () => {} },
  );
  await using other = await restricted.openBus();
  expect(other.state.up).toBe(true);
  expect(other.warnings).toEqual([
    expect.stringContaining("maxmemory-policy volatile-ttl"),
    expect.stringContaining("may not run hset, zadd"),
  ]);
  await expect(
    other.records.change(freshName("s"), { set: new Map([["a", bytesOf("1")]]), lifeMs: 1000 }),
  ).rejects.toThrow(BusDown);
});

it("needs no more than the rule in the docs, in a cluster too, where it needs to ask who has what", async () => {
  const server = await openRedis();
  await server.cli("acl", "setuser", "bus", ...rule("secret"));
  await using rig = asUser(server, fileIn(server, "word", "secret"));
  await using bus = await rig.openBus();
  expect([bus.state.up, bus.warnings]).toEqual([true, []]);
  await bus.records.change(freshName("s"), { set: new Map([["a", bytesOf("1")]]), lifeMs: 1000 });

  await using cluster = await openCluster();
  for (const master of cluster.masters) await master.cli("acl", "setuser", "bus", ...rule("secret"), "+cluster|nodes");
  const passwordFile = fileIn(cluster.masters[0] as RedisServer, "word", "secret");
  const config = { cluster: { nodes: cluster.nodes }, username: "bus", passwordFile };
  await using buses = redisBuses(config, cluster.masters, { [Symbol.asyncDispose]: async () => {} });
  await using sharded = await buses.openBus();
  expect([sharded.state.up, sharded.warnings]).toEqual([true, []]);
  const heard = hearing();
  const channel = freshName();
  await using _subscription = await sharded.subscribe(channel, heard);
  await heardAgain(sharded, channel, heard, "a");
});

it("bears it that its channels are taken away, says so, and hears again when they are given back", async () => {
  const server = await openRedis();
  await server.cli("acl", "setuser", "bus", ...rule("secret"));
  await using rig = asUser(server, fileIn(server, "word", "secret"));
  await using bus = await rig.openBus();
  const channel = freshName();
  const heard = hearing();
  await using _subscription = await bus.subscribe(channel, heard);
  await server.cli("acl", "setuser", "bus", "resetchannels");
  await until(() => !bus.state.up && bus.state.reason.includes("NOPERM"), "it says what is wrong");
  const refusal = bus.subscribe(freshName(), hearing());
  await expect(refusal).rejects.toThrow(BusDown);
  await server.cli("acl", "setuser", "bus", "&bz:*");
  await heardAgain(bus, channel, heard, "after");
  expect(heard.gaps).toBe(1);
});

it("comes back with the new password once its file has it", async () => {
  const server = await openRedis();
  await server.cli("acl", "setuser", "bus", ...rule("old"));
  await using rig = asUser(server, fileIn(server, "word", "old"));
  await using bus = await rig.openBus();
  const channel = freshName();
  const heard = hearing();
  await using _subscription = await bus.subscribe(channel, heard);
  await server.cli("acl", "setuser", "bus", "resetpass", ">new");
  await rig.cut();
  await until(() => !bus.state.up && bus.state.reason.includes("WRONGPASS"), "it says what is wrong");
  fileIn(server, "word", "new");
  await heardAgain(bus, channel, heard, "after");
});

it("speaks TLS when it should, and to nobody who does not", async () => {
  const server = await openRedis({ tls: true });
  const tls = { ca: server.caFile };
  await using rig = redisBuses({ url: server.url, tls }, [server], server);
  await using bus = await rig.openBus();
  expect(bus.state.up).toBe(true);
  await using plain = await openRedis();
  await using wrong = redisBuses({ url: plain.url.replace("redis:", "rediss:"), tls }, [plain], plain);
  await using down = await wrong.openBus();
  expect(down.state.up).toBe(false);
  await using stranger = redisBuses({ url: server.url, tls: {} }, [server], { [Symbol.asyncDispose]: async () => {} });
  await using unknown = await stranger.openBus();
  expect(unknown.state).toMatchObject({ up: false, reason: expect.stringContaining("certificate") });
});
