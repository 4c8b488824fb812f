/** Whoever reaches the Redis without the deployment's key: a node with another one, or somebody who writes what he likes. */
import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import type { WatchSessionsResponse } from "../../proto/gen/bartizan/v1/session_pb.ts";
import { createNames, createNodeId, type NodeId } from "../../server/group/names.ts";
import { cuttable } from "../support/cuttable-bus.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { openTestBastion, type TestBastion } from "../support/test-bastion.ts";
import { createTestGroup } from "../support/test-group.ts";
import { until } from "../support/until.ts";
import { operate } from "../support/viewing.ts";

const short = { leaseMs: 1500, renewMs: 300, heartbeatMs: 100, batchMs: 25 };
const names = createNames("bz");
const junk = randomBytes(80);

async function withSession() {
  const group = createTestGroup(short);
  const memory = createMemoryTarget();
  await using opening = new AsyncDisposableStack();
  const its = cuttable(group.hub.openBus());
  const one = opening.use(await group.open("one", { bus: its, targets: [memory.target], dial: memory.dial }));
  const two = opening.use(await group.open("two"));
  const operator = operate(one.clients(), "memory");
  const { session } = await operator.started();
  const pty = memory.pty();
  opening.defer(async () => {
    pty.exit({ kind: "exited", code: 0 });
    await operator.ended();
  });
  const bus = opening.use(group.hub.openBus());
  const held = opening.move();
  const holder = session.id.slice(0, -13) as NodeId;
  return { ...{ group, one, two, session, bus, holder, its }, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

/** How long the first list takes, and which sessions are on it. */
async function snapshot(bastion: TestBastion): Promise<{ tookMs: number; ids: string[] }> {
  const life = new AbortController();
  const startedMs = performance.now();
  const answers: AsyncIterator<WatchSessionsResponse> = bastion
    .clients()
    .sessions.watchSessions({}, { signal: life.signal })
    [Symbol.asyncIterator]();
  const { value } = (await answers.next()) as { value?: WatchSessionsResponse };
  const tookMs = performance.now() - startedMs;
  life.abort();
  await answers.next().catch(() => {});
  return { tookMs, ids: value?.event.case === "snapshot" ? value.event.value.sessions.map(({ id }) => id) : [] };
}

const groupOf = async (bastion: TestBastion) => (await bastion.clients().access.whoAmI({})).group;

test("a node with another key holds no list up, and is no member", async () => {
  await using pair = await withSession();
  const { group, one, two, session } = pair;
  await using stranger = await openTestBastion({
    config: { node: "badkey" },
    join: { bus: group.hub.openBus(), keys: [randomBytes(32)], timing: short },
  });
  for (const node of [one, two]) {
    const { tookMs, ids } = await snapshot(node);
    expect(tookMs).toBeLessThan(700);
    expect(ids).toEqual([session.id]);
    expect((await node.clients().sessions.listSessions({})).sessions).toHaveLength(1);
    await until(async () => (await groupOf(node))?.nodes.length === 2, "the two are members");
    expect((await groupOf(node))?.nodes).toEqual(["one", "two"]);
  }
  expect((await snapshot(stranger)).ids).toEqual([]);
  expect((await groupOf(stranger))?.nodes).toEqual(["badkey"]);
  const text = "badkey is on this Redis but is not believed: has it another group.key?";
  await until(async () => (await groupOf(two))?.warnings.includes(text), "doctor can say so");
});

test("any number of forged names in the set of nodes hides no session", async () => {
  await using pair = await withSession();
  const { two, bus, session } = pair;
  for (let at = 0; at < 3000; at += 1) {
    const forged = createNodeId("aaaa");
    await bus.records.remember(names.nodes, forged, Date.now());
    await bus.records.change(names.sessions(forged), { set: new Map([["#", junk]]), lifeMs: 60_000 });
  }
  await bus.records.remember(names.nodes, "not a name", Date.now());
  const { tookMs, ids } = await snapshot(two);
  expect(ids).toEqual([session.id]);
  expect(tookMs).toBeLessThan(1700);
  const warnings = await until(async () => {
    const told = (await groupOf(two))?.warnings ?? [];
    return told.length > 0 && told;
  }, "it is warned of");
  // Thousands of one name.
  expect(warnings).toEqual([expect.stringContaining("aaaa is on this Redis but is not believed")]);
});

test("a list that never becomes whole is not waited for longer than a second and a half", async () => {
  await using pair = await withSession();
  const { two, bus, holder } = pair;
  // Over and over, as somebody would who wants to be in the way.
  const headless = () => bus.records.change(names.sessions(holder), { remove: ["#"], lifeMs: 60_000 });
  const again = setInterval(headless, 5);
  await headless();
  const { tookMs } = await snapshot(two);
  clearInterval(again);
  expect(tookMs).toBeLessThan(1700);
});

test("what somebody writes over a node's list hides nothing that is known of it", async () => {
  await using pair = await withSession();
  const { one, two, bus, holder, session } = pair;
  const life = new AbortController();
  const seen: string[] = [];
  const over = (async () => {
    for await (const { event } of two.clients().sessions.watchSessions({}, { signal: life.signal })) {
      if (event.case === "snapshot") seen.push(...event.value.sessions.map(({ id }) => id));
      if (event.case === "changed") seen.push(`${event.value.id} ${event.value.state}`);
    }
  })().catch(() => {});
  await until(() => seen.includes(session.id), "it is listed");
  const forge = () => bus.records.change(names.sessions(holder), { set: new Map([["#", junk]]), lifeMs: 60_000 });
  const again = setInterval(forge, 5);
  await forge();
  const operator = operate(one.clients(), "memory");
  const { session: later } = await operator.started();
  await until(() => seen.some((line) => line.startsWith(later.id)), "a later one is listed as well");
  clearInterval(again);
  expect((await two.clients().sessions.listSessions({})).sessions.map(({ id }) => id)).toContain(session.id);
  operator.shell.hangUp();
  await operator.ended();
  life.abort();
  await over;
});

test("a list that somebody kept and puts back makes no silent node live", async () => {
  await using pair = await withSession();
  const { two, bus, holder, its } = pair;
  const flags = async () => (await two.clients().sessions.listSessions({})).sessions.map((each) => each.unreachable);
  await until(async () => (await flags())[0] === false, "it is listed");
  const kept = await bus.records.fields(names.sessions(holder));
  await its.cut();
  await until(async () => (await bus.records.fields(names.sessions(holder))).size === 0, "its lease is over");
  expect(await flags()).toEqual([true]);
  const listener = await bus.subscribe(names.inbox(holder), { message: () => {} });
  await bus.records.change(names.sessions(holder), { set: kept, lifeMs: 60_000 });
  expect(await flags()).toEqual([true]);
  await listener[Symbol.asyncDispose]();
  await its.mend();
  await until(async () => (await flags())[0] === false, "the node itself is believed");
});
