/** A Redis that is full and throws nothing away: what ends leaves the lists, what is new is found at its node. */
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { endCause, KickOutcome } from "../../proto/client/index.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { openRedis, type RedisServer } from "../support/redis.ts";
import { type RedisBuses, redisBuses } from "../support/redis-buses.ts";
import { openTestBastion, type TestBastion } from "../support/test-bastion.ts";
import { until } from "../support/until.ts";
import { operate, watch } from "../support/viewing.ts";

const timing = { leaseMs: 1500, renewMs: 300, heartbeatMs: 100, batchMs: 25 };
const keys = [randomBytes(32)];
let redis: RedisServer;
let buses: RedisBuses;

beforeAll(async () => {
  redis = await openRedis({ config: ["maxmemory-policy noeviction"] });
  buses = redisBuses({ url: redis.url } as never, [redis], redis);
});
afterAll(() => buses[Symbol.asyncDispose]());
beforeEach(() => fill(false));

/** No word of memory is left from here on, for anybody; what Redis refuses then is its own choice. */
const fill = (full: boolean) => redis.cli("config", "set", "maxmemory", full ? "1" : "0");

async function open(node: string, memory?: ReturnType<typeof createMemoryTarget>) {
  const bus = await buses.openBus();
  await until(() => bus.state.up, "its bus is up");
  return openTestBastion({
    ...(memory === undefined ? {} : { targets: [memory.target], dial: memory.dial }),
    config: { node },
    join: { bus, keys, timing },
  });
}

const listed = async (bastion: TestBastion) => (await bastion.clients().sessions.listSessions({})).sessions;

test("a session that ends while Redis is full leaves the lists, and how it ended is known once there is room", async () => {
  const memory = createMemoryTarget();
  await using one = await open("one", memory);
  await using two = await open("two");
  await using operator = operate(one.clients(), "memory");
  const { session } = await operator.started();
  await until(async () => (await listed(two)).length === 1, "it is listed");
  await fill(true);
  await expect(redis.cli("set", "any", "thing")).rejects.toThrow("OOM");
  memory.pty().exit({ kind: "exited", code: 9 });
  await operator.ended();
  await until(async () => (await listed(two)).length === 0, "it is off the list");
  await fill(false);
  const known = await until(async () => {
    const { ended } = await two
      .clients()
      .sessions.kick({ sessionId: session.id, reason: "late" })
      .catch(() => ({ ended: undefined }));
    return ended && endCause(ended);
  }, "how it ended is known");
  expect(known).toEqual({ kind: "exited", code: 9 });
});

test("a session that was opened while Redis is full is watched and kicked from another node", async () => {
  const memory = createMemoryTarget();
  await using one = await open("one", memory);
  await using two = await open("two");
  await fill(true);
  await using operator = operate(one.clients(), "memory");
  const { session } = await operator.started();
  await memory.pty().print("here it is");
  expect(await listed(two)).toEqual([]);
  await using watcher = watch(two.clients(), session.id);
  await watcher.shows("here it is");
  const kick = (sessionId: string) => two.clients().sessions.kick({ sessionId, reason: "freeze" });
  expect((await kick(session.id)).outcome).toBe(KickOutcome.ENDED);
  expect((await operator.ended()).cause).toMatchObject({ kind: "kicked", reason: "freeze" });
  expect((await watcher.ended()).cause).toMatchObject({ kind: "kicked", reason: "freeze" });
  // How it ended is written nowhere, but the node knows.
  const again = await kick(session.id);
  expect(again.outcome).toBe(KickOutcome.ALREADY_ENDED);
  expect(again.ended && endCause(again.ended)).toMatchObject({ kind: "kicked", reason: "freeze" });
  await expect(kick(`${session.id.slice(0, -12)}AAAAAAAAAAAA`)).rejects.toThrow("no such session");
});
