/** Every node lists the sessions of all nodes. */
import { expect, test } from "vitest";
import { createMemoryTarget } from "../support/memory-target.ts";
import { createTestGroup } from "../support/test-group.ts";
import { until } from "../support/until.ts";
import { operate } from "../support/viewing.ts";

test("a session is on the list of every node", async () => {
  const group = createTestGroup();
  const memory = createMemoryTarget();
  await using one = await group.open("one", { targets: [memory.target], dial: memory.dial });
  await using two = await group.open("two");
  await using operator = operate(one.clients(), "memory");
  const { session } = await operator.started();
  expect(session.id).toMatch(/^one\.[a-z0-9]{6}-[A-Za-z0-9]{12}$/);
  const listed = await until(async () => {
    const { sessions } = await two.clients().sessions.listSessions({});
    return sessions.find(({ id }) => id === session.id);
  }, "the other node lists it");
  expect(listed).toMatchObject({ node: "one", target: "memory", unreachable: false });
  memory.pty().exit({ kind: "exited", code: 0 });
  await operator.ended();
  await until(async () => (await two.clients().sessions.listSessions({})).sessions.length === 0, "it is off the list");
});
