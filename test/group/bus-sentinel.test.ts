import { describe, expect, it } from "vitest";
import { openSentinels } from "../support/redis.ts";
import { redisBuses } from "../support/redis-buses.ts";
import { until } from "../support/until.ts";
import { busContract, bytesOf, freshName, hearing } from "./bus-contract.ts";
import { heardAgain, interruptedBus } from "./bus-interruptions.ts";

async function open() {
  const sentinels = await openSentinels();
  return redisBuses({ sentinels: sentinels.config }, sentinels.pair, sentinels);
}

busContract("sentinels", open);
interruptedBus("sentinels", open);
describe("a bus over sentinels when the master changes", () => {
  async function playing() {
    await using opening = new AsyncDisposableStack();
    const sentinels = opening.use(await openSentinels());
    const rig = redisBuses({ sentinels: sentinels.config }, sentinels.pair, sentinels);
    const bus = opening.use(await rig.openBus());
    const channel = freshName();
    const heard = hearing();
    await bus.subscribe(channel, heard);
    const first = await sentinels.master();
    const held = opening.move();
    return { sentinels, bus, channel, heard, first, [Symbol.asyncDispose]: () => held.disposeAsync() };
  }

  it("follows when it is ordered to", async () => {
    await using play = await playing();
    const { sentinels, bus, channel, heard, first } = play;
    await sentinels.sentinels[0]?.cli("sentinel", "failover", sentinels.config.name);
    await until(async () => (await sentinels.master()) !== first, "there is another master");
    await heardAgain(bus, channel, heard, "after");
    const next = await sentinels.master();
    await bus.records.put("bz:after", bytesOf("x"), 60_000);
    expect(await next.cli("exists", "bz:after")).toBe("1");
  });

  it("follows when the master is frozen, and stays when it comes back as a replica", async () => {
    await using play = await playing();
    const { sentinels, bus, channel, heard, first } = play;
    first.freeze();
    const start = performance.now();
    await until(async () => (await sentinels.master()) !== first, "there is another master");
    await heardAgain(bus, channel, heard, "after");
    expect(performance.now() - start).toBeLessThan(12_000);
    first.thaw();
    await until(async () => (await first.cli("role")).startsWith("slave"), "the old one is a replica");
    await heardAgain(bus, channel, heard, "at the end");
    expect(bus.state.up).toBe(true);
  });

  it("follows when the master is gone", async () => {
    await using play = await playing();
    const { sentinels, bus, channel, heard, first } = play;
    await first.stop();
    await until(async () => (await sentinels.master()) !== first, "there is another master");
    await heardAgain(bus, channel, heard, "after");
  });
});
