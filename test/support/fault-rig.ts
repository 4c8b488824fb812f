/** Nodes of one group over a real Redis, a shell that prints without end, and an operator who must notice nothing. */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { Clients, SessionInfo } from "../../proto/client/index.ts";
import type { RedisConfig } from "../../server/config-group.ts";
import { systemClock } from "../../server/flow/clock.ts";
import { createGroupMeter } from "../../server/group/meter.ts";
import { openRedisBus } from "../../server/group/redis-bus.ts";
import { createLog } from "../../server/log.ts";
import { createFaultyBus, type FaultyBus } from "./faulty-bus.ts";
import { createMemoryTarget, type MemoryPty } from "./memory-target.ts";
import { feed, newTerminal, screenText } from "./new-terminal.ts";
import { openTestBastion, type TestBastion, type TestBastionOptions } from "./test-bastion.ts";
import { until } from "./until.ts";
import { type OperatorViewing, operate, type Viewing } from "./viewing.ts";

/** Tests that take long: they run by `npm run test:faults` alone. */
export const slowly: typeof it = process.env.BARTIZAN_FAULTS === "all" ? it : (it.skip as typeof it);

export interface FaultRig extends Disposable {
  readonly keyFile: string;
  readonly keys: readonly Buffer[];
  /** A node that reaches its Redis as the config says. */
  open(node: string, options?: TestBastionOptions & { readonly redis?: Partial<RedisConfig> }): Promise<TestBastion>;
  /** A node with a bus that does what the test wants. */
  openFaulty(node: string, options?: TestBastionOptions): Promise<{ node: TestBastion; bus: FaultyBus }>;
}

export function createFaultRig(redis: Omit<RedisConfig, "prefix">): FaultRig {
  const folder = mkdtempSync(join(tmpdir(), "bartizan-faults-"));
  const keyFile = join(folder, "group.key");
  const key = randomBytes(32);
  writeFileSync(keyFile, `${key.toString("hex")}\n`);
  const log = () => createLog(process.env.BARTIZAN_TEST_LOG === undefined ? "silent" : "debug");
  return {
    ...{ keyFile, keys: [key] },
    open: (node, { redis: other, config, ...options } = {}) =>
      openTestBastion({
        ...options,
        config: { ...config, node, redis: { prefix: "bz", ...redis, ...other }, group: { keyFile } },
      }),
    async openFaulty(node, { config, ...options } = {}) {
      const name = `${node}.${randomBytes(3).toString("hex")}`;
      const needs = { config: { ...redis, prefix: "bz" }, name, clock: systemClock, log: log() };
      const inner = await openRedisBus({ ...needs, meter: createGroupMeter(systemClock) });
      const bus = createFaultyBus(inner, systemClock);
      return {
        bus,
        node: await openTestBastion({ ...options, config: { ...config, node }, join: { bus, keys: [key] } }),
      };
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Two targets: "flow", whose program is the test, and "echo", which prints what is typed. */
export function faultTargets() {
  const flow = createMemoryTarget({ name: "flow" });
  const echo = createMemoryTarget({ name: "echo", echo: true });
  return {
    pty: () => flow.pty(),
    options: {
      targets: [flow.target, echo.target],
      dial: ((target, ...rest) => (target.name === "echo" ? echo : flow).dial(target, ...rest)) as typeof flow.dial,
    },
  };
}

export interface Flow {
  /** How many lines were printed. */
  readonly lines: number;
  /** Prints the last line, and resolves with the text of the whole screen then. */
  finish(): Promise<string>;
}

/** Prints a numbered line every 5 ms. */
export function startFlow(pty: MemoryPty, everyMs = 5): Flow {
  const oracle = newTerminal(pty.size());
  let lines = 0;
  const print = (text: string) => {
    feed(oracle, text);
    return pty.print(text);
  };
  const timer = setInterval(() => {
    lines += 1;
    void print(`line ${String(lines).padStart(6, "0")}\r\n`);
  }, everyMs);
  return {
    get lines() {
      return lines;
    },
    async finish() {
      clearInterval(timer);
      await print("the end\r\n");
      return screenText(oracle);
    },
  };
}

/** What a viewer has on his screen, from his last key frame on. */
export function screenOf({ events }: Viewing, size = { cols: 80, rows: 24 }): string {
  const from = Math.max(
    0,
    events.findLastIndex(({ kind }) => kind === "key-frame"),
  );
  const terminal = newTerminal(size);
  for (const event of events.slice(from))
    if (event.kind === "key-frame" || event.kind === "output") feed(terminal, event.bytes);
  return screenText(terminal);
}

/** Throws when a line is missing, doubled or out of order after the first key frame; tells how many key frames came. */
export function exactly({ events }: Viewing): { keyFrames: number; lines: number } {
  const frames = events.filter(({ kind }) => kind === "key-frame").length;
  const output = events.flatMap((event) => (event.kind === "output" ? [Buffer.from(event.bytes)] : []));
  const numbers = [
    ...Buffer.concat(output)
      .toString()
      .matchAll(/line (\d{6})\r\n/g),
  ].map(([, number]) => Number(number));
  for (const [index, number] of numbers.entries())
    if (index > 0) expect(number, `after line ${numbers[index - 1]}`).toBe((numbers[index - 1] ?? 0) + 1);
  return { keyFrames: frames, lines: numbers.length };
}

export interface EchoProbe extends AsyncDisposable {
  /** Throws when an echo is missing, or one of a hundred took longer than an operator would bear. */
  fine(): Promise<void>;
}

/**
 * The operator who must notice nothing: types every 20 ms, and waits for what he typed. `prepare` resolves when the shell
 * prints nothing but that.
 */
export async function startEcho(
  node: { clients(): Clients },
  target = "echo",
  prepare: (operator: OperatorViewing) => Promise<void> = async () => {},
): Promise<EchoProbe> {
  const operator = operate(node.clients(), target);
  await operator.started();
  await prepare(operator);
  const before = operator.bytes().length;
  const tookMs: number[] = [];
  const sent: number[] = [];
  let seen = 0;
  let printed = 0;
  let at = 0;
  const look = () => {
    for (; at < operator.events.length; at += 1) {
      const event = operator.events[at];
      if (event?.kind === "output") printed += event.bytes.length;
    }
    for (; seen < Math.min(printed - before, sent.length); seen += 1) {
      const fromMs = sent[seen] ?? 0;
      const lostMs = stalls.reduce((sum, { atMs, ms }) => (atMs > fromMs ? sum + ms : sum), 0);
      const took = performance.now() - fromMs;
      tookMs.push(took - lostMs);
      longestMs = Math.max(longestMs, seen < 25 ? 0 : took);
    }
  };
  // How long this process, which is also the nodes, did not get the processor: other tests' doing.
  const stalls: { atMs: number; ms: number }[] = [];
  let longestMs = 0;
  let tickedMs = performance.now();
  const ticking = setInterval(() => {
    const nowMs = performance.now();
    if (nowMs - tickedMs > 15) stalls.push({ atMs: nowMs, ms: nowMs - tickedMs - 5 });
    while ((stalls[0]?.atMs ?? nowMs) < nowMs - 5000) stalls.shift();
    tickedMs = nowMs;
  }, 5);
  const typing = setInterval(() => {
    sent.push(performance.now());
    void operator.type("x");
  }, 20);
  const looking = setInterval(look, 2);
  const stop = () => {
    clearInterval(typing);
    clearInterval(looking);
    clearInterval(ticking);
  };
  return {
    async fine() {
      await until(() => sent.length > 125, "he typed enough to judge by");
      clearInterval(typing);
      await until(() => {
        look();
        return seen === sent.length;
      }, "every key was echoed");
      // The first ones are slow with or without a fault: code that runs for the first time.
      const sorted = tookMs.slice(25).toSorted((one, other) => one - other);
      const worst = sorted.at(-1 - Math.ceil(sorted.length / 100)) ?? 0;
      expect(worst, `of ${sorted.length} keys more than one in a hundred took longer than`).toBeLessThan(echoWithinMs);
      expect(longestMs, "one key took longer than").toBeLessThan(echoAtMostMs);
      expect(operator.events.some(({ kind }) => kind === "ended")).toBe(false);
    },
    async [Symbol.asyncDispose]() {
      stop();
      await end(operator);
    },
  };
}

/** Without the time that this process did not get: what waits for anything of Redis would cost a second and more. */
const echoWithinMs = 400;
/** With that time. */
const echoAtMostMs = 1500;

/** Ends the shell for good. */
export async function end(operator: OperatorViewing): Promise<void> {
  operator.shell.hangUp();
  await operator.ended().catch(() => {});
  await operator[Symbol.asyncDispose]();
}

const clientsOf = new WeakMap<TestBastion, Clients>();

/** Always the same ones: what asks again and again needs no connection each time. */
export function askers(node: TestBastion): Clients {
  const clients = clientsOf.get(node) ?? node.clients();
  clientsOf.set(node, clients);
  return clients;
}

export function listed(node: TestBastion): Promise<SessionInfo[]> {
  return askers(node)
    .sessions.listSessions({})
    .then(({ sessions }) => sessions);
}

/** Waits until the node lists the session as `unreachable` says. */
export function lists(node: TestBastion, id: string, unreachable = false, limitMs = 30_000): Promise<SessionInfo> {
  return until(
    async () => (await listed(node)).find((each) => each.id === id && each.unreachable === unreachable),
    `${unreachable ? "unreachable" : "live"} on the list: ${id}`,
    limitMs,
  );
}
