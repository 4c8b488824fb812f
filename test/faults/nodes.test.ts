/** Nodes as processes that are killed or stand still, and waits of up to a minute. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { expect } from "vitest";
import { KickOutcome } from "../../proto/client/index.ts";
import { exactly, screenOf, slowly, startEcho } from "../support/fault-rig.ts";
import { openRedis } from "../support/redis.ts";
import { createServedGroup, type ServedNode } from "../support/served-node.ts";
import { openSshd } from "../support/sshd.ts";
import { until } from "../support/until.ts";
import { type OperatorViewing, operate, type Viewing, watch } from "../support/viewing.ts";

/** Three processes, a real Redis, a real sshd; a shell on a prints a numbered line every 5 ms, and b watches it. */
async function threeProcesses(lines = true) {
  await using opening = new AsyncDisposableStack();
  const sshd = opening.use(await openSshd());
  const redis = opening.use(await openRedis());
  const group = opening.use(createServedGroup(sshd, `{ url: "${redis.url}" }`));
  const [a, b, c] = await Promise.all([group.open("a"), group.open("b"), group.open("c")]);
  const operator = opening.use(operate(a.clients("alice"), "box", { reconnect: true }));
  const { session } = await operator.started();
  await operator.type("PS1=; stty -echo; echo READ''Y\n");
  await operator.shows("READY\r\n");
  await until(async () => (await sessionOn(b, session.id)) !== undefined, "b lists it");
  await until(async () => (await sessionOn(c, session.id)) !== undefined, "c lists it");
  const viewing = opening.use(watch(b.clients("carol"), session.id));
  await until(() => viewing.events.some(({ kind }) => kind === "key-frame"), "the first screen is there");
  if (lines) {
    await operator.type(
      'i=0; while ! read -t 0.005 -n 1; do i=$((i+1)); printf "line %06d\\n" $i; done; echo the end\n',
    );
    await operator.shows("line 000020");
  }
  const held = opening.move();
  return { redis, a, b, c, operator, viewing, id: session.id, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

async function sessionOn(node: ServedNode, id: string) {
  return (await node.clients("boss").sessions.listSessions({})).sessions.find((each) => each.id === id);
}

const echoOn = (node: ServedNode) =>
  startEcho({ clients: () => node.clients("alice") }, "box", async (operator) => {
    await operator.type("PS1=; stty -echo -icanon; echo READ''Y; stty echo; exec cat > /dev/null\n");
    await operator.shows("READY\r\n");
  });

const kick = (node: ServedNode, sessionId: string, idempotencyId: string) =>
  node.clients("boss").sessions.kick({ sessionId, reason: "freeze", idempotencyId });

const reaches = ({ events }: Viewing) => events.flatMap((event) => (event.kind === "reach" ? [event.reach] : []));

/** The shell stops printing; the watcher has the operator's screen. */
async function same(operator: OperatorViewing, viewing: Viewing): Promise<void> {
  await operator.type("q");
  await operator.shows("the end");
  await until(() => screenOf(viewing) === screenOf(operator), "the screens are the same");
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms)); // what is tried is time itself

slowly("F23: the holder is killed and started again: unreachable within 4 s, then over for certain", async () => {
  await using nodes = await threeProcesses();
  const { a, b, c, viewing, id } = nodes;
  nodes.operator.over.catch(() => {});
  const start = performance.now();
  await a.kill();
  await until(() => reaches(viewing).includes("unreachable"), "the watcher is told");
  await until(async () => (await sessionOn(c, id))?.unreachable, "the list says so");
  expect(performance.now() - start).toBeLessThan(4000);
  expect(await kick(c, id, "k")).toMatchObject({ outcome: KickOutcome.UNREACHABLE, orderLeft: true });
  await a.start();
  expect((await viewing.ended()).cause).toMatchObject({ kind: "lost" });
  await until(async () => (await sessionOn(b, id)) === undefined, "it is off the list");
  expect((await kick(c, id, "k")).outcome).toBe(KickOutcome.ALREADY_ENDED);
});

slowly(
  "F24: the holder stands still for 25 s: never called ended; afterwards watchers go on exactly where they were",
  async () => {
    await using nodes = await threeProcesses();
    const { a, c, viewing, operator, id } = nodes;
    a.signal("SIGSTOP");
    const start = performance.now();
    try {
      await until(() => reaches(viewing).includes("unreachable"), "the watcher is told");
      expect(performance.now() - start).toBeLessThan(5000);
      // Nobody follows the list there: it is by the lease that it knows.
      await until(async () => (await sessionOn(c, id))?.unreachable, "the list says so", 21_000);
      await until(() => performance.now() - start > 25_000, "longer than its lease");
      expect((await sessionOn(c, id))?.unreachable).toBe(true);
      expect(viewing.events.some(({ kind }) => kind === "ended")).toBe(false);
    } finally {
      a.signal("SIGCONT");
    }
    await until(() => reaches(viewing).at(-1) === "live", "it is heard again");
    await until(async () => (await sessionOn(c, id))?.unreachable === false, "the list says so");
    await same(operator, viewing);
    exactly(viewing);
  },
);

slowly("F24, F27: a kick while the holder stands still is left for it, and is the first thing it does", async () => {
  await using nodes = await threeProcesses();
  const { a, c, viewing, id } = nodes;
  a.signal("SIGSTOP");
  try {
    await until(() => reaches(viewing).includes("unreachable"), "the watcher is told");
    await pause(17_000); // its lease is over: still nobody may say that the shell has ended
    expect(await kick(c, id, "k")).toMatchObject({ outcome: KickOutcome.UNREACHABLE, orderLeft: true });
  } finally {
    a.signal("SIGCONT");
  }
  const start = performance.now();
  expect((await viewing.ended()).cause).toMatchObject({ kind: "kicked", reason: "freeze" });
  expect(performance.now() - start).toBeLessThan(6000);
  await until(async () => (await kick(c, id, "k")).outcome === KickOutcome.ENDED, "it is known");
});

slowly("F25: the only node that watches is killed: the holder stops publishing within 2 s", async () => {
  await using nodes = await threeProcesses();
  const { redis, b, id } = nodes;
  const receivers = async () => Number((await redis.cli("pubsub", "numsub", `bz:{${id}}:o`)).split("\n")[1]);
  await until(async () => (await receivers()) === 1, "b hears it");
  const monitor = async () =>
    Number(/cmdstat_publish:calls=(\d+)/.exec(await redis.cli("info", "commandstats"))?.[1] ?? 0);
  await b.kill();
  await until(async () => (await receivers()) === 0, "nobody hears it");
  await pause(2500);
  const before = await monitor();
  await pause(2000);
  // What is left are signs of life and proofs of two nodes, a few each second; a line every 5 ms would be hundreds.
  expect((await monitor()) - before).toBeLessThan(30);
});

slowly(
  "F12: the watching node stands still under a flood: it alone is cut off, and has the right screen afterwards",
  async () => {
    await using nodes = await threeProcesses(false);
    const { redis, b, c, operator, viewing, id } = nodes;
    await redis.cli("config", "set", "client-output-buffer-limit", "pubsub 256kb 128kb 1");
    await using other = watch(c.clients("carol"), id);
    await until(() => other.events.some(({ kind }) => kind === "key-frame"), "the first screen is there");
    await operator.type("base64 -w 70 /dev/urandom & sleep 6; kill $!; wait; clear; echo the end\n");
    b.signal("SIGSTOP");
    await pause(2500);
    b.signal("SIGCONT");
    await operator.shows("the end");
    for (const each of [viewing, other])
      await until(() => screenOf(each) === screenOf(operator), "the screens are the same");
  },
);

slowly(
  "F13: one watcher stands still under a flood: nobody else notices, and his node's memory stays flat",
  async () => {
    await using nodes = await threeProcesses(false);
    const { b, operator, viewing, id } = nodes;
    const stopped = fork(new URL("../support/client-process.ts", import.meta.url));
    try {
      stopped.send({ url: b.url, token: "token-carol", sessionId: id });
      await once(stopped, "message");
      const before = b.memoryBytes();
      stopped.kill("SIGSTOP");
      await operator.type("base64 -w 70 /dev/urandom & sleep 6; kill $!; wait; clear; echo the end\n");
      await operator.shows("the end");
      await until(() => screenOf(viewing) === screenOf(operator), "the screens are the same");
      expect(b.memoryBytes() - before).toBeLessThan(96 * 1024 * 1024);
    } finally {
      stopped.kill("SIGKILL");
    }
  },
);

slowly.each([
  ["gone", 60],
  ["hanging", 30],
] as const)(
  "F4, F7: Redis is %s for %i s: the operator types on, nobody's memory grows, and all is right again",
  async (how, seconds) => {
    await using nodes = await threeProcesses();
    const { redis, a, c, operator, viewing, id } = nodes;
    await using echo = await echoOn(a);
    if (how === "gone") await redis.stop();
    else redis.freeze();
    await until(() => reaches(viewing).length > 0, "the watcher is told");
    const before = a.memoryBytes();
    await pause(seconds * 1000);
    expect(a.memoryBytes() - before).toBeLessThan(64 * 1024 * 1024);
    if (how === "gone") await redis.start();
    else redis.thaw();
    await until(async () => (await sessionOn(c, id))?.unreachable === false, "it is listed as live");
    if (viewing.events.some(({ kind }) => kind === "ended")) throw new Error("the watcher was sent away");
    await same(operator, viewing);
    await echo.fine();
  },
);
