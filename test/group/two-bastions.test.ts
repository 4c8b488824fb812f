/** Two whole servers in a group: who watches on the other one sees what the operator sees. */
import { expect, test } from "vitest";
import { KickOutcome } from "../../proto/client/index.ts";
import { cuttable } from "../support/cuttable-bus.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { createTestGroup } from "../support/test-group.ts";
import { until } from "../support/until.ts";
import { operate, watch } from "../support/viewing.ts";

const short = { leaseMs: 1500, renewMs: 500, heartbeatMs: 100, batchMs: 25 };

test("a watcher on another node sees the screen of this moment, then what comes, and how it ends", async () => {
  const group = createTestGroup(short);
  const memory = createMemoryTarget();
  await using one = await group.open("one", { targets: [memory.target], dial: memory.dial });
  await using two = await group.open("two");
  await using operator = operate(one.clients(), "memory");
  const { session } = await operator.started();
  await memory.pty().print("before");
  await operator.shows("before");
  await using watcher = await until(async () => {
    const listed = await two.clients().sessions.listSessions({});
    return listed.sessions.length === 1 && watch(two.clients(), session.id);
  }, "the other node lists it");
  await watcher.shows("before");
  await memory.pty().print(" after");
  await watcher.shows("after");
  const joined = await until(
    () => operator.events.find((event) => event.kind === "joined"),
    "the operator is told who watches",
  );
  expect(joined).toMatchObject({ role: "watcher" });
  const answer = await two.clients().sessions.kick({ sessionId: session.id, reason: "freeze" });
  expect(answer).toMatchObject({ outcome: KickOutcome.ENDED, watchersTold: 1 });
  expect((await watcher.ended()).cause).toMatchObject({ kind: "kicked", reason: "freeze" });
  expect((await operator.ended()).cause).toMatchObject({ kind: "kicked", reason: "freeze" });
});

test("one watcher is taken off from the node of another", async () => {
  const group = createTestGroup(short);
  const memory = createMemoryTarget();
  await using one = await group.open("one", { targets: [memory.target], dial: memory.dial });
  await using two = await group.open("two");
  await using three = await group.open("three");
  await using operator = operate(one.clients(), "memory");
  const { session } = await operator.started();
  await until(async () => (await two.clients().sessions.listSessions({})).sessions.length === 1, "it is listed");
  await using watcher = watch(two.clients(), session.id);
  const { attachmentId } = await watcher.started();
  await until(async () => {
    const { sessions } = await three.clients().sessions.listSessions({});
    return sessions[0]?.attachments.some(({ id }) => id === attachmentId);
  }, "a third node knows who watches");
  const answer = await three.clients().sessions.kick({ sessionId: session.id, attachmentId, reason: "wrong room" });
  expect(answer).toMatchObject({ outcome: KickOutcome.ENDED, watchersTold: 1 });
  expect((await watcher.ended()).cause).toMatchObject({ kind: "kicked", reason: "wrong room" });
  memory.pty().exit({ kind: "exited", code: 0 });
  expect((await operator.ended()).cause).toEqual({ kind: "exited", code: 0 });
});

test("a watcher is told when the holder falls silent, and goes on when it is heard again", async () => {
  const group = createTestGroup(short);
  const memory = createMemoryTarget();
  const bus = cuttable(group.hub.openBus());
  await using one = await group.open("one", { bus, targets: [memory.target], dial: memory.dial });
  await using two = await group.open("two");
  await using operator = operate(one.clients(), "memory");
  const { session } = await operator.started();
  await until(async () => (await two.clients().sessions.listSessions({})).sessions.length === 1, "it is listed");
  await using watcher = watch(two.clients(), session.id);
  await watcher.started();
  await bus.cut();
  const reached = (reach: string) =>
    until(() => watcher.events.some((event) => event.kind === "reach" && event.reach === reach), reach);
  await reached("unreachable");
  await memory.pty().print("meanwhile");
  await operator.shows("meanwhile");
  await bus.mend();
  await reached("live");
  await watcher.shows("meanwhile");
  memory.pty().exit({ kind: "exited", code: 0 });
  await watcher.ended();
  await operator.ended();
});
