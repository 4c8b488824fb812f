/** Redis stops, hangs, is refused or comes late: shells go on, lists and kicks say what they know, and all is made up for. */
import { once } from "node:events";
import { connect } from "node:net";
import { expect, it } from "vitest";
import { KickOutcome } from "../../proto/client/index.ts";
import { openFaultProxy } from "../support/fault-proxy.ts";
import { askers, createFaultRig, end, faultTargets, listed, lists, slowly, startEcho } from "../support/fault-rig.ts";
import { fileIn, openRedis } from "../support/redis.ts";
import type { TestBastion } from "../support/test-bastion.ts";
import { until } from "../support/until.ts";
import { operate } from "../support/viewing.ts";

const kick = async (node: TestBastion, sessionId: string, idempotencyId = "") => {
  const start = performance.now();
  const answer = await askers(node).sessions.kick({ sessionId, reason: "freeze", idempotencyId });
  expect(performance.now() - start, "a kick is answered within its deadline").toBeLessThan(6000);
  return answer;
};

/** Adds a node's new session to the other's list: proof that both are on the bus again. */
async function newSessionSeen(from: TestBastion, by: TestBastion, limitMs: number): Promise<void> {
  const operator = operate(from.clients(), "echo");
  const { session } = await operator.started();
  await lists(by, session.id, false, limitMs);
  await end(operator);
}

slowly.each([500, 5000])("F4: Redis is gone for %i ms", async (awayMs) => {
  await using redis = await openRedis();
  using rig = createFaultRig({ url: redis.url });
  const targets = faultTargets();
  await using a = await rig.open("a", targets.options);
  await using c = await rig.open("c");
  await using echo = await startEcho(a);
  const operator = operate(a.clients(), "flow");
  const { session } = await operator.started();
  await lists(c, session.id);
  await redis.stop();
  if (awayMs > 4000) {
    const answer = await kick(c, session.id, "k1");
    expect(answer).toMatchObject({ outcome: KickOutcome.UNREACHABLE, orderLeft: false });
    expect(targets.pty().hungUp()).toBe(false);
  }
  await new Promise((resolve) => setTimeout(resolve, awayMs)); // what is tried is time itself
  await redis.start();
  if (awayMs > 4000) {
    // The node that was asked has kept the order, and gives it now.
    expect((await operator.ended()).cause).toMatchObject({ kind: "kicked", reason: "freeze" });
    await until(async () => (await kick(c, session.id, "k1")).outcome === KickOutcome.ENDED, "it is known");
    await operator[Symbol.asyncDispose]();
  } else {
    await lists(c, session.id, false, 4000);
    await end(operator);
  }
  await newSessionSeen(a, c, 4000);
  await echo.fine();
});

it("F5: Redis comes after the nodes: they are ready at once, and join by themselves", async () => {
  await using redis = await openRedis({ later: true });
  using rig = createFaultRig({ url: redis.url });
  const start = performance.now();
  const targets = faultTargets();
  await using a = await rig.open("a", targets.options);
  expect(performance.now() - start).toBeLessThan(8000);
  await using c = await rig.open("c");
  await using echo = await startEcho(a);
  const operator = operate(a.clients(), "flow");
  const { session } = await operator.started();
  expect(await listed(c)).toEqual([]);
  await redis.start();
  await lists(c, session.id, false, 8000);
  expect((await kick(c, session.id)).outcome).toBe(KickOutcome.ENDED);
  await operator[Symbol.asyncDispose]();
  await echo.fine();
});

slowly("F6: Redis is loading: it is down as long, and there is no storm of attempts", async () => {
  await using redis = await openRedis({ config: ["key-load-delay 0"] });
  await redis.cli("debug", "populate", 200_000);
  await redis.cli("save");
  using rig = createFaultRig({ url: redis.url });
  await using a = await rig.open("a", faultTargets().options);
  await using c = await rig.open("c");
  await using echo = await startEcho(a);
  await redis.cli("config", "set", "key-load-delay", 20);
  const before = Date.now();
  await redis.cli("debug", "reload", "nosave").catch(() => {});
  const tookS = (Date.now() - before) / 1000;
  const stats = await redis.cli("info", "stats");
  expect(Number(/total_connections_received:(\d+)/.exec(stats)?.[1])).toBeLessThan(60 + 30 * tookS);
  await newSessionSeen(a, c, 8000);
  await echo.fine();
});

slowly(
  "F7: Redis hangs for 5 s, also while nodes connect: found out within 2.1 s, and nothing stale is done afterwards",
  async () => {
    await using redis = await openRedis();
    using rig = createFaultRig({ url: redis.url });
    const targets = faultTargets();
    await using a = await rig.open("a", targets.options);
    await using c = await rig.open("c");
    await using echo = await startEcho(a);
    const operator = operate(a.clients(), "flow");
    const { session } = await operator.started();
    await lists(c, session.id);
    redis.freeze();
    try {
      const answer = await kick(c, session.id, "k1");
      expect(answer.outcome).toBe(KickOutcome.UNREACHABLE);
      const start = performance.now();
      await using late = await rig.open("late");
      expect(performance.now() - start).toBeLessThan(8000);
      expect(await listed(late)).toEqual([]);
    } finally {
      redis.thaw();
    }
    expect((await operator.ended()).cause).toMatchObject({ kind: "kicked", reason: "freeze" });
    await operator[Symbol.asyncDispose]();
    await newSessionSeen(a, c, 8000);
    await echo.fine();
  },
);

it("F14: Redis takes no more clients: down with a clear word, until there is room", async () => {
  await using redis = await openRedis();
  using rig = createFaultRig({ url: redis.url });
  await using a = await rig.open("a", faultTargets().options);
  await using c = await rig.open("c");
  await using echo = await startEcho(a);
  // A seat that is taken before: nobody else gets in to give the orders.
  const seat = connect(redis.port, "127.0.0.1");
  seat.on("error", () => {});
  await once(seat, "connect");
  seat.write("config set maxclients 1\r\nclient kill type pubsub\r\nclient kill type normal\r\n");
  const full = async () => (await askers(a).access.whoAmI({})).group?.reason ?? "";
  await until(async () => /maxclients|max number of clients/.test(await full()), "it says why");
  seat.end("config set maxclients 1000\r\n");
  await newSessionSeen(a, c, 8000);
  await echo.fine();
});

it("F15: the user's channels are taken away and given back, and his password changes", async () => {
  await using redis = await openRedis();
  await redis.cli("acl", "setuser", "bus", "on", ">one", "~bz:*", "&bz:*", "+@all", "-@admin");
  using rig = createFaultRig({ url: redis.url, username: "bus", passwordFile: fileIn(redis, "word", "one") });
  await using a = await rig.open("a", faultTargets().options);
  await using c = await rig.open("c");
  await using echo = await startEcho(a);
  await newSessionSeen(a, c, 8000);
  await redis.cli("acl", "setuser", "bus", "resetchannels");
  const reason = async () => (await askers(a).access.whoAmI({})).group?.reason ?? "";
  await until(async () => /NOPERM/.test(await reason()), "it says why");
  await redis.cli("acl", "setuser", "bus", "&bz:*");
  await newSessionSeen(a, c, 8000);
  await redis.cli("acl", "setuser", "bus", "resetpass", ">two");
  await redis.cli("client", "kill", "user", "bus");
  await until(async () => /WRONGPASS/.test(await reason()), "it says why");
  fileIn(redis, "word", "two");
  await newSessionSeen(a, c, 8000);
  await echo.fine();
});

slowly.each(["both", "back"] as const)(
  "F16: the network between a node and Redis freezes (%s): it is known, shells go on",
  async (way) => {
    await using redis = await openRedis();
    await using proxy = await openFaultProxy(redis.port);
    using rig = createFaultRig({ url: redis.url });
    const targets = faultTargets();
    await using a = await rig.open("a", { ...targets.options, redis: { url: `redis://127.0.0.1:${proxy.port}` } });
    await using c = await rig.open("c");
    await using echo = await startEcho(a);
    const operator = operate(a.clients(), "flow");
    const { session } = await operator.started();
    await lists(c, session.id);
    proxy.freeze(way);
    const up = async () => (await askers(a).access.whoAmI({})).group?.up === true;
    await until(async () => !(await up()), "its own node knows", 2500);
    await lists(c, session.id, true, 25_000);
    const answer = await kick(c, session.id, "k");
    expect(answer).toMatchObject({ outcome: KickOutcome.UNREACHABLE, orderLeft: true });
    expect(targets.pty().hungUp()).toBe(false);
    await end(operator);
    await echo.fine();
  },
);
