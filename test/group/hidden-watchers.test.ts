/** Where the config hides watchers from operators, those of other nodes are hidden from them as those here. */
import { expect, test } from "vitest";
import { createMemoryTarget } from "../support/memory-target.ts";
import { createTestGroup } from "../support/test-group.ts";
import { until } from "../support/until.ts";
import { operate, watch } from "../support/viewing.ts";

const principals = { alice: ["operator"], carol: ["auditor"], root: ["admin"] } as const;

test.each([
  { visible: false, what: "an operator is not told of a watcher on another node, an admin is" },
  { visible: true, what: "an operator is told of a watcher on another node" },
])("$what", async ({ visible }) => {
  const group = createTestGroup({ leaseMs: 1500, renewMs: 500, heartbeatMs: 100, batchMs: 25 });
  const memory = createMemoryTarget();
  const options = { principals, config: { watching: { visible } } };
  await using one = await group.open("one", { ...options, targets: [memory.target], dial: memory.dial });
  await using two = await group.open("two", options);
  const listedFor = async (bastion: typeof one, who: string) => {
    const { sessions } = await bastion.clients(`token-${who}`).sessions.listSessions({});
    return sessions[0]?.attachments.map(({ principal }) => principal?.name) ?? [];
  };
  await using operator = operate(one.clients("token-alice"), "memory");
  const { session } = await operator.started();
  await until(async () => (await listedFor(two, "root")).length === 1, "the other node lists it");
  await using watcher = watch(two.clients("token-carol"), session.id);
  await watcher.started();
  await until(async () => (await listedFor(one, "root")).includes("carol"), "the holder knows of the watcher");
  await until(async () => (await listedFor(two, "root")).includes("carol"), "so does every other node");
  expect((await listedFor(one, "alice")).includes("carol")).toBe(visible);
  expect((await listedFor(two, "alice")).includes("carol")).toBe(visible);
  await memory.pty().print("done");
  await operator.shows("done");
  expect(operator.events.some((event) => event.kind === "joined")).toBe(visible);
  memory.pty().exit({ kind: "exited", code: 0 });
  await Promise.all([operator.ended(), watcher.ended()]);
});
