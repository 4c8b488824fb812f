/** A node that was killed and has started again: what clients of its former shells are told, and by whom. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { isLostCall } from "../../proto/client/faults.ts";
import { faultOf, KickOutcome } from "../../proto/client/index.ts";
import { createNodeId } from "../../server/group/names.ts";
import { cuttable } from "../support/cuttable-bus.ts";
import type { TestBastion } from "../support/test-bastion.ts";
import { createTestGroup } from "../support/test-group.ts";
import { until } from "../support/until.ts";
import { operate, watch } from "../support/viewing.ts";

const short = { leaseMs: 1500, renewMs: 300, heartbeatMs: 100, batchMs: 25, kickMs: 300 };
let data: string;
beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), "bartizan-restarts-"));
});
afterEach(() => rmSync(data, { recursive: true, force: true }));

/** A run of that node that was killed: its id stands in the data folder, and nobody has said good-bye. */
function killedRun(node: string) {
  const id = createNodeId(node);
  writeFileSync(join(data, "group-runs"), `${id}\n`);
  return { id, sessionId: `${id}-AAAAAAAAAAAA` };
}

const answerOf = (over: Promise<void>) =>
  over.then(
    () => undefined,
    (error: unknown) => ({ ...faultOf(error), again: isLostCall(error) }),
  );
async function answers(node: TestBastion, sessionId: string, token = "token-alice") {
  await using operator = operate(node.clients(token), "memory", { sessionId, reconnect: true });
  await using watcher = watch(node.clients(token), sessionId, { reconnect: true });
  return await Promise.all([operator.over, watcher.over].map(answerOf));
}

const over = {
  ...{ word: "not-found", again: false },
  message: expect.stringContaining("the node one has stopped since"),
};

test("who comes back to a shell of a node that has started again is told that it is over, on every node", async () => {
  const group = createTestGroup(short);
  const principals = { alice: ["operator"], bob: ["operator"] } as const;
  await using two = await group.open("two", { principals });
  const { id, sessionId } = killedRun("one");
  await using one = await group.open("one", { principals, config: { data } });
  for (const node of [one, two])
    expect(await answers(node, sessionId)).toEqual([expect.objectContaining(over), expect.objectContaining(over)]);
  // Whosever it was, and whether there was one at all: everybody hears the same.
  expect(await answers(two, sessionId, "token-bob")).toEqual(await answers(two, `${id}-BBBBBBBBBBBB`));
  const { outcome } = await two.clients().sessions.kick({ sessionId, reason: "late" });
  expect(outcome).toBe(KickOutcome.ALREADY_ENDED);
});

test("the restarted node itself says so also without its bus", async () => {
  const group = createTestGroup(short);
  const bus = cuttable(group.hub.openBus());
  const { sessionId } = killedRun("one");
  await using one = await group.open("one", { bus, principals: { alice: ["operator"] }, config: { data } });
  await bus.cut();
  expect(await answers(one, sessionId)).toEqual([expect.objectContaining(over), expect.objectContaining(over)]);
  await bus.mend();
});

test("a node is over for good: its former run is on no roll, and nobody listens to it again", async () => {
  const group = createTestGroup(short);
  const { id } = killedRun("one");
  await using bus = group.hub.openBus();
  await bus.records.remember("bz:nodes", id, Date.now());
  await using two = await group.open("two");
  await using _one = await group.open("one", { config: { data } });
  // Somebody puts it there again.
  await bus.records.remember("bz:nodes", id, Date.now());
  await two.clients().sessions.listSessions({});
  await until(async () => !(await bus.records.remembered("bz:nodes")).has(id), "it is taken off");
});
