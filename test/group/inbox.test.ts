/** What nodes say to each other alone: asked until answered, heard once, and only from one of us. */
import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { systemClock } from "../../server/flow/clock.ts";
import { BusDown, type GroupBus } from "../../server/group/bus.ts";
import { type Inbox, NoAnswer, openInbox } from "../../server/group/inbox.ts";
import { createMemoryHub, type MemoryHub } from "../../server/group/memory-bus.ts";
import { createGroupMeter } from "../../server/group/meter.ts";
import { createNames, createNodeId } from "../../server/group/names.ts";
import { createSealer, kinds } from "../../server/group/seal.ts";
import { createLog } from "../../server/log.ts";
import { createCountingClock } from "../support/counting-clock.ts";
import { until } from "../support/until.ts";

const key = randomBytes(32);
const names = createNames("bz");
const never = new AbortController().signal;

/** `publish`: what becomes of each message that the node sends. */
async function openNode(hub: MemoryHub, name: string, change: (bus: GroupBus) => GroupBus = (bus) => bus) {
  const clock = createCountingClock();
  const self = createNodeId(name);
  const meter = createGroupMeter(clock);
  const common = { self, clock, meter, log: createLog("silent") };
  const sealer = createSealer({ ...common, keys: [key] });
  const bus = hub.openBus();
  const inbox = await openInbox({ ...common, bus: change(bus), sealer, names });
  return {
    ...{ self, inbox, sealer, bus, clock, rejected: () => meter.counts().rejected },
    async [Symbol.asyncDispose]() {
      await inbox[Symbol.asyncDispose]();
      await bus[Symbol.asyncDispose]();
      expect(clock.pending, "timers left").toBe(0);
    },
  };
}

/** The bus with one call replaced for what goes out. */
function sending(publish: (bus: GroupBus, channel: string, message: Uint8Array) => Promise<number>) {
  return (bus: GroupBus): GroupBus => ({
    ...bus,
    publish: (channel, message) => publish(bus, channel, message),
  });
}

function answerAttach(inbox: Inbox, heard: string[]): Disposable {
  return inbox.on("attach", ({ sessionId }, from, reply) => {
    heard.push(`${sessionId} by ${from}`);
    reply({ case: "attached", value: { sessionId, gone: true } });
  });
}

const attach = (sessionId: string) => ({ case: "attach", value: { sessionId } }) as const;

test("a request is answered, and the answer is that of the node asked", async () => {
  const hub = createMemoryHub(systemClock);
  await using one = await openNode(hub, "web1");
  await using other = await openNode(hub, "web2");
  const heard: string[] = [];
  using _handler = answerAttach(other.inbox, heard);
  const answer = await one.inbox.ask(other.self, attach("s1"), "attached", 3000, never);
  expect(answer).toMatchObject({ sessionId: "s1", gone: true });
  expect(heard).toEqual([`s1 by ${one.self}`]);
});

test("a message to one node is heard there alone, and the sender learns whether it was", async () => {
  const hub = createMemoryHub(systemClock);
  await using one = await openNode(hub, "web1");
  await using other = await openNode(hub, "web2");
  const heard: string[] = [];
  using _keep = other.inbox.on("keep", ({ sessionIds }) => void heard.push(...sessionIds));
  expect(await one.inbox.send(other.self, { case: "keep", value: { sessionIds: ["s1", "s2"] } })).toBe(1);
  expect(await one.inbox.send(createNodeId("web3"), { case: "keep", value: { sessionIds: ["s3"] } })).toBe(0);
  await until(() => heard.length === 2, "the message is heard");
  expect(heard).toEqual(["s1", "s2"]);
});

test("a lost request is asked again, and a lost answer given again without a second effect", async () => {
  const hub = createMemoryHub(systemClock);
  let lose = 1;
  const losing = sending(async (bus, channel, message) => (lose-- > 0 ? 1 : bus.publish(channel, message)));
  await using one = await openNode(hub, "web1", losing);
  await using other = await openNode(hub, "web2", losing);
  const heard: string[] = [];
  using _handler = answerAttach(other.inbox, heard);
  expect(await one.inbox.ask(other.self, attach("s1"), "attached", 3000, never)).toMatchObject({ sessionId: "s1" });
  lose = 0;
  expect(heard.length).toBe(1);
  const asking = one.inbox.ask(other.self, attach("s2"), "attached", 3000, never);
  // The request has gone out by now; the answer is lost.
  lose = 1;
  expect(await asking).toMatchObject({ sessionId: "s2" });
  expect(heard.length).toBe(2);
  expect(other.rejected()).toEqual({});
});

test("a node that comes to the bus a moment later is found", async () => {
  const hub = createMemoryHub(systemClock);
  await using one = await openNode(hub, "web1");
  let published = 0;
  await using other = await openNode(hub, "web2");
  const heard: string[] = [];
  const bus = sending(async (real, channel, message) => (++published <= 2 ? 0 : real.publish(channel, message)));
  await using third = await openNode(hub, "web3", bus);
  using _handler = answerAttach(other.inbox, heard);
  await third.inbox.ask(other.self, attach("s1"), "attached", 3000, never);
  expect(published).toBe(3);
  expect(one.rejected()).toEqual({});
});

test("a node that is not there, one that is silent, and a bus that is down are told apart at the deadline", async () => {
  const hub = createMemoryHub(systemClock);
  await using one = await openNode(hub, "web1");
  await using silent = await openNode(hub, "web2");
  const nowhere = one.inbox.ask(createNodeId("web3"), attach("s1"), "attached", 200, never);
  await expect(nowhere).rejects.toMatchObject({ name: "NoAnswer", heard: false });
  const unanswered = one.inbox.ask(silent.self, attach("s1"), "attached", 200, never);
  await expect(unanswered).rejects.toSatisfy((error) => error instanceof NoAnswer && error.heard);
  const down = sending(() => Promise.reject(new BusDown("The test cut it.")));
  await using cut = await openNode(hub, "web4", down);
  await expect(cut.inbox.ask(silent.self, attach("s1"), "attached", 200, never)).rejects.toBeInstanceOf(BusDown);
});

test("aborting gives the question up at once, and so does leaving the bus", async () => {
  const hub = createMemoryHub(systemClock);
  await using one = await openNode(hub, "web1");
  await using silent = await openNode(hub, "web2");
  const leaving = new AbortController();
  const asking = one.inbox.ask(silent.self, attach("s1"), "attached", 60_000, leaving.signal);
  leaving.abort(new Error("the watcher left"));
  await expect(asking).rejects.toThrow("the watcher left");
  const other = one.inbox.ask(silent.self, attach("s1"), "attached", 60_000, never);
  other.catch(() => {});
  await one.inbox[Symbol.asyncDispose]();
  await expect(other).rejects.toBeInstanceOf(BusDown);
});

test("an answer from another node than the one asked is not taken", async () => {
  const hub = createMemoryHub(systemClock);
  let seen: Uint8Array = new Uint8Array();
  await using one = await openNode(hub, "web1");
  await using asked = await openNode(hub, "web2");
  await using meddler = await openNode(hub, "web3");
  using _attach = asked.inbox.on("attach", (_value, from, reply) => {
    // Even one of us, who knows the request's id.
    void meddler.inbox
      .send(from, { case: "attached", value: { sessionId: "false" } }, seen)
      .then(() => reply({ case: "attached", value: { sessionId: "true" } }));
  });
  await using listener = hub.openBus();
  const eavesdrop = createSealer({
    ...{ keys: [key], self: meddler.self, clock: systemClock, log: createLog("silent") },
    meter: createGroupMeter(systemClock),
  });
  await listener.subscribe(names.inbox(asked.self), {
    message: (bytes) => {
      const plain = eavesdrop.open(names.inbox(asked.self), bytes)?.plain;
      if (plain !== undefined) seen = plain.subarray(2, 18);
    },
  });
  expect(await one.inbox.ask(asked.self, attach("s1"), "attached", 3000, never)).toMatchObject({ sessionId: "true" });
});

test("what is forged, replayed, or says it is from somebody else has no effect and is counted", async () => {
  const hub = createMemoryHub(systemClock);
  await using one = await openNode(hub, "web1");
  await using other = await openNode(hub, "web2");
  const heard: string[] = [];
  using _handler = answerAttach(other.inbox, heard);
  const taped: Uint8Array[] = [];
  await using tape = hub.openBus();
  await tape.subscribe(names.inbox(other.self), { message: (bytes) => void taped.push(bytes) });
  await one.inbox.ask(other.self, attach("s1"), "attached", 3000, never);
  await tape.publish(names.inbox(other.self), taped[0] as Uint8Array);
  await tape.publish(names.inbox(other.self), randomBytes(100).fill(1, 0, 1));
  await tape.publish(names.inbox(other.self), one.sealer.seal(kinds.inbox, names.inbox(other.self), randomBytes(9)));
  await until(() => (other.rejected().replayed ?? 0) === 1, "the replay is counted");
  await until(() => (other.rejected().malformed ?? 0) > 0, "nonsense is counted");
  expect(heard.length).toBe(1);
});
