/** The Redis itself changes: a master becomes a replica, sentinels choose another, a slot moves, a master of a cluster dies. */
import { expect, it } from "vitest";
import { KickOutcome } from "../../proto/client/index.ts";
import type { RedisConfig } from "../../server/config-group.ts";
import {
  askers,
  createFaultRig,
  end,
  exactly,
  faultTargets,
  listed,
  lists,
  screenOf,
  slowly,
  startEcho,
  startFlow,
} from "../support/fault-rig.ts";
import { openCluster, openRedis, openSentinels, type RedisServer } from "../support/redis.ts";
import { until } from "../support/until.ts";
import { operate, watch } from "../support/viewing.ts";

/** A shell on one node that prints, watched on another. */
async function playing(redis: Omit<RedisConfig, "prefix">) {
  await using opening = new AsyncDisposableStack();
  const rig = opening.use(createFaultRig(redis));
  const targets = faultTargets();
  const a = opening.use(await rig.open("a", targets.options));
  const b = opening.use(await rig.open("b"));
  const echo = opening.use(await startEcho(a));
  const operator = operate(a.clients(), "flow");
  const { session } = await operator.started();
  opening.defer(() => end(operator));
  await lists(b, session.id);
  const viewing = opening.use(watch(b.clients(), session.id));
  await viewing.started();
  await until(() => viewing.events.some(({ kind }) => kind === "key-frame"), "the first screen is there");
  const flow = startFlow(targets.pty());
  const goesOn = (lines: number) => {
    const from = flow.lines;
    return until(() => flow.lines >= from + lines, "the shell goes on printing");
  };
  await goesOn(40);
  const held = opening.move();
  return {
    ...{ rig, a, b, id: session.id, viewing, operator, goesOn },
    /** The watcher has the operator's screen, the list each session once, and a kick arrives. */
    async whole() {
      await goesOn(100);
      const screen = await flow.finish();
      await until(() => screenOf(viewing) === screen, "the screens are the same");
      await lists(b, session.id, false, 10_000);
      expect((await listed(b)).map(({ id }) => id).filter((id) => id === session.id)).toHaveLength(1);
      await echo.fine();
      const kicked = () => askers(b).sessions.kick({ sessionId: session.id, reason: "done", idempotencyId: "k" });
      expect((await kicked()).outcome).toBe(KickOutcome.ENDED);
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

it("F17: the master becomes a replica under living connections: it is left, and used again when it takes writes", async () => {
  await using redis = await openRedis();
  await using other = await openRedis();
  await using play = await playing({ url: redis.url });
  await redis.cli("replicaof", "127.0.0.1", other.port);
  const reason = async () => (await askers(play.a).access.whoAmI({})).group?.reason ?? "";
  await until(async () => /replica/.test(await reason()), "it is found out", 3500);
  await play.goesOn(50);
  await redis.cli("replicaof", "no", "one");
  await play.whole();
});

slowly.each(["stop", "freeze", "order"] as const)("F18: sentinels choose another master (%s)", async (how) => {
  await using sentinels = await openSentinels();
  await using play = await playing({ sentinels: sentinels.config });
  const first = await sentinels.master();
  if (how === "stop") await first.stop();
  else if (how === "freeze") first.freeze();
  else await sentinels.sentinels[0]?.cli("sentinel", "failover", sentinels.config.name);
  await until(async () => (await sentinels.master()) !== first, "there is another master");
  await play.goesOn(100);
  if (how === "stop") await first.start();
  if (how === "freeze") first.thaw();
  await play.whole();
});

slowly("F19: the slot of a live session moves: nothing is missing, and nothing comes out of order", async () => {
  await using cluster = await openCluster();
  await using play = await playing({ cluster: { nodes: cluster.nodes } });
  const [one] = cluster.masters as [RedisServer];
  const slot = Number(await one.cli("cluster", "keyslot", `bz:{${play.id}}:o`));
  const from = cluster.masters[[5461, 10_923, 16_384].findIndex((bound) => slot < bound)] as RedisServer;
  const [to, rest] = cluster.masters.filter((server) => server !== from) as [RedisServer, RedisServer];
  await to.cli("cluster", "setslot", slot, "importing", await cluster.idOf(from));
  await from.cli("cluster", "setslot", slot, "migrating", await cluster.idOf(to));
  await play.goesOn(30);
  const toId = await cluster.idOf(to);
  for (const server of [to, from, rest]) await server.cli("cluster", "setslot", slot, "node", toId);
  await play.goesOn(300);
  exactly(play.viewing);
  await play.whole();
});

slowly.each(["kill", "freeze"] as const)(
  "F20: the master of a session's slot is gone (%s): its replica takes over",
  async (how) => {
    await using cluster = await openCluster({ replicas: true });
    await using play = await playing({ cluster: { nodes: cluster.nodes } });
    const slot = Number(await cluster.masters[0]?.cli("cluster", "keyslot", `bz:{${play.id}}:o`));
    const master = cluster.masters[[5461, 10_923, 16_384].findIndex((bound) => slot < bound)];
    if (how === "kill") await master?.kill();
    else master?.freeze();
    const start = performance.now();
    const up = async () => (await askers(play.a).access.whoAmI({})).group?.up === true;
    await until(async () => !(await up()), "it is noticed");
    await until(up, "the bus is up again");
    // The nodes take 2 s to call it dead, and some more to choose.
    expect(performance.now() - start).toBeLessThan(9000);
    await play.whole();
  },
);

slowly(
  "F21: two of three masters are gone: the bus is down, shells go on, and all is right when they are back",
  async () => {
    await using cluster = await openCluster();
    await using play = await playing({ cluster: { nodes: cluster.nodes } });
    for (const master of cluster.masters.slice(1)) await master.stop();
    const up = async () => (await askers(play.a).access.whoAmI({})).group?.up === true;
    await until(async () => !(await up()), "it is noticed");
    await play.goesOn(100);
    for (const master of cluster.masters.slice(1)) await master.start();
    await until(up, "the bus is up again");
    await play.whole();
  },
);
