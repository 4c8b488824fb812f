/** A node that was killed and has started again: what clients of its former shells are told, and by whom. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { isLostCall } from "../../proto/client/faults.ts";
import { faultOf, KickOutcome } from "../../proto/client/index.ts";
import { createNodeId } from "../../server/group/names.ts";
import { createLog, type Log } from "../../server/log.ts";
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

test("a former run is listened to by nobody, however often it stands among the nodes, and logged by nobody", async () => {
  const group = createTestGroup(short);
  const { id } = killedRun("one");
  await using bus = group.hub.openBus();
  const logged: string[] = [];
  const info = (about: unknown) => logged.push(JSON.stringify(about));
  const log = { ...createLog("silent"), info, warn: info, error: info, debug: () => {} } as unknown as Log;
  await using two = await group.open("two", { log });
  await using _one = await group.open("one", { config: { data } });
  const life = new AbortController();
  const followed = two.clients().sessions.watchSessions({}, { signal: life.signal })[Symbol.asyncIterator]();
  await followed.next();
  for (let times = 0; times < 3; times += 1) {
    await bus.records.remember("bz:nodes", id, Date.now());
    await until(async () => !(await bus.records.remembered("bz:nodes")).has(id), "it is taken off");
  }
  expect(logged.filter((line) => line.includes(id))).toEqual([]);
  life.abort();
  await followed.next().catch(() => {});
});

test("a node that says good-bye is not among the nodes afterwards, whenever its next renewal was due", async () => {
  const group = createTestGroup({ ...short, renewMs: 5 });
  await using bus = group.hub.openBus();
  for (let times = 0; times < 5; times += 1) {
    const slow = group.hub.openBus();
    // As over a network: the renewal falls into the good-bye.
    const change = slow.records.change;
    const records = {
      ...slow.records,
      async change(...given: Parameters<typeof change>) {
        await new Promise((resolve) => setTimeout(resolve, 10));
        return await change(...given);
      },
    };
    const node = await group.open("one", {
      bus: { ...slow, records, [Symbol.asyncDispose]: () => slow[Symbol.asyncDispose]() },
    });
    await node[Symbol.asyncDispose]();
    expect([...(await bus.records.remembered("bz:nodes")).keys()]).toEqual([]);
  }
});
