/** Locks and frozen sessions of a group: in force on every node, also on one that comes later, and by what was known last. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { faultOf, KickOutcome } from "../../proto/client/index.ts";
import { KickLockScope } from "../../proto/gen/bartizan/v1/session_pb.ts";
import { cuttable } from "../support/cuttable-bus.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import type { TestBastion } from "../support/test-bastion.ts";
import { createTestGroup } from "../support/test-group.ts";
import { until } from "../support/until.ts";
import { operate, type Viewing, watch } from "../support/viewing.ts";

const principals = { alice: ["operator"], carol: ["auditor"], ada: ["admin"] } as const;
const short = { leaseMs: 1500, renewMs: 500, heartbeatMs: 100, batchMs: 25 };
const memory = createMemoryTarget({ echo: true });
const options = { principals, targets: [memory.target], dial: memory.dial };

async function opens(node: TestBastion, name: string): Promise<string> {
  const operator = operate(node.clients(`token-${name}`), "memory");
  const refused = operator.over.then(
    () => "over",
    (error: unknown) => faultOf(error).word,
  );
  const word = await Promise.race([operator.started().then(() => "open"), refused]);
  if (word === "open") {
    operator.shell.hangUp();
    await operator.ended();
  }
  return word;
}

const noted = ({ folder }: TestBastion) =>
  readFileSync(join(folder, "state", "bartizan", "audit.jsonl"), "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as { readonly event: string; readonly who?: string; readonly session?: string });
const seesFrozen = (viewing: Viewing) => viewing.events.some((event) => event.kind === "freeze" && event.frozen);
const admin = (node: TestBastion) => node.clients("token-ada");
const others = (node: TestBastion, count: number) =>
  until(
    async () => (await admin(node).access.whoAmI({})).group?.nodes.length === count,
    `${count} nodes know each other`,
  );

let stack = new AsyncDisposableStack();
afterEach(async () => {
  await stack.disposeAsync();
  stack = new AsyncDisposableStack();
});

test("a lock that goes with a kick through another node holds on every node, and on one that comes later", async () => {
  const group = createTestGroup(short);
  const one = stack.use(await group.open("one", options));
  const two = stack.use(await group.open("two", options));
  await others(one, 2);
  await others(two, 2);
  await using operator = operate(one.clients("token-alice"), "memory");
  const { session } = await operator.started();
  await until(async () => (await admin(two).sessions.listSessions({})).sessions.length === 1, "it is listed");
  const answer = await admin(two).sessions.kick({
    ...{ sessionId: session.id, reason: "token lost" },
    lock: { scope: KickLockScope.USER },
  });
  expect(answer).toMatchObject({ outcome: KickOutcome.ENDED, lockNotEverywhere: false, lock: { user: "alice" } });
  expect((await operator.ended()).cause).toMatchObject({ kind: "kicked", by: "ada" });
  expect([await opens(one, "alice"), await opens(two, "alice")]).toEqual(["locked", "locked"]);
  const three = stack.use(await group.open("three", options));
  expect(await opens(three, "alice")).toBe("locked");
  await others(three, 3);
  await others(one, 3);
  const lifted = await admin(three).locks.liftLock({ id: answer.lock?.id ?? "" });
  expect(lifted.notEverywhere).toBe(false);
  expect([await opens(one, "alice"), await opens(two, "alice")]).toEqual(["open", "open"]);
});

test("a lock that ends sessions ends those on every node, notes each, and counts those it cannot know of", async () => {
  const group = createTestGroup({ ...short, kickMs: 400 });
  const bus = cuttable(group.hub.openBus());
  const one = stack.use(await group.open("one", { ...options, bus }));
  const two = stack.use(await group.open("two", options));
  await others(one, 2);
  await others(two, 2);
  const here = operate(two.clients("token-alice"), "memory");
  const there = operate(one.clients("token-alice"), "memory");
  const ids = [(await here.started()).session.id, (await there.started()).session.id];
  await until(async () => (await admin(two).sessions.listSessions({})).sessions.length === 2, "both are listed");
  const set = await admin(two).locks.setLock({ user: "alice", reason: "break-in", endSessions: true });
  expect(set).toMatchObject({ sessionsEnded: 2, sessionsUnreachable: 0, notEverywhere: false });
  for (const operator of [here, there])
    expect((await operator.ended()).cause).toMatchObject({ kind: "kicked", by: "ada", reason: "break-in" });
  const eventsOf = (event: string) =>
    noted(two).flatMap((line) => (line.event === event && line.who === "ada" ? [line.session] : []));
  expect(eventsOf("kick-requested").sort()).toEqual(ids.toSorted());
  expect(eventsOf("kick-confirmed").sort()).toEqual(ids.toSorted());

  await admin(two).locks.liftLock({ id: set.lock?.id ?? "" });
  await using left = operate(one.clients("token-alice"), "memory");
  const last = (await left.started()).session.id;
  await until(async () => (await admin(two).sessions.listSessions({})).sessions.length === 1, "it is listed");
  await bus.cut();
  const deaf = await admin(two).locks.setLock({ user: "alice", reason: "again", endSessions: true });
  expect(deaf).toMatchObject({ sessionsEnded: 0, sessionsUnreachable: 1 });
  expect(eventsOf("kick-unconfirmed")).toEqual([last]);
  await bus.mend();
  expect((await left.ended()).cause).toMatchObject({ kind: "kicked", by: "ada", reason: "again" });
});

test("a node that is cut off applies the locks it knew, says where its own do not hold, and makes up for it later", async () => {
  const group = createTestGroup(short);
  const bus = cuttable(group.hub.openBus());
  const one = stack.use(await group.open("one", { ...options, bus }));
  const two = stack.use(await group.open("two", options));
  await others(one, 2);
  await others(two, 2);
  await admin(two).locks.setLock({ user: "alice", reason: "known before" });
  await bus.cut();
  expect(await opens(one, "alice")).toBe("locked");
  const mine = await admin(one).locks.setLock({ target: "memory", reason: "set alone" });
  expect(mine.notEverywhere).toBe(true);
  expect(await opens(one, "alice")).toBe("locked");
  const [known] = (await admin(two).locks.listLocks({})).locks;
  await admin(two).locks.liftLock({ id: known?.id ?? "" });
  await bus.mend();
  await until(
    async () => (await admin(two).locks.listLocks({})).locks.some(({ reason }) => reason === "set alone"),
    "two knows",
  );
  await until(
    async () => !(await admin(one).locks.listLocks({})).locks.some(({ reason }) => reason === "known before"),
    "one knows that it was lifted",
  );
  expect((await admin(one).locks.listLocks({})).locks.map(({ reason }) => reason)).toEqual(["set alone"]);
  await admin(one).locks.liftLock({ id: mine.lock?.id ?? "" });
});

test("strict, a node that did not hear of the others' locks for too long lets no shell begin, and says why", async () => {
  const group = createTestGroup(short);
  const bus = cuttable(group.hub.openBus());
  const strict = { ...options, config: { locks: { strictSeconds: 0.5 } } };
  const one = stack.use(await group.open("one", { ...strict, bus }));
  const best = stack.use(await group.open("two", options));
  expect(await opens(one, "alice")).toBe("open");
  await bus.cut();
  await until(async () => (await opens(one, "alice")) === "locks-unknown", "it was not heard of for half a second");
  expect((await admin(one).locks.listLocks({})).stale).toBe(true);
  expect(await opens(best, "alice")).toBe("open");
  await bus.mend();
  await until(async () => (await opens(one, "alice")) === "open", "it is heard again");
});

test("a session is frozen through another node, its watchers there are told, and it is given back from there", async () => {
  const group = createTestGroup(short);
  const one = stack.use(await group.open("one", options));
  const two = stack.use(await group.open("two", options));
  const operator = operate(one.clients("token-alice"), "memory");
  const { session } = await operator.started();
  await until(async () => (await admin(two).sessions.listSessions({})).sessions.length === 1, "it is listed");
  await using watcher = watch(two.clients("token-carol"), session.id);
  await watcher.started();
  const { frozen } = await admin(two).sessions.freeze({ sessionId: session.id, reason: "look first" });
  expect(frozen).toMatchObject({ by: { name: "ada" }, reason: "look first" });
  await until(() => seesFrozen(operator) && seesFrozen(watcher), "both are told");
  await operator.type("nothing");
  await using late = watch(two.clients("token-carol"), session.id);
  expect((await late.started()).session.frozen).toMatchObject({ reason: "look first" });
  await until(
    async () => (await admin(two).sessions.listSessions({})).sessions[0]?.frozen?.reason === "look first",
    "the list of the other node says so",
  );
  await admin(two).sessions.unfreeze({ sessionId: session.id });
  await operator.type("heard");
  await operator.shows("heard");
  expect(memory.pty().typed().toString()).toBe("heard");
  operator.shell.hangUp();
  await operator.ended();
});
