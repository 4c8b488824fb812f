/** What a bus over Redis promises while its servers are cut off, frozen, gone, and back. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemClock } from "../../server/flow/clock.ts";
import { BusDown, type GroupBus } from "../../server/group/bus.ts";
import { createGroupMeter } from "../../server/group/meter.ts";
import type { RedisBuses } from "../support/redis-buses.ts";
import { until } from "../support/until.ts";
import { bytesOf, freshName, type Heard, hearing } from "./bus-contract.ts";

/** How long the call took to be refused. */
export async function refusedAfterMs(call: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await expect(call()).rejects.toThrow(BusDown);
  return performance.now() - start;
}

/** Publishes until it is heard; the bus may be down meanwhile. */
export async function heardAgain(bus: GroupBus, channel: string, heard: Heard, text: string): Promise<void> {
  await until(
    async () => {
      await bus.publish(channel, bytesOf(text)).catch(() => {});
      return heard.texts.includes(text);
    },
    `${text} is heard: ${JSON.stringify(bus.state)}`,
  );
}

export function interruptedBus(kind: string, open: () => Promise<RedisBuses>): void {
  describe(`a bus over ${kind} that is interrupted`, () => {
    let rig: RedisBuses;
    beforeAll(async () => {
      rig = await open();
    });
    afterAll(() => rig?.[Symbol.asyncDispose]());
    const up = (...buses: GroupBus[]) => until(() => buses.every(({ state }) => state.up), "all buses are up");

    it("listens again by itself, and tells once that something may be missing", async () => {
      const meter = createGroupMeter(systemClock);
      await using bus = await rig.openBus(meter);
      const channels = Array.from({ length: 600 }, () => freshName());
      const heard = channels.map(() => hearing());
      await Promise.all(channels.map((channel, index) => bus.subscribe(channel, heard[index] as Heard)));
      await rig.cut("s");
      await until(() => heard.every(({ gaps }) => gaps === 1), "each is told");
      await up(bus);
      await Promise.all(channels.map((channel) => bus.publish(channel, bytesOf("after"))));
      await until(() => heard.every(({ texts }) => texts.length === 1), "each hears");
      expect(heard.every(({ gaps }) => gaps === 1)).toBe(true);
      expect(meter.counts().reconnects.error).toBeGreaterThan(0);
    });

    it("stands it to be cut ten times in a second", async () => {
      await using bus = await rig.openBus();
      const channels = Array.from({ length: 50 }, () => freshName());
      const heard = channels.map(() => hearing());
      await Promise.all(channels.map((channel, index) => bus.subscribe(channel, heard[index] as Heard)));
      for (let times = 0; times < 10; times += 1) {
        await rig.cut();
        await new Promise((resolve) => setTimeout(resolve, 50)); // ten times within about a second
      }
      for (const [index, channel] of channels.entries()) await heardAgain(bus, channel, heard[index] as Heard, "after");
      for (const { gaps } of heard) expect(gaps).toBeGreaterThan(0);
    });

    it("refuses at once what is published without a connection, and keeps none of it for later", async () => {
      await using bus = await rig.openBus();
      await using other = await rig.openBus();
      const channel = freshName();
      const heard = hearing();
      await using _subscription = await other.subscribe(channel, heard);
      await rig.cut("p");
      const refused: string[] = [];
      let count = 0;
      await until(async () => {
        count += 1;
        const start = performance.now();
        await bus.publish(channel, bytesOf(`n${count}`)).catch(() => refused.push(`n${count}`));
        expect(performance.now() - start).toBeLessThan(2000);
        return refused.length > 0 && !refused.includes(`n${count}`);
      }, "it is refused, and then goes through again");
      await heardAgain(bus, channel, heard, "after");
      expect(heard.texts.filter((text) => refused.includes(text))).toEqual([]);
    });

    it("refuses every call within 2 s while the servers are frozen, and brings nothing of it later", async () => {
      await using bus = await rig.openBus();
      const channel = freshName();
      const heard = hearing();
      await using _subscription = await bus.subscribe(channel, heard);
      for (const server of rig.servers) server.freeze();
      try {
        const calls = [
          () => bus.publish(channel, bytesOf("first")),
          () => bus.subscribe(freshName(), hearing()),
          () => bus.records.put(freshName("end"), bytesOf("x"), 1000),
          () => bus.records.change(freshName("s"), { set: new Map([["a", bytesOf("1")]]), lifeMs: 1000 }),
        ];
        for (const took of await Promise.all(calls.map(refusedAfterMs))) expect(took).toBeLessThan(2100);
        await until(() => !bus.state.up, "the bus is down", 2000);
        for (let times = 0; times < 20; times += 1)
          expect(await refusedAfterMs(() => bus.publish(channel, bytesOf("stale")))).toBeLessThan(100);
        expect(await refusedAfterMs(() => bus.subscribe(freshName(), hearing()))).toBeLessThan(2100);
      } finally {
        for (const server of rig.servers) server.thaw();
      }
      await up(bus);
      await heardAgain(bus, channel, heard, "after");
      expect(heard.texts).not.toContain("stale");
      expect(heard.gaps).toBeGreaterThan(0);
    });
  });
}
