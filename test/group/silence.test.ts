/** What a node concludes of others that it does not hear, of itself when nobody hears it, and what all that costs. */
import { expect, test } from "vitest";
import { endCause, faultOf, KickOutcome, SessionState } from "../../proto/client/index.ts";
import type { GroupBus } from "../../server/group/bus.ts";
import { cuttable } from "../support/cuttable-bus.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import type { TestBastion, TestBastionOptions } from "../support/test-bastion.ts";
import { createTestGroup } from "../support/test-group.ts";
import { until } from "../support/until.ts";
import { operate, watch } from "../support/viewing.ts";

const short = { leaseMs: 1500, renewMs: 300, heartbeatMs: 100, batchMs: 25, kickMs: 300 };

async function openedOn(bastion: TestBastion) {
  const operator = operate(bastion.clients(), "memory");
  const { session } = await operator.started();
  return { operator, id: session.id };
}

const listed = async (bastion: TestBastion) => (await bastion.clients().sessions.listSessions({})).sessions;
const lists = (bastion: TestBastion, id: string) =>
  until(async () => (await listed(bastion)).some((session) => session.id === id), "it is listed");

function withMemory(): { memory: ReturnType<typeof createMemoryTarget>; options: TestBastionOptions } {
  const memory = createMemoryTarget();
  return { memory, options: { targets: [memory.target], dial: memory.dial } };
}

test("a node that stops takes its sessions off every list, with how they ended", async () => {
  const group = createTestGroup(short);
  const { options } = withMemory();
  await using two = await group.open("two");
  const one = await group.open("one", options);
  const { operator, id } = await openedOn(one);
  await lists(two, id);
  await using watcher = watch(two.clients(), id);
  await watcher.started();
  operator.over.catch(() => {});
  const stopping = expect(one[Symbol.asyncDispose]()).rejects.toThrow("left sessions behind");
  expect((await watcher.ended()).cause).toMatchObject({ kind: "closed", why: "draining" });
  await stopping;
  expect(await listed(two)).toEqual([]);
  const answer = await two.clients().sessions.kick({ sessionId: id, reason: "late" });
  expect(answer.outcome).toBe(KickOutcome.ALREADY_ENDED);
  expect(answer.ended && endCause(answer.ended)).toMatchObject({ kind: "closed", why: "draining" });
});

test("who is cut off itself concludes nothing, says so, and goes on where it was", async () => {
  const group = createTestGroup(short);
  const { memory, options } = withMemory();
  const bus = cuttable(group.hub.openBus());
  await using one = await group.open("one", options);
  await using two = await group.open("two", { bus });
  const { operator, id } = await openedOn(one);
  await using _operator = operator;
  await lists(two, id);
  await using watcher = watch(two.clients(), id);
  await watcher.started();
  await bus.cut();
  const reached = () => watcher.events.flatMap((event) => (event.kind === "reach" ? [event.reach] : []));
  await until(() => reached().includes("stale"), "the watcher is told");
  expect((await listed(two)).map(({ unreachable }) => unreachable)).toEqual([true]);
  const unknown = await two
    .clients()
    .sessions.watch({ sessionId: `${id.slice(0, -12)}AAAAAAAAAAAA` })
    [Symbol.asyncIterator]()
    .next()
    .catch((error) => faultOf(error).word);
  expect(unknown).toBe("holder-unreachable");
  await bus.mend();
  await until(() => reached().at(-1) === "live", "it is heard again");
  expect(reached()).toEqual(["stale", "live"]);
  await until(async () => (await listed(two))[0]?.unreachable === false, "the list says so");
  memory.pty().exit({ kind: "exited", code: 0 });
  await watcher.ended();
  await operator.ended();
});

test("a node that still seems to be on the bus, but gives no sign of life, is flagged as well", async () => {
  const group = createTestGroup(short);
  const { memory, options } = withMemory();
  const bus = cuttable(group.hub.openBus());
  await using two = await group.open("two");
  await using one = await group.open("one", { ...options, bus });
  const { operator, id } = await openedOn(one);
  await using _operator = operator;
  await lists(two, id);
  await using watcher = watch(two.clients(), id);
  await watcher.started();
  bus.freeze();
  const word = await until(() => watcher.events.find((event) => event.kind === "reach"), "the watcher is told");
  expect(word).toMatchObject({ reach: "unreachable", text: "one gives no sign of life." });
  // What it is not known to have ended may live.
  const answer = await two.clients().sessions.kick({ sessionId: id, reason: "freeze", idempotencyId: "k" });
  expect(answer).toMatchObject({ outcome: KickOutcome.UNREACHABLE, orderLeft: true });
  expect(memory.pty().hungUp()).toBe(false);
  await until(async () => (await listed(two))[0]?.unreachable, "the list says so, also when the lease is over");
  await bus.mend();
  expect((await operator.ended()).cause).toMatchObject({ kind: "kicked", reason: "freeze" });
});

test("a node that gave no sign of life for the time that lists are kept is forgotten", async () => {
  const group = createTestGroup({ ...short, forgetMs: 1200 });
  const { memory, options } = withMemory();
  const bus = cuttable(group.hub.openBus());
  await using two = await group.open("two");
  await using one = await group.open("one", { ...options, bus });
  const { operator, id } = await openedOn(one);
  await using _operator = operator;
  const life = new AbortController();
  const seen: string[] = [];
  const over = (async () => {
    for await (const { event } of two.clients().sessions.watchSessions({}, { signal: life.signal })) {
      if (event.case === "snapshot") seen.push(`${event.value.sessions.length} listed`);
      if (event.case === "changed" && event.value.unreachable) seen.push("not heard");
      if (event.case === "changed" && event.value.state === SessionState.ENDED) seen.push("off the list");
    }
  })().catch(() => {});
  await until(() => seen.length > 0, "the list is there");
  await lists(two, id);
  await bus.cut();
  await until(() => seen.includes("off the list"), "it is forgotten");
  expect(seen).toContain("not heard");
  life.abort();
  await over;
  memory.pty().exit({ kind: "exited", code: 0 });
  await operator.ended();
});

test("it is forgotten also where nobody follows the list", async () => {
  const group = createTestGroup({ ...short, forgetMs: 2500 });
  const { memory, options } = withMemory();
  const bus = cuttable(group.hub.openBus());
  await using two = await group.open("two");
  await using one = await group.open("one", { ...options, bus });
  const { operator, id } = await openedOn(one);
  await using _operator = operator;
  await lists(two, id);
  await bus.cut();
  await until(async () => (await listed(two))[0]?.unreachable === true, "it is not heard");
  await until(async () => (await listed(two)).length === 0, "it is forgotten");
  memory.pty().exit({ kind: "exited", code: 0 });
  await operator.ended();
});

test("in strict mode a node that is cut off ends its sessions, and then that is what a kick is told", async () => {
  const group = createTestGroup({ ...short, leaseMs: 600 });
  const config = { group: { strictSeconds: 0.8 } };
  const { options } = withMemory();
  const bus = cuttable(group.hub.openBus());
  await using one = await group.open("one", { ...options, bus, config });
  await using two = await group.open("two", { config });
  const { operator, id } = await openedOn(one);
  await using _operator = operator;
  await lists(two, id);
  await bus.cut();
  const kick = () => two.clients().sessions.kick({ sessionId: id, reason: "freeze", idempotencyId: "k" });
  expect((await kick()).outcome).toBe(KickOutcome.UNREACHABLE);
  const { cause } = await operator.ended();
  expect(cause).toMatchObject({ kind: "closed", why: "fault" });
  expect(cause).toHaveProperty("detail", expect.stringContaining("off the bus"));
  await until(async () => (await kick()).outcome === KickOutcome.ALREADY_ENDED, "it is known to have ended");
});

test("in strict mode nothing is known of a node that gives no answer while its inbox is heard", async () => {
  const timing = { ...short, leaseMs: 600, kickMs: 200 };
  const group = createTestGroup(timing);
  const { memory, options } = withMemory();
  const bus = cuttable(group.hub.openBus());
  // As one that is suspended: it does not end its sessions before it goes on.
  await using one = await group.open("one", { ...options, bus });
  await using two = await group.open("two", { config: { group: { strictSeconds: 0.2 } } });
  const { operator, id } = await openedOn(one);
  await using _operator = operator;
  await lists(two, id);
  await using watcher = watch(two.clients(), id);
  await watcher.started();
  bus.freeze();
  const kick = () => two.clients().sessions.kick({ sessionId: id, reason: "freeze", idempotencyId: "k" });
  const frozenAtMs = performance.now();
  const outcomes = new Set<KickOutcome>();
  await until(async () => {
    outcomes.add((await kick()).outcome);
    return performance.now() - frozenAtMs > 2 * timing.leaseMs + 200 + 1500;
  }, "its record is gone for longer than the strict time");
  expect([...outcomes]).toEqual([KickOutcome.UNREACHABLE]);
  expect(memory.pty().hungUp()).toBe(false);
  await bus.mend();
  await operator.ended();
});

/** Counts what a node says on its bus, and where it listens. */
function counted(bus: GroupBus) {
  const count = { published: 0, heard: new Set<string>() };
  const counting: GroupBus = {
    ...bus,
    publish(channel, message) {
      count.published += 1;
      return bus.publish(channel, message);
    },
    records: {
      ...bus.records,
      change(record, change) {
        if (change.publish !== undefined) count.published += 1;
        return bus.records.change(record, change);
      },
    },
    async subscribe(channel, listener) {
      const made = await bus.subscribe(channel, listener);
      count.heard.add(channel);
      return {
        async [Symbol.asyncDispose]() {
          count.heard.delete(channel);
          await made[Symbol.asyncDispose]();
        },
      };
    },
    [Symbol.asyncDispose]: () => bus[Symbol.asyncDispose](),
  };
  return { count, bus: counting };
}

test("while nobody looks elsewhere a busy session costs no message, and each node hears its inbox alone", async () => {
  const group = createTestGroup(short);
  const { memory, options } = withMemory();
  const first = counted(group.hub.openBus());
  const second = counted(group.hub.openBus());
  await using one = await group.open("one", { ...options, bus: first.bus });
  await using two = await group.open("two", { bus: second.bus });
  const { operator, id } = await openedOn(one);
  await using _operator = operator;
  await lists(two, id);
  const life = new AbortController();
  const followed = two.clients().sessions.watchSessions({}, { signal: life.signal })[Symbol.asyncIterator]();
  await followed.next();
  expect(second.count.heard.size).toBeGreaterThan(1);
  life.abort();
  await followed.next().catch(() => {});
  await until(() => second.count.heard.size === 1, "it listens to its inbox alone");
  let before = -1;
  await until(async () => {
    const now = first.count.published;
    await new Promise((resolve) => setTimeout(resolve, 4 * short.heartbeatMs));
    const still = now === before && first.count.published === now;
    before = first.count.published;
    return still;
  }, "no signs of life are given");
  const published = first.count.published + second.count.published;
  for (let at = 0; at < 50; at += 1) await memory.pty().print("busy ".repeat(100));
  await operator.shows("busy");
  // Some renewals later.
  await until(async () => (await listed(two))[0]?.outputBytes === 25_000n, "the record has its output");
  expect(first.count.heard.size).toBe(1);
  // What the list asked, and nothing else: whether the other node is there.
  expect(first.count.published).toBe(before);
  expect(published).toBeGreaterThan(0);
  memory.pty().exit({ kind: "exited", code: 0 });
  await operator.ended();
});

test("what was concluded of a node is not held against it once nobody has listened for a while", async () => {
  const group = createTestGroup(short);
  const { memory, options } = withMemory();
  const bus = cuttable(group.hub.openBus());
  const { count, bus: far } = counted(group.hub.openBus());
  await using one = await group.open("one", { ...options, bus });
  await using two = await group.open("two", { bus: far });
  const { operator, id } = await openedOn(one);
  await lists(two, id);
  {
    await using watcher = watch(two.clients(), id);
    await watcher.started();
    await bus.cut();
    await until(() => watcher.events.some((event) => event.kind === "reach"), "it is silent");
  }
  await until(() => count.heard.size === 1, "nobody listens any more");
  await bus.mend();
  await until(async () => (await listed(two))[0]?.unreachable === false, "the list has it again");
  await using later = watch(two.clients(), id);
  await later.started();
  await memory.pty().print("later");
  await later.shows("later");
  expect(later.events.some((event) => event.kind === "reach")).toBe(false);
  memory.pty().exit({ kind: "exited", code: 0 });
  await later.ended();
  await operator.ended();
});
