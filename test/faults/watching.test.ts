/** A session is watched on another node while its Redis misbehaves: at the end the watcher has the operator's screen. */
import { afterEach, beforeEach, expect, it } from "vitest";
import {
  createFaultRig,
  type EchoProbe,
  end,
  exactly,
  type FaultRig,
  type Flow,
  faultTargets,
  lists,
  screenOf,
  slowly,
  startEcho,
  startFlow,
} from "../support/fault-rig.ts";
import { openRedis, type RedisServer } from "../support/redis.ts";
import type { TestBastion } from "../support/test-bastion.ts";
import { until } from "../support/until.ts";
import { type OperatorViewing, operate, type Viewing, watch } from "../support/viewing.ts";

let redis: RedisServer;
let rig: FaultRig;
let a: TestBastion;
let b: TestBastion;
let echo: EchoProbe;
let operator: OperatorViewing;
let id: string;
let targets: ReturnType<typeof faultTargets>;
let stack: AsyncDisposableStack;

beforeEach(async () => {
  await using opening = new AsyncDisposableStack();
  redis = opening.use(await openRedis());
  rig = opening.use(createFaultRig({ url: redis.url }));
  targets = faultTargets();
  const metrics = { listen: "127.0.0.1:0", allowWide: false };
  a = opening.use(await rig.open("a", { ...targets.options, config: { metrics } }));
  b = opening.use(await rig.open("b"));
  echo = opening.use(await startEcho(a));
  operator = operate(a.clients(), "flow");
  ({
    session: { id },
  } = await operator.started());
  opening.defer(() => end(operator));
  await lists(b, id);
  stack = opening.move();
});
afterEach(() => stack?.disposeAsync());

/** Watches on b, and has the first screen. */
async function watched(): Promise<Viewing> {
  const viewing = stack.use(watch(b.clients(), id));
  await viewing.started();
  await until(() => viewing.events.some(({ kind }) => kind === "key-frame"), "the first screen is there");
  return viewing;
}

const goesOn = (flow: Flow, lines: number) => {
  const from = flow.lines;
  return until(() => flow.lines >= from + lines, "the shell goes on printing");
};

/** The flow ends, the watcher is where the operator is, and the operator noticed nothing. */
async function same(flow: Flow, ...viewings: Viewing[]): Promise<void> {
  const screen = await flow.finish();
  for (const viewing of viewings) await until(() => screenOf(viewing) === screen, "the screens are the same");
  await echo.fine();
}

it("F1: the listening connections are cut once: no line is missing, and no key frame was needed", async () => {
  const viewing = await watched();
  const flow = startFlow(targets.pty());
  await goesOn(flow, 50);
  await redis.cli("client", "kill", "type", "pubsub");
  await goesOn(flow, 200);
  await same(flow, viewing);
  expect(exactly(viewing).keyFrames).toBe(1);
});

it("F2: they are cut ten times in a second: no line is missing or doubled", async () => {
  const viewing = await watched();
  const flow = startFlow(targets.pty());
  await goesOn(flow, 20);
  for (let times = 0; times < 10; times += 1) {
    await redis.cli("client", "kill", "type", "pubsub");
    await goesOn(flow, 15);
  }
  await goesOn(flow, 100);
  await same(flow, viewing);
  exactly(viewing);
});

it("F3: the publishing connections are cut: what could not be published is made up for", async () => {
  const viewing = await watched();
  const flow = startFlow(targets.pty());
  await goesOn(flow, 50);
  await redis.cli("client", "kill", "type", "normal");
  await goesOn(flow, 300);
  await same(flow, viewing);
  await lists(b, id);
});

it("F4: Redis is away for half a second and comes back empty: the watcher goes on where he was", async () => {
  const viewing = await watched();
  const flow = startFlow(targets.pty());
  await goesOn(flow, 50);
  await redis.stop();
  await goesOn(flow, 80);
  await redis.start();
  await goesOn(flow, 200);
  await same(flow, viewing);
});

slowly(
  "F7: Redis hangs for 5 s: the watcher is told within 2.1 s, and then has the screen of that moment",
  async () => {
    const viewing = await watched();
    const flow = startFlow(targets.pty());
    await goesOn(flow, 50);
    redis.freeze();
    const start = performance.now();
    try {
      await until(() => viewing.events.some(({ kind }) => kind === "reach"), "he is told");
      expect(performance.now() - start).toBeLessThan(2600);
      await until(() => performance.now() - start > 5000, "it hangs for 5 s");
    } finally {
      redis.thaw();
    }
    await goesOn(flow, 200);
    await same(flow, viewing);
  },
);

it("F8: Redis stands still for 0.7 s: nothing is missing; for 3 s: one reconnect, and all is right again", async () => {
  const viewing = await watched();
  const flow = startFlow(targets.pty());
  await goesOn(flow, 20);
  await redis.cli("debug", "sleep", "0.7");
  await goesOn(flow, 100);
  expect(exactly(viewing).keyFrames).toBe(1);
  await redis.cli("debug", "sleep", "3");
  await goesOn(flow, 200);
  await same(flow, viewing);
});

slowly.each(["write", "all"])(
  "F9: Redis pauses its clients (%s): the watcher has the right screen afterwards",
  async (what) => {
    const viewing = await watched();
    const flow = startFlow(targets.pty());
    await goesOn(flow, 20);
    await redis.cli("client", "pause", 3000, what);
    await goesOn(flow, 700);
    await same(flow, viewing);
  },
);

slowly("F22: Redis forgets everything: no watcher notices, and the list is whole again within 6 s", async () => {
  const viewing = await watched();
  const flow = startFlow(targets.pty());
  await goesOn(flow, 20);
  await redis.cli("flushall");
  await lists(b, id, false, 6000);
  const late = stack.use(await rig.open("late"));
  await lists(late, id, false, 6500);
  await goesOn(flow, 100);
  await same(flow, viewing);
  expect(exactly(viewing).keyFrames).toBe(1);
});

it("F29: an 8 MB burst through a Redis that takes no large message: the screen is right", async () => {
  await redis.cli("config", "set", "proto-max-bulk-len", "1mb");
  const viewing = await watched();
  const flow = startFlow(targets.pty());
  const line = `${"x".repeat(78)}\r\n`;
  for (let count = 0; count < 128; count += 1) await targets.pty().print(line.repeat(819));
  await goesOn(flow, 50);
  await same(flow, viewing);
});

slowly("F30: Redis is busy: output goes in larger pieces, and the screen is right", async () => {
  await redis.cli("debug", "populate", 200_000);
  const viewing = await watched();
  const flow = startFlow(targets.pty());
  const start = performance.now();
  while (performance.now() - start < 3000) {
    await redis.cli("debug", "sleep", "0.05");
    await redis.cli("eval", "return #redis.call('keys', '*')", 0);
  }
  await same(flow, viewing);
});

it("F33: only the last piece before a silence is lost: the holder's next sign of life brings it", async () => {
  const { node, bus } = await rig.openFaulty("deaf");
  stack.use(node);
  await lists(node, id);
  const viewing = stack.use(watch(node.clients(), id, { reconnect: true }));
  await until(() => viewing.events.some(({ kind }) => kind === "key-frame"), "the first screen is there");
  const flow = startFlow(targets.pty());
  await goesOn(flow, 30);
  const screen = await flow.finish();
  await until(() => screenOf(viewing) === screen, "the screens are the same");
  bus.incoming = (channel) => (channel.endsWith(":o") ? "drop" : "pass");
  await targets.pty().print("never heard");
  await until(() => screenOf(operator).includes("never heard"), "the operator sees it");
  bus.incoming = () => "pass";
  const start = performance.now();
  await viewing.shows("never heard");
  expect(performance.now() - start).toBeLessThan(2500);
  expect(screenOf(viewing)).toBe(screenOf(operator));
  await echo.fine();
});

it("F34: 100 watchers join one session in a second: they share key frames", async () => {
  const flow = startFlow(targets.pty());
  await goesOn(flow, 30);
  const clients = b.clients();
  const framesSent = async () => {
    const text = await (await fetch(a.metricsUrl ?? "")).text();
    return Number(/^bartizan_group_key_frames_sent_total (\d+)/m.exec(text)?.[1]);
  };
  const [beforeFrames, beforeMs] = [await framesSent(), performance.now()];
  const viewings = Array.from({ length: 100 }, () => stack.use(watch(clients, id)));
  for (const viewing of viewings) await viewing.started();
  await until(
    () => viewings.every(({ events }) => events.some(({ kind }) => kind === "key-frame")),
    "all have a screen",
  );
  const seconds = (performance.now() - beforeMs) / 1000;
  expect((await framesSent()) - beforeFrames).toBeLessThanOrEqual(1 + 4 * seconds);
  await goesOn(flow, 50);
  await same(flow, ...viewings);
});
