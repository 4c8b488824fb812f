/** A kick of a session elsewhere: what it answers is true, and what was ordered is done as soon as it can be. */
import { expect, test } from "vitest";
import { endCause, KickOutcome } from "../../proto/client/index.ts";
import { cuttable } from "../support/cuttable-bus.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import type { TestBastion } from "../support/test-bastion.ts";
import { createTestGroup } from "../support/test-group.ts";
import { until } from "../support/until.ts";
import { operate, watch } from "../support/viewing.ts";

const short = { leaseMs: 1500, renewMs: 500, heartbeatMs: 100, batchMs: 25 };

const listed = (bastion: TestBastion, id: string) =>
  until(async () => {
    const { sessions } = await bastion.clients().sessions.listSessions({});
    return sessions.some((each) => each.id === id);
  }, "it is listed");

test("a kick ends a session on another node, and answers when its channel is closed", async () => {
  const group = createTestGroup(short);
  const memory = createMemoryTarget();
  await using one = await group.open("one", { targets: [memory.target], dial: memory.dial });
  await using two = await group.open("two");
  await using operator = operate(one.clients(), "memory");
  const { session } = await operator.started();
  await listed(two, session.id);
  const request = { sessionId: session.id, reason: "freeze", idempotencyId: "a" };
  const answer = await two.clients().sessions.kick(request);
  expect(answer.outcome).toBe(KickOutcome.ENDED);
  expect(answer.ended && endCause(answer.ended)).toMatchObject({ kind: "kicked", reason: "freeze" });
  expect(memory.pty().hungUp()).toBe(true);
  expect((await operator.ended()).cause).toMatchObject({ kind: "kicked", reason: "freeze" });
  // The same id again, through the same node and through another: the same answer.
  expect((await two.clients().sessions.kick(request)).outcome).toBe(KickOutcome.ENDED);
  await using three = await group.open("three");
  expect((await three.clients().sessions.kick(request)).outcome).toBe(KickOutcome.ENDED);
  const other = await three.clients().sessions.kick({ ...request, idempotencyId: "b" });
  expect(other.outcome).toBe(KickOutcome.ALREADY_ENDED);
  expect(other.ended && endCause(other.ended)).toMatchObject({ kind: "kicked", reason: "freeze" });
});

test("an idempotency id that another node took for another session ends this one all the same", async () => {
  const group = createTestGroup(short);
  const memory = createMemoryTarget();
  await using one = await group.open("one", { targets: [memory.target], dial: memory.dial });
  await using two = await group.open("two");
  await using three = await group.open("three");
  await using operator = operate(one.clients(), "memory");
  const { session: first } = await operator.started();
  await using another = operate(one.clients(), "memory");
  const { session: second } = await another.started();
  await listed(two, first.id);
  await listed(three, second.id);
  const kick = (from: TestBastion, sessionId: string) =>
    from.clients().sessions.kick({ sessionId, reason: "freeze", idempotencyId: "a" });
  expect((await kick(two, first.id)).outcome).toBe(KickOutcome.ENDED);
  expect((await kick(three, second.id)).outcome).toBe(KickOutcome.ENDED);
  expect((await operator.ended()).cause).toMatchObject({ kind: "kicked" });
  expect((await another.ended()).cause).toMatchObject({ kind: "kicked" });
});

test("two kicks at once from two nodes end it once: one ended it, to the other it had ended", async () => {
  const group = createTestGroup(short);
  const memory = createMemoryTarget();
  await using one = await group.open("one", { targets: [memory.target], dial: memory.dial });
  await using two = await group.open("two");
  await using three = await group.open("three");
  await using operator = operate(one.clients(), "memory");
  const { session } = await operator.started();
  await listed(two, session.id);
  await listed(three, session.id);
  const kick = (from: TestBastion, reason: string) => from.clients().sessions.kick({ sessionId: session.id, reason });
  const answers = await Promise.all([kick(two, "from two"), kick(three, "from three")]);
  expect(answers.map(({ outcome }) => outcome).sort()).toEqual([KickOutcome.ENDED, KickOutcome.ALREADY_ENDED]);
  await operator.ended();
});

test("a kick of a session that ended by itself says how", async () => {
  const group = createTestGroup(short);
  const memory = createMemoryTarget();
  await using one = await group.open("one", { targets: [memory.target], dial: memory.dial });
  await using two = await group.open("two");
  await using operator = operate(one.clients(), "memory");
  const { session } = await operator.started();
  memory.pty().exit({ kind: "exited", code: 3 });
  await operator.ended();
  const answer = await until(async () => {
    const found = await two.clients().sessions.kick({ sessionId: session.id, reason: "late" });
    return found.outcome === KickOutcome.ALREADY_ENDED && found;
  }, "it is known to have ended");
  expect(answer.ended && endCause(answer.ended)).toEqual({ kind: "exited", code: 3 });
});

test("an order for a node that cannot be heard is left, and carried out when it is back", async () => {
  const group = createTestGroup({ ...short, kickMs: 400 });
  const memory = createMemoryTarget();
  const bus = cuttable(group.hub.openBus());
  await using one = await group.open("one", { bus, targets: [memory.target], dial: memory.dial });
  await using two = await group.open("two");
  await using operator = operate(one.clients(), "memory");
  const { session } = await operator.started();
  await listed(two, session.id);
  await bus.cut();
  const request = { sessionId: session.id, reason: "freeze", idempotencyId: "k" };
  const answer = await two.clients().sessions.kick(request);
  expect(answer).toMatchObject({ outcome: KickOutcome.UNREACHABLE, orderLeft: true });
  expect(memory.pty().hungUp()).toBe(false);
  await bus.mend();
  expect((await operator.ended()).cause).toMatchObject({ kind: "kicked", reason: "freeze" });
  // Asked again, it is known.
  await until(async () => (await two.clients().sessions.kick(request)).outcome === KickOutcome.ENDED, "it is known");
});

test("with its own bus down a node keeps the order, says so, and gives it when it is back", async () => {
  const group = createTestGroup({ ...short, kickMs: 400 });
  const memory = createMemoryTarget();
  const bus = cuttable(group.hub.openBus());
  await using one = await group.open("one", { targets: [memory.target], dial: memory.dial });
  await using two = await group.open("two", { bus });
  await using operator = operate(one.clients(), "memory");
  const { session } = await operator.started();
  await listed(two, session.id);
  await bus.cut();
  const request = { sessionId: session.id, reason: "freeze", idempotencyId: "k" };
  const answer = await two.clients().sessions.kick(request);
  expect(answer).toMatchObject({ outcome: KickOutcome.UNREACHABLE, orderLeft: false });
  await bus.mend();
  expect((await operator.ended()).cause).toMatchObject({ kind: "kicked", reason: "freeze" });
});

test("a session is watched and kicked from another node before any list has it", async () => {
  const group = createTestGroup({ ...short, batchMs: 60_000 });
  const memory = createMemoryTarget();
  await using one = await group.open("one", { targets: [memory.target], dial: memory.dial });
  await using two = await group.open("two");
  // The first goes out at once, the second with the next batch.
  await using first = operate(one.clients(), "memory");
  await first.started();
  await using operator = operate(one.clients(), "memory");
  const { session } = await operator.started();
  await using watcher = watch(two.clients(), session.id);
  await watcher.started();
  const answer = await two.clients().sessions.kick({ sessionId: session.id, reason: "freeze" });
  expect(answer).toMatchObject({ outcome: KickOutcome.ENDED, watchersTold: 1 });
  await operator.ended();
  await watcher.ended();
  first.shell.hangUp();
  await first.ended();
});
