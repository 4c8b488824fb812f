/** An operator who comes back through another node than the one that holds his shell. */
import { expect, test } from "vitest";
import { towards } from "../../proto/client/elsewhere.ts";
import { type Clients, faultOf } from "../../proto/client/index.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { freePort } from "../support/sshd.ts";
import { createTestGroup } from "../support/test-group.ts";
import { until } from "../support/until.ts";
import { operate } from "../support/viewing.ts";

async function openPair(address: (port: number) => string) {
  const group = createTestGroup({ renewMs: 500, heartbeatMs: 100, batchMs: 25 });
  const memory = createMemoryTarget({ echo: true });
  const port = await freePort();
  await using opening = new AsyncDisposableStack();
  const one = opening.use(
    await group.open("one", {
      ...{ targets: [memory.target], dial: memory.dial, principals: { alice: ["operator"], bob: ["operator"] } },
      config: { listen: { host: "127.0.0.1", port, names: [] }, group: { address: address(port) } },
    }),
  );
  const two = opening.use(await group.open("two", { principals: { alice: ["operator"], bob: ["operator"] } }));
  const shell = operate(one.clients("token-alice"), "memory");
  const { session } = await shell.started();
  await shell.type("before ");
  await shell.shows("before ");
  await until(async () => {
    const { sessions } = await two.clients("token-alice").sessions.listSessions({});
    return sessions.length === 1;
  }, "the other node lists it");
  await shell[Symbol.asyncDispose]();
  const held = opening.move();
  return { ...{ one, two, memory, session, port }, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

test("he is told where it is, and his client goes on there", async () => {
  await using pair = await openPair((port) => `http://127.0.0.1:${port}`);
  const { one, two, session } = pair;
  const asked: string[] = [];
  const follow = (address: string) => {
    asked.push(address);
    return one.clients("token-alice").sessions;
  };
  await using again = operate(two.clients("token-alice"), "memory", { sessionId: session.id, follow });
  await again.started();
  await again.type("after");
  await again.shows("before");
  await again.shows("after");
  expect(asked).toEqual([`http://127.0.0.1:${pair.port}`]);
  again.shell.hangUp();
  await again.ended();
});

test("without a way to follow the fault names the node and its address", async () => {
  await using pair = await openPair((port) => `http://127.0.0.1:${port}`);
  const { two, session } = pair;
  await using again = operate(two.clients("token-alice"), "memory", { sessionId: session.id });
  const fault = faultOf(
    await again.over.then(
      () => undefined,
      (error) => error,
    ),
  );
  expect(fault).toMatchObject({ word: "not-here", address: `http://127.0.0.1:${pair.port}` });
  expect(fault.message).toContain("the node one");
  // Whose it is not learns nothing.
  await using foreign = operate(two.clients("token-bob"), "memory", { sessionId: session.id });
  expect(
    faultOf(
      await foreign.over.then(
        () => undefined,
        (error) => error,
      ),
    ).word,
  ).toBe("not-found");
  pair.memory.pty().exit({ kind: "exited", code: 0 });
});

test("behind a balancer that leads elsewhere each time he knocks until it leads there", async () => {
  await using pair = await openPair(() => "http://127.0.0.1:1");
  const { one, two, session } = pair;
  const nodes = [two, two, two, one].map((node) => node.clients("token-alice").sessions);
  let calls = 0;
  const sessions: Clients["sessions"] = {
    ...two.clients().sessions,
    shell: (...call) => (nodes[calls++] ?? two.clients().sessions).shell(...call),
  };
  const balanced = { ...two.clients("token-alice"), sessions };
  await using again = operate(balanced, "memory", { sessionId: session.id, knocks: 3 });
  await again.started();
  expect(calls).toBe(4);
  again.shell.hangUp();
  await again.ended();
});

test("calls for a session name its node, for balancers that can tell them apart", () => {
  expect(towards("web1.k3f9x2ab4cd5-AbCdEfGhIjKl")).toEqual({ "bartizan-node": "web1" });
  expect(towards("web1-AbCdEfGhIjKl")).toEqual({});
  expect(towards(undefined)).toEqual({});
});
