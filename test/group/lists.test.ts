/** Every node lists the sessions of all nodes, and none for ever that its node does not speak of. */
import { expect, test } from "vitest";
import type { SessionInfo } from "../../proto/client/index.ts";
import { endCause, SessionState } from "../../proto/client/index.ts";
import { cuttable } from "../support/cuttable-bus.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import type { TestBastion } from "../support/test-bastion.ts";
import { createTestGroup } from "../support/test-group.ts";
import { until } from "../support/until.ts";
import { operate } from "../support/viewing.ts";

const short = { leaseMs: 1500, renewMs: 500, heartbeatMs: 100, batchMs: 25 };

/** A live list as its reader has it. */
function follow(bastion: TestBastion, token?: string) {
  const life = new AbortController();
  const sessions = new Map<string, SessionInfo>();
  const ended = new Map<string, SessionInfo>();
  let snapshot = false;
  const over = (async () => {
    for await (const { event } of bastion.clients(token).sessions.watchSessions({}, { signal: life.signal })) {
      if (event.case === "snapshot") {
        snapshot = true;
        for (const each of event.value.sessions) sessions.set(each.id, each);
      }
      if (event.case !== "changed") continue;
      if (event.value.state === SessionState.ENDED) {
        sessions.delete(event.value.id);
        ended.set(event.value.id, event.value);
      } else sessions.set(event.value.id, event.value);
    }
  })().catch(() => {});
  return {
    ...{ sessions, ended },
    ready: () => until(() => snapshot, "the list is there"),
    shows: (what: string, is: (session: SessionInfo) => boolean) =>
      until(() => [...sessions.values()].find(is), `the list shows ${what}`),
    [Symbol.asyncDispose]: async () => {
      life.abort();
      await over;
    },
  };
}

test("a session is on the list of every node, with all that its own node says of it", async () => {
  const group = createTestGroup(short);
  const memory = createMemoryTarget();
  await using one = await group.open("one", { targets: [memory.target], dial: memory.dial });
  await using two = await group.open("two");
  await using list = follow(two);
  await list.ready();
  await using operator = operate(one.clients(), "memory");
  const { session } = await operator.started();
  expect(session.id).toMatch(/^one\.[a-z0-9]{12}-[A-Za-z0-9]{12}$/);
  await list.shows("it", ({ id, node, unreachable }) => id === session.id && node === "one" && !unreachable);
  const { sessions } = await two.clients().sessions.listSessions({});
  expect(sessions.map(({ id }) => id)).toEqual([session.id]);
  await memory.pty().print("hello");
  await list.shows("its output", ({ outputBytes }) => outputBytes === 5n);
  operator.shell.resize({ cols: 100, rows: 30 });
  await list.shows("its size", ({ size }) => size?.cols === 100);
  memory.pty().exit({ kind: "exited", code: 7 });
  await operator.ended();
  const { ended } = await until(() => list.ended.get(session.id), "its end is told");
  expect(ended && endCause(ended)).toEqual({ kind: "exited", code: 7 });
  expect((await two.clients().sessions.listSessions({})).sessions).toEqual([]);
});

test("a list that nobody follows is read from what the nodes wrote", async () => {
  const group = createTestGroup(short);
  const memory = createMemoryTarget();
  await using one = await group.open("one", { targets: [memory.target], dial: memory.dial });
  await using two = await group.open("two");
  await using operator = operate(one.clients(), "memory");
  const { session } = await operator.started();
  await until(async () => {
    const { sessions } = await two.clients().sessions.listSessions({});
    return sessions.some(({ id, unreachable }) => id === session.id && !unreachable);
  }, "the other node lists it");
  memory.pty().exit({ kind: "exited", code: 0 });
  await operator.ended();
  await until(async () => (await two.clients().sessions.listSessions({})).sessions.length === 0, "it is off the list");
});

test("nobody sees on another node what he may not see", async () => {
  const group = createTestGroup(short);
  const memory = createMemoryTarget();
  const principals = { alice: ["operator"], bob: ["operator"], audrey: ["auditor"] } as const;
  await using one = await group.open("one", { targets: [memory.target], dial: memory.dial, principals });
  await using two = await group.open("two", { principals });
  await using operator = operate(one.clients("token-alice"), "memory");
  const { session } = await operator.started();
  const listed = async (token: string) => (await two.clients(token).sessions.listSessions({})).sessions;
  await until(async () => (await listed("token-audrey")).length === 1, "an auditor sees it");
  expect(await listed("token-alice")).toHaveLength(1);
  expect(await listed("token-bob")).toEqual([]);
  const kick = (token: string, sessionId: string) =>
    two
      .clients(token)
      .sessions.kick({ sessionId, reason: "no" })
      .then(
        () => "done",
        (error) => String(error),
      );
  const foreign = await kick("token-bob", session.id);
  expect(foreign).toContain("no such session");
  expect(await kick("token-bob", `${session.id.slice(0, -12)}AAAAAAAAAAAA`)).toBe(foreign);
  expect(await kick("token-audrey", session.id)).toContain("may not");
  memory.pty().exit({ kind: "exited", code: 0 });
  await operator.ended();
});

test("a node that falls silent is flagged within four signs of life, and not before three", async () => {
  const group = createTestGroup(short);
  const memory = createMemoryTarget();
  const bus = cuttable(group.hub.openBus());
  await using two = await group.open("two");
  await using one = await group.open("one", { bus, targets: [memory.target], dial: memory.dial });
  await using operator = operate(one.clients(), "memory");
  const { session } = await operator.started();
  await using list = follow(two);
  await list.shows("it", ({ id, unreachable }) => id === session.id && !unreachable);
  const cutAtMs = performance.now();
  await bus.cut();
  await list.shows("that nobody hears it", ({ id, unreachable }) => id === session.id && unreachable);
  expect(performance.now() - cutAtMs).toBeLessThan(4 * short.heartbeatMs + 150);
  const { sessions } = await two.clients().sessions.listSessions({});
  expect(sessions.map(({ unreachable }) => unreachable)).toEqual([true]);
  memory.pty().exit({ kind: "exited", code: 0 });
  await operator.ended();
});
