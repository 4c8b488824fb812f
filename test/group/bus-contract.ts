/** What every bus promises, tried on one: in memory, over one Redis, behind sentinels, in a cluster. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BusDown, type GroupBus, type Listener, maxMessageBytes } from "../../server/group/bus.ts";
import { randomFrom } from "../support/random.ts";
import { until } from "../support/until.ts";

/** What the buses of one test are joined by. */
export interface BusRig extends AsyncDisposable {
  /** Another bus on the same thing, as of another node. */
  openBus(): Promise<GroupBus>;
  /** How many connections are open to it, without those of the test itself; 0 where there are none. */
  connections(): Promise<number>;
}

export interface Heard extends Listener {
  readonly messages: readonly Buffer[];
  readonly texts: readonly string[];
  readonly gaps: number;
}

/** A listener that keeps all it hears. */
export function hearing(): Heard {
  const messages: Buffer[] = [];
  let gaps = 0;
  return {
    messages,
    get texts() {
      return messages.map(String);
    },
    get gaps() {
      return gaps;
    },
    message: (bytes) => void messages.push(Buffer.from(bytes)),
    missed() {
      gaps += 1;
    },
  };
}

export const bytesOf = (text: string) => Buffer.from(text);

let names = 0;
/** A channel that no other test has, with the form of a session's. */
export function freshName(end = "o"): string {
  names += 1;
  return `bz:{n${names}.aaaaaaaaaaaa-AAAAAAAAAAAA}:${end}`;
}

export function busContract(kind: string, open: () => Promise<BusRig>): void {
  describe(`the bus over ${kind}`, () => {
    let rig: BusRig;
    beforeAll(async () => {
      rig = await open();
    });
    afterAll(() => rig?.[Symbol.asyncDispose]());

    it("brings what is published after the subscription to everybody who hears, and tells how many", async () => {
      await using one = await rig.openBus();
      await using other = await rig.openBus();
      const channel = freshName();
      expect(await one.publish(channel, bytesOf("nobody"))).toBe(0);
      const here = hearing();
      const there = hearing();
      await using _here = await one.subscribe(channel, here);
      expect(await one.publish(channel, bytesOf("a"))).toBe(1);
      const away = await other.subscribe(channel, there);
      expect(await one.publish(channel, bytesOf("b"))).toBe(2);
      expect(await other.publish(channel, bytesOf("c"))).toBe(2);
      await until(() => here.texts.length === 3 && there.texts.length === 2, "both have heard");
      expect([here.texts, there.texts]).toEqual([
        ["a", "b", "c"],
        ["b", "c"],
      ]);
      await away[Symbol.asyncDispose]();
      expect(await one.publish(channel, bytesOf("d"))).toBe(1);
      await until(() => here.texts.length === 4, "the one that is left hears");
      expect(there.texts).toEqual(["b", "c"]);
      expect([here.gaps, there.gaps]).toEqual([0, 0]);
    });

    it("keeps the order of each sender, and every byte", async () => {
      await using one = await rig.openBus();
      await using other = await rig.openBus();
      const channel = freshName();
      const heard = hearing();
      await using _subscription = await one.subscribe(channel, heard);
      const random = randomFrom(7);
      const sizes = [0, 1, 300, 2048];
      const from = (sender: number) =>
        Array.from({ length: 1000 }, (_, count) => {
          const head = Buffer.from([sender, count >> 8, count & 0xff]);
          const message = Buffer.concat([head, random.bytes(random.pick(sizes))]);
          // Both forms that bytes come in.
          return count % 2 === 0 ? message : Uint8Array.from(message);
        });
      const sent = [from(1), from(2)];
      await Promise.all(
        sent.map(async (messages, index) => {
          const bus = index === 0 ? one : other;
          for (let at = 0; at < messages.length; at += 50)
            await Promise.all(messages.slice(at, at + 50).map((message) => bus.publish(channel, message)));
        }),
      );
      await until(() => heard.messages.length === 2000, "all are heard");
      for (const [index, messages] of sent.entries())
        expect(heard.messages.filter(([sender]) => sender === index + 1).map((each) => each.toString("hex"))).toEqual(
          messages.map((each) => Buffer.from(each).toString("hex")),
        );
    });

    it("takes nothing at all and 64 KiB, and not one byte more", async () => {
      await using bus = await rig.openBus();
      const channel = freshName();
      const heard = hearing();
      await using _subscription = await bus.subscribe(channel, heard);
      const longest = randomFrom(9).bytes(maxMessageBytes);
      await bus.publish(channel, Buffer.alloc(0));
      await bus.publish(channel, longest);
      const over = Buffer.alloc(maxMessageBytes + 1);
      await expect(bus.publish(channel, over)).rejects.toThrow(RangeError);
      const change = { lifeMs: 1000, set: new Map([["a", bytesOf("1")]]), publish: { channel, message: over } };
      await expect(bus.records.change(freshName("s"), change)).rejects.toThrow(RangeError);
      await until(() => heard.messages.length === 2, "both are heard");
      expect(heard.messages[0]?.length).toBe(0);
      expect(heard.messages[1]?.equals(longest)).toBe(true);
    });

    it("calls nobody from within a call, and not after he has left", async () => {
      await using bus = await rig.openBus();
      const channel = freshName();
      let within = true;
      let heard = 0;
      let late = 0;
      const subscription = await bus.subscribe(channel, {
        message: () => {
          heard += 1;
          expect(within).toBe(false);
        },
      });
      const leaving = await bus.subscribe(channel, { message: () => (late += 1) });
      const published = bus.publish(channel, bytesOf("a"));
      void leaving[Symbol.asyncDispose]();
      within = false;
      await published;
      await until(() => heard === 1, "it is heard");
      expect(late).toBe(0);
      await subscription[Symbol.asyncDispose]();
      await subscription[Symbol.asyncDispose]();
      expect(await bus.publish(channel, bytesOf("b"))).toBe(0);
    });

    it("keeps records: set, removed, replaced, alive while renewed, and then gone", async () => {
      await using one = await rig.openBus();
      await using other = await rig.openBus();
      const record = freshName("s");
      const many = Array.from({ length: 1200 }, (_, index) => [`f${index}`, bytesOf(`v${index}`)] as const);
      await one.records.change(record, { set: new Map([["#", Uint8Array.of(0, 255, 10)], ...many]), lifeMs: 5000 });
      expect((await other.records.fields(record)).size).toBe(1201);
      expect(Buffer.from((await other.records.field(record, "#")) ?? [])).toEqual(Buffer.from([0, 255, 10]));
      const removed = many.slice(1).map(([name]) => name);
      await one.records.change(record, { remove: removed, set: new Map([["#", bytesOf("2")]]), lifeMs: 5000 });
      expect(
        [...(await other.records.fields(record))].map(([name, value]) => [name, Buffer.from(value).toString()]),
      ).toEqual(
        expect.arrayContaining([
          ["#", "2"],
          ["f0", "v0"],
        ]),
      );
      await one.records.change(record, { replace: true, set: new Map([["#", bytesOf("3")]]), lifeMs: 400 });
      expect([...(await other.records.fields(record)).keys()]).toEqual(["#"]);
      expect(Buffer.from((await one.records.renew(record, 1500, "#")) ?? []).toString()).toBe("3");
      expect(await one.records.renew(record, 1500, "not there")).toBeUndefined();
      await new Promise((resolve) => setTimeout(resolve, 600)); // past its first life: what is tried is time itself
      expect(await other.records.field(record, "#")).toBeDefined();
      await until(async () => (await other.records.field(record, "#")) === undefined, "its life ends", 5000);
      expect(await one.records.renew(record, 1500, "#")).toBeUndefined();
      expect((await one.records.fields(record)).size).toBe(0);
    });

    it("publishes in the step that changes a record: who hears of it sees it", async () => {
      await using one = await rig.openBus();
      await using other = await rig.openBus();
      const channel = freshName("d");
      const record = channel.replace(/d$/, "s");
      const seen: Promise<number>[] = [];
      await using _subscription = await other.subscribe(channel, {
        message: () => void seen.push(other.records.fields(record).then((fields) => fields.size)),
      });
      for (let count = 1; count <= 20; count += 1) {
        const publish = { channel, message: bytesOf(String(count)) };
        const set = new Map([[`f${count}`, bytesOf("x")]]);
        expect(await one.records.change(record, { set, lifeMs: 5000, publish })).toBe(1);
      }
      await until(() => seen.length === 20, "all are heard");
      for (const [index, size] of (await Promise.all(seen)).entries()) expect(size).toBeGreaterThan(index);
    });

    it("keeps values, of which only the first stays when that is asked for, and sets of names", async () => {
      await using one = await rig.openBus();
      await using other = await rig.openBus();
      const key = freshName("end");
      expect(await one.records.get(key)).toBeUndefined();
      expect(await one.records.put(key, bytesOf("first"), 700, true)).toBe(true);
      expect(await other.records.put(key, bytesOf("second"), 700, true)).toBe(false);
      expect(Buffer.from((await other.records.get(key)) ?? []).toString()).toBe("first");
      expect(await other.records.put(key, bytesOf("third"), 700)).toBe(true);
      expect(Buffer.from((await one.records.get(key)) ?? []).toString()).toBe("third");
      await until(async () => (await one.records.get(key)) === undefined, "its life ends", 5000);
      await one.records.put(key, Uint8Array.of(1, 2, 3), 5000);
      expect([...((await other.records.get(key)) ?? [])]).toEqual([1, 2, 3]);
      await other.records.remove(key);
      expect(await one.records.get(key)).toBeUndefined();
      const set = `bz:nodes${freshName("")}`;
      await one.records.remember(set, "n1", 1_790_000_000_123);
      await one.records.remember(set, "n2", 5);
      await other.records.remember(set, "n1", 1_790_000_000_456);
      await other.records.forget(set, "n2");
      expect([...(await one.records.remembered(set))]).toEqual([["n1", 1_790_000_000_456]]);
    });

    it("leaves nothing when it is disposed of: no subscription, no call that waits, no connection", async () => {
      await using other = await rig.openBus();
      const before = await rig.connections();
      const bus = await rig.openBus();
      const channel = freshName();
      const heard = hearing();
      await bus.subscribe(channel, heard);
      const underWay = [
        bus.publish(channel, bytesOf("a")),
        bus.subscribe(freshName(), hearing()),
        bus.records.get("bz:x"),
      ];
      const settled = Promise.allSettled(underWay);
      await bus[Symbol.asyncDispose]();
      for (const result of await settled)
        if (result.status === "rejected") expect(result.reason).toBeInstanceOf(BusDown);
      await expect(bus.publish(channel, bytesOf("b"))).rejects.toThrow(BusDown);
      await expect(bus.subscribe(channel, heard)).rejects.toThrow(BusDown);
      await expect(bus.records.fields("bz:x")).rejects.toThrow(BusDown);
      await until(async () => (await other.publish(channel, bytesOf("c"))) === 0, "its subscription is gone");
      await until(async () => (await rig.connections()) === before, "its connections are gone");
      await bus[Symbol.asyncDispose]();
    });
  });
}
