/** Kicks while things go wrong: each shell ends once, every answer is true, and nobody without the key orders anything. */
import { expect, it } from "vitest";
import { KickOutcome } from "../../proto/client/index.ts";
import type { SessionId } from "../../server/events.ts";
import { createNames, type NodeId } from "../../server/group/names.ts";
import { askers, createFaultRig, end, faultTargets, listed, lists, slowly, startEcho } from "../support/fault-rig.ts";
import { openRedis } from "../support/redis.ts";
import type { TestBastion } from "../support/test-bastion.ts";
import { until } from "../support/until.ts";
import { operate } from "../support/viewing.ts";

const kick = (node: TestBastion, sessionId: string, idempotencyId: string) =>
  askers(node).sessions.kick({ sessionId, reason: "freeze", idempotencyId });

async function rejected(node: TestBastion, cause: string): Promise<number> {
  const figures = await (await fetch(node.metricsUrl ?? "")).text();
  return Number(new RegExp(`bartizan_group_rejected\\w*\\{cause="${cause}"\\} (\\d+)`).exec(figures)?.[1] ?? 0);
}

async function threeNodes() {
  await using opening = new AsyncDisposableStack();
  const redis = opening.use(await openRedis());
  const rig = opening.use(createFaultRig({ url: redis.url }));
  const targets = faultTargets();
  const config = { metrics: { listen: "127.0.0.1:0", allowWide: false } };
  const { node: a, bus } = await rig.openFaulty("a", { ...targets.options, config });
  opening.use(a);
  const b = opening.use(await rig.open("b"));
  const c = opening.use(await rig.open("c"));
  const echo = opening.use(await startEcho(a));
  const shell = async () => {
    const operator = operate(a.clients(), "flow");
    const { session } = await operator.started();
    await lists(b, session.id);
    await lists(c, session.id);
    return { operator, id: session.id };
  };
  const held = opening.move();
  return { redis, rig, targets, a, bus, b, c, echo, shell, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

it("F26: two kicks at once from two nodes: the shell ends once, one ended it, for the other it had ended", async () => {
  await using nodes = await threeNodes();
  const { operator, id } = await nodes.shell();
  const answers = await Promise.all([kick(nodes.b, id, "b"), kick(nodes.c, id, "c")]);
  expect(answers.map(({ outcome }) => outcome).sort()).toEqual([KickOutcome.ENDED, KickOutcome.ALREADY_ENDED]);
  expect(operator.events.filter(({ kind }) => kind === "ended").length).toBeLessThanOrEqual(1);
  await operator.ended();
  await operator[Symbol.asyncDispose]();
  await nodes.echo.fine();
});

it("F26: the same order twice, and by another node: the same answer", async () => {
  await using nodes = await threeNodes();
  const { operator, id } = await nodes.shell();
  const answers = await Promise.all([kick(nodes.b, id, "k"), kick(nodes.b, id, "k")]);
  expect(answers.map(({ outcome }) => outcome)).toEqual([KickOutcome.ENDED, KickOutcome.ENDED]);
  expect((await kick(nodes.c, id, "k")).outcome).toBe(KickOutcome.ENDED);
  await operator.ended();
  await operator[Symbol.asyncDispose]();
  await nodes.echo.fine();
});

it("F26: the holder's answer is lost: what became of the order is known all the same", async () => {
  await using nodes = await threeNodes();
  const { operator, id } = await nodes.shell();
  nodes.bus.outgoing = (channel) => (channel.endsWith(":in") ? "drop" : "pass");
  expect((await kick(nodes.c, id, "k")).outcome).toBe(KickOutcome.ENDED);
  expect((await operator.ended()).cause).toMatchObject({ kind: "kicked", reason: "freeze" });
  await operator[Symbol.asyncDispose]();
  await nodes.echo.fine();
});

it("F27: the holder's bus is cut: the order is left, and carried out within 5 s of its return", async () => {
  await using nodes = await threeNodes();
  const { operator, id } = await nodes.shell();
  nodes.bus.cut();
  expect(await kick(nodes.c, id, "k")).toMatchObject({ outcome: KickOutcome.UNREACHABLE, orderLeft: true });
  expect(nodes.targets.pty().hungUp()).toBe(false);
  nodes.bus.mend();
  const start = performance.now();
  expect((await operator.ended()).cause).toMatchObject({ kind: "kicked", reason: "freeze" });
  expect(performance.now() - start).toBeLessThan(6000);
  await until(async () => (await kick(nodes.c, id, "k")).outcome === KickOutcome.ENDED, "it is known");
  await operator[Symbol.asyncDispose]();
  await nodes.echo.fine();
});

slowly("F27: the holder's bus hangs: the caller is answered within his deadline, and nothing false", async () => {
  await using nodes = await threeNodes();
  const { operator, id } = await nodes.shell();
  nodes.bus.stall();
  const start = performance.now();
  expect((await kick(nodes.c, id, "k")).outcome).toBe(KickOutcome.UNREACHABLE);
  expect(performance.now() - start).toBeLessThan(4500);
  nodes.bus.mend();
  await operator.ended();
  await operator[Symbol.asyncDispose]();
  await nodes.echo.fine();
});

it("F32: whoever can publish, but has no key, ends nothing: neither with nonsense nor with what he has heard", async () => {
  await using nodes = await threeNodes();
  const first = await nodes.shell();
  const node = first.id.slice(0, first.id.lastIndexOf("-")) as NodeId;
  const inbox = createNames("bz").inbox(node);
  const heard: Buffer[] = [];
  const { node: spy, bus } = await nodes.rig.openFaulty("spy");
  await using _spy = spy;
  await using _listening = await bus.subscribe(inbox, { message: (bytes) => void heard.push(Buffer.from(bytes)) });
  expect((await kick(nodes.c, first.id, "k")).outcome).toBe(KickOutcome.ENDED);
  await first.operator.ended();
  await first.operator[Symbol.asyncDispose]();
  const second = await nodes.shell();
  expect(heard.length).toBeGreaterThan(0);
  for (const message of [...heard, ...heard.map((each) => each.subarray(0, 40)), Buffer.from("KICK"), Buffer.alloc(0)])
    await bus.publish(inbox, message);
  for (const message of [...heard]) {
    const forged = Buffer.from(message);
    // As one that is still to come: its count is in these bytes.
    forged[13] = 200;
    await bus.publish(inbox, forged);
  }
  const future = Buffer.from(heard[0] ?? []);
  future[0] = 99;
  await bus.publish(inbox, future);
  await bus.publish(createNames("bz").output(second.id as SessionId), future);
  for (const cause of ["replayed", "forged", "version", "malformed"])
    await until(async () => (await rejected(nodes.a, cause)) > 0, `what is ${cause} is counted`);
  // An order that is real comes after all that: had one of the others counted, the answer would be another.
  expect(nodes.targets.pty().hungUp()).toBe(false);
  expect((await kick(nodes.b, second.id, "real")).outcome).toBe(KickOutcome.ENDED);
  await second.operator.ended();
  await second.operator[Symbol.asyncDispose]();
  await nodes.echo.fine();
});

slowly("F28: a node whose clock is an hour off lists, is listed, and is obeyed like any other", async () => {
  const { systemClock } = await import("../../server/flow/clock.ts");
  await using redis = await openRedis();
  using rig = createFaultRig({ url: redis.url });
  const targets = faultTargets();
  const off = (hours: number) => ({ ...systemClock, wallMs: () => Date.now() + hours * 3_600_000 });
  await using a = await rig.open("a", { ...targets.options, clock: off(1) });
  await using c = await rig.open("c", { clock: off(-1) });
  await using echo = await startEcho(a);
  const operator = operate(a.clients(), "flow");
  const { session } = await operator.started();
  await lists(c, session.id);
  await new Promise((resolve) => setTimeout(resolve, 6000)); // longer than a renewal: its life is by nobody's clock
  await lists(c, session.id, false, 100);
  expect((await kick(c, session.id, "k")).outcome).toBe(KickOutcome.ENDED);
  await operator.ended();
  await operator[Symbol.asyncDispose]();
  await echo.fine();
});

slowly(
  "F31: two deployments on one Redis know nothing of each other; with the same names but another key neither",
  async () => {
    await using redis = await openRedis();
    using rig = createFaultRig({ url: redis.url });
    using foreign = createFaultRig({ url: redis.url });
    const targets = faultTargets();
    await using a = await rig.open("a", targets.options);
    await using friend = await rig.open("friend");
    await using apart = await rig.open("apart", { redis: { prefix: "other" } });
    await using stranger = await foreign.open("stranger");
    const operator = operate(a.clients(), "flow");
    const { session } = await operator.started();
    await lists(friend, session.id);
    for (const node of [apart, stranger]) {
      expect((await askers(node).sessions.listSessions({})).sessions).toEqual([]);
      const answer = await kick(node, session.id, "k").catch((error: Error) => error.message);
      expect(answer).not.toMatchObject({ outcome: KickOutcome.ENDED });
    }
    expect(targets.pty().hungUp()).toBe(false);
    await end(operator);
  },
);

it("F10: Redis has no memory left: shells, kicks and renewals go on; new ones are listed once there is some", async () => {
  await using nodes = await threeNodes();
  const old = await nodes.shell();
  await nodes.redis.cli("config", "set", "maxmemory", "1mb");
  const operator = operate(nodes.a.clients(), "flow");
  const { session } = await operator.started();
  expect((await kick(nodes.c, old.id, "k")).outcome).toBe(KickOutcome.ENDED);
  await old.operator.ended();
  await old.operator[Symbol.asyncDispose]();
  await until(async () => !(await listed(nodes.c)).some(({ id }) => id === old.id), "what has ended is off the list");
  await nodes.redis.cli("config", "set", "maxmemory", "0");
  await lists(nodes.c, session.id, false, 8000);
  await end(operator);
  await nodes.echo.fine();
});

slowly(
  "F11: Redis throws a node's record away: it is written again, and the policy is warned of at the start",
  async () => {
    await using redis = await openRedis({ config: ["maxmemory-policy volatile-ttl"] });
    using rig = createFaultRig({ url: redis.url });
    const targets = faultTargets();
    await using a = await rig.open("a", targets.options);
    await using c = await rig.open("c");
    expect((await askers(a).access.whoAmI({})).group?.warnings.join()).toContain("maxmemory-policy");
    const operator = operate(a.clients(), "flow");
    const { session } = await operator.started();
    await lists(c, session.id);
    const node = session.id.slice(0, session.id.lastIndexOf("-")) as NodeId;
    expect(await redis.cli("del", createNames("bz").sessions(node))).toBe("1");
    await lists(c, session.id, false, 8000);
    await until(
      async () => (await redis.cli("exists", createNames("bz").sessions(node))) === "1",
      "it is written again",
    );
    await end(operator);
  },
);
