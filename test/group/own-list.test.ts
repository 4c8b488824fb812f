/** What a node says of its own sessions, when nobody takes it. */
import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import type { SessionId, SessionInfo } from "../../server/events.ts";
import { systemClock } from "../../server/flow/clock.ts";
import { createMemoryHub } from "../../server/group/memory-bus.ts";
import { createGroupMeter } from "../../server/group/meter.ts";
import { createNames, createNodeId } from "../../server/group/names.ts";
import { openOwnList } from "../../server/group/own-list.ts";
import { createSealer } from "../../server/group/seal.ts";
import { createSealed } from "../../server/group/sealed.ts";
import { timing } from "../../server/group/timing.ts";
import { createLog } from "../../server/log.ts";
import { cuttable } from "../support/cuttable-bus.ts";

test("ends that the bus does not take are kept up to a bound, the newest, and none stays on the list", async () => {
  const clock = systemClock;
  const log = createLog("silent");
  const meter = createGroupMeter(clock);
  const self = createNodeId("web1");
  const names = createNames("bz");
  await using bus = cuttable(createMemoryHub(clock).openBus());
  const sealer = createSealer({ keys: [randomBytes(32)], self, clock, log, meter });
  const written: SessionId[] = [];
  let changed: (info: SessionInfo) => void = () => {};
  await using own = openOwnList({
    ...{ bus, names, sealed: createSealed(sealer), self, clock, log, meter, timing },
    tombstones: { put: async ({ id }) => void written.push(id), find: async () => undefined },
    registry: {
      list: () => [],
      onChange(listener) {
        changed = listener;
        return { [Symbol.dispose]: () => {} };
      },
    },
    ...{ node: "web1", address: "", version: "1", ticks: () => [], orderOf: () => "" },
  });
  const session = (at: number, state: SessionInfo["state"]): SessionInfo => ({
    ...{ id: `${self}-${String(at).padStart(12, "A")}` as SessionId, epoch: "e", node: self, state },
    ...{ target: "t", targetUser: "u", labels: {}, operator: { name: "alice" }, attachments: [], outputBytes: 0 },
    ...{ openedAtMs: 0, activeAtMs: 0, size: { cols: 80, rows: 24 }, recorded: false },
    ...(state === "ended" ? { ended: { offset: 0, atMs: 0, cause: { kind: "exited", code: 0 } } } : {}),
  });
  await own.renew();
  for (let at = 0; at < 10; at += 1) changed(session(at, "attached"));
  await own.told(session(0, "attached").id);
  await bus.cut();
  for (let at = 0; at < 5000; at += 1) changed(session(at, "ended"));
  await bus.mend();
  await own.told(session(4999, "ended").id);
  expect(written.length).toBeLessThanOrEqual(2000);
  expect(written.at(-1)).toBe(session(4999, "ended").id);
  expect([...(await bus.records.fields(names.sessions(self))).keys()]).toEqual(["#"]);
});
