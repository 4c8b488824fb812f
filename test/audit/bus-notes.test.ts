import { randomBytes } from "node:crypto";
import { beforeEach, expect, test } from "vitest";
import type { AuditEvent } from "../../server/audit.ts";
import { type BusNotes, createBusNotes } from "../../server/bus-notes.ts";
import type { BusState, GroupBus } from "../../server/group/bus.ts";
import { createGroupMeter } from "../../server/group/meter.ts";
import { createHeldClock, type HeldClock } from "../support/held-clock.ts";
import { dataOf, wholeAuditOf } from "../support/recordings-of.ts";
import { createTestGroup } from "../support/test-group.ts";
import { until } from "../support/until.ts";

let clock: HeldClock;
let noted: AuditEvent[];
let notes: BusNotes;
beforeEach(() => {
  clock = createHeldClock();
  noted = [];
  notes = createBusNotes({ note: (event) => void noted.push(event) }, clock);
});

test("a flood of forged messages is one line a minute, which says how many there were, and the meter counts each", () => {
  const meter = notes.metered(createGroupMeter(clock));
  for (let count = 0; count < 10_000; count += 1) meter.rejected(count % 2 === 0 ? "forged" : "malformed");
  expect(noted).toEqual([{ event: "bus-forged", detail: "forged" }]);
  clock.pass(60_000);
  expect(noted.slice(1)).toEqual([{ event: "bus-forged", detail: "malformed, forged", times: 9_999 }]);
  clock.pass(600_000);
  meter.gap("hole");
  expect(noted.slice(2)).toEqual([{ event: "bus-gap", detail: "hole" }]);
  expect(meter.counts()).toMatchObject({ rejected: { forged: 5_000, malformed: 5_000 }, gaps: { hole: 1 } });
});

test("a bus that is lost and comes back is told with how long it was away, and one that flaps does not fill the log", () => {
  let tell: (state: BusState) => void = () => {};
  const up = { up: true, sinceMs: 0 } as const;
  const down = { up: false, sinceMs: 0, reason: "timeout" } as const;
  notes.follow({
    state: up,
    onState(listener) {
      tell = listener;
      return { [Symbol.dispose]: () => {} };
    },
  });
  tell(down);
  clock.pass(5_000);
  tell(up);
  expect(noted).toEqual([
    { event: "redis-lost", cause: "timeout" },
    { event: "redis-back", awayMs: 5_000 },
  ]);
  for (let count = 0; count < 20; count += 1) {
    tell(down);
    clock.pass(100);
    tell(up);
    clock.pass(100);
  }
  expect(noted).toHaveLength(2);
  clock.pass(60_000);
  expect(noted.slice(2)).toEqual([
    { event: "redis-lost", cause: "timeout", times: 20 },
    { event: "redis-back", awayMs: 2_000 },
  ]);
  tell(down);
  notes[Symbol.dispose]();
  expect(noted.slice(4)).toEqual([{ event: "redis-lost", cause: "timeout" }]);
});

test("a node of a group notes a message that no node signed, and says nothing of a bus that it closes itself", async () => {
  const group = createTestGroup();
  const bus = group.hub.openBus();
  const channels: string[] = [];
  const subscribe: GroupBus["subscribe"] = (channel, listener) => {
    channels.push(channel);
    return bus.subscribe(channel, listener);
  };
  await using node = await group.open("n1", {
    bus: Object.create(bus, { subscribe: { value: subscribe } }) as GroupBus,
  });
  await using stranger = group.hub.openBus();
  await until(async () => {
    for (const channel of channels) await stranger.publish(channel, randomBytes(100));
    return wholeAuditOf(dataOf(node)).some(({ event }) => event === "bus-forged");
  }, "it is noted");
  expect(wholeAuditOf(dataOf(node)).filter(({ event }) => event === "redis-lost")).toEqual([]);
});
