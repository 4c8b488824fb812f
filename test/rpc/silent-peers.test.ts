import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { expect, it } from "vitest";
import type { ClientOrder } from "../support/client-process.ts";
import { createPartlyHeldClock } from "../support/held-clock.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { openTestBastion, type TestBastion } from "../support/test-bastion.ts";
import { until } from "../support/until.ts";
import { operate } from "../support/viewing.ts";

const pingMs = 15_000;
const program = new URL("../support/client-process.ts", import.meta.url);

async function attached(bastion: TestBastion, what: Omit<ClientOrder, "url" | "token">): Promise<ChildProcess> {
  const child = fork(program);
  child.send({ url: bastion.url, token: bastion.token, ...what } satisfies ClientOrder);
  await once(child, "message");
  return child;
}

async function gone(child: ChildProcess): Promise<void> {
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

it("an operator whose machine froze is noticed, and his shell is kept for him", async () => {
  const memory = createMemoryTarget();
  const clock = createPartlyHeldClock(pingMs);
  await using bastion = await openTestBastion({
    ...{ targets: [memory.target], dial: memory.dial, limits: { pingMs }, clock },
  });
  const child = await attached(bastion, { target: "memory" });
  await using _child = { [Symbol.asyncDispose]: () => gone(child) };
  child.kill("SIGSTOP");
  const session = await until(() => {
    clock.pass(pingMs);
    return bastion.registry.list().find(({ state }) => state === "detached");
  }, "he is away");
  expect(memory.pty().hungUp()).toBe(false);
  await bastion.clients().sessions.kick({ sessionId: session.id, reason: "the test is over" });
});

it("a watcher whose machine froze is noticed, and neither slows nor survives it", async () => {
  const memory = createMemoryTarget();
  const clock = createPartlyHeldClock(pingMs);
  await using bastion = await openTestBastion({
    ...{ targets: [memory.target], dial: memory.dial, limits: { pingMs }, clock },
  });
  const clients = bastion.clients();
  await using operator = operate(clients, "memory");
  const { session } = await operator.started();
  const child = await attached(bastion, { sessionId: session.id });
  await using _child = { [Symbol.asyncDispose]: () => gone(child) };
  expect(bastion.registry.list()[0]?.attachments).toHaveLength(2);
  child.kill("SIGSTOP");
  for (let line = 0; line < 200; line += 1) await memory.pty().print(`${"x".repeat(10_000)}\r\n`);
  await operator.shows("x\r\n");
  await until(async () => {
    clock.pass(pingMs);
    // On the operator's own connection: the first brings him the ping, the second comes behind his answer to it.
    for (let call = 0; call < 2; call += 1) await clients.access.whoAmI({});
    return bastion.registry.list()[0]?.attachments.length === 1;
  }, "the watcher is gone");
  await until(() => operator.bytes().length === 200 * 10_002, "every byte arrived");
  operator.shell.hangUp();
  await operator.ended();
});

it("a kick does not wait for a watcher who froze, and does not count him as told", async () => {
  const memory = createMemoryTarget();
  await using bastion = await openTestBastion({ targets: [memory.target], dial: memory.dial });
  await using operator = operate(bastion.clients(), "memory");
  const { session } = await operator.started();
  const child = await attached(bastion, { sessionId: session.id });
  await using _child = { [Symbol.asyncDispose]: () => gone(child) };
  child.kill("SIGSTOP");
  for (let line = 0; line < 400; line += 1) await memory.pty().print(new Uint8Array(32_768).fill(0x61));
  const answer = await bastion.clients().sessions.kick({ sessionId: session.id, reason: "out" });
  expect(answer).toMatchObject({ outcome: 1, watchersTold: 0 });
  expect((await operator.ended()).cause).toMatchObject({ kind: "kicked" });
});
