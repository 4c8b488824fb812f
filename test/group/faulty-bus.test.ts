import { expect, it } from "vitest";
import { systemClock } from "../../server/flow/clock.ts";
import { BusDown } from "../../server/group/bus.ts";
import { createMemoryHub } from "../../server/group/memory-bus.ts";
import { createFaultyBus } from "../support/faulty-bus.ts";
import { until } from "../support/until.ts";
import { busContract, bytesOf, hearing } from "./bus-contract.ts";

busContract("memory, through a decorator that lets all pass", async () => {
  const hub = createMemoryHub(systemClock);
  return {
    openBus: async () => createFaultyBus(hub.openBus(), systemClock),
    connections: async () => 0,
    [Symbol.asyncDispose]: async () => {},
  };
});

it("loses, doubles, delays and reorders what it is told to, and is cut off and mended", async () => {
  const hub = createMemoryHub(systemClock);
  await using bus = createFaultyBus(hub.openBus(), systemClock);
  const heard = hearing();
  await using _subscription = await bus.subscribe("a", heard);
  bus.outgoing = (_channel, message) => {
    const text = String(Buffer.from(message));
    return text === "slow" ? { afterMs: 50 } : text === "lost" ? "drop" : text === "twin" ? "twice" : "pass";
  };
  for (const text of ["one", "slow", "lost", "twin"]) await bus.publish("a", bytesOf(text));
  await until(() => heard.texts.includes("slow"), "the slow one has come");
  expect(heard.texts).toEqual(["one", "twin", "twin", "slow"]);
  bus.outgoing = (_channel, _message, count) => (count === 5 ? "later" : "pass");
  for (const text of ["five", "six"]) await bus.publish("a", bytesOf(text));
  await until(() => heard.texts.includes("five"), "the late one has come");
  expect(heard.texts.slice(4)).toEqual(["six", "five"]);
  bus.cut();
  await expect(bus.publish("a", bytesOf("no"))).rejects.toThrow(BusDown);
  await expect(bus.records.get("x")).rejects.toThrow(BusDown);
  bus.mend();
  expect([heard.gaps, bus.state.up]).toEqual([1, true]);
  bus.incoming = () => "drop";
  await bus.publish("a", bytesOf("unheard"));
  bus.incoming = () => "pass";
  await bus.publish("a", bytesOf("heard"));
  await until(() => heard.texts.includes("heard"), "it is heard");
  expect(heard.texts).not.toContain("unheard");
});
