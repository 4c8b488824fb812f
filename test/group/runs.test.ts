/** A run that is over is known to be over by the next one on the same folder, until it has said so. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "../../server/flow/clock.ts";
import { createDeadMarkers, openRuns } from "../../server/group/dead-markers.ts";
import { createMemoryHub } from "../../server/group/memory-bus.ts";
import { createGroupMeter } from "../../server/group/meter.ts";
import { createNames, createNodeId, type NodeId } from "../../server/group/names.ts";
import { createSealer } from "../../server/group/seal.ts";
import { createSealed } from "../../server/group/sealed.ts";
import { createLog } from "../../server/log.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bartizan-runs-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const [first, second, third] = ["web1.aaaaaaaaaaaa", "web1.bbbbbbbbbbbb", "web1.cccccccccccc"] as NodeId[] as [
  NodeId,
  NodeId,
  NodeId,
];

test("runs are remembered until they are marked, over any number of starts", async () => {
  expect((await openRuns(folder, first)).former).toEqual([]);
  expect((await openRuns(folder, second)).former).toEqual([first]);
  const runs = await openRuns(folder, third);
  expect(runs.former).toEqual([first, second]);
  await runs.marked();
  expect((await openRuns(folder, createNodeId("web1"))).former).toEqual([third]);
});

test("a run that said good-bye leaves nothing to mark", async () => {
  const runs = await openRuns(folder, first);
  await runs.over();
  expect(readdirSync(folder)).toEqual([]);
  await (await openRuns(folder, second)).over();
  expect((await openRuns(folder, third)).former).toEqual([]);
});

test("a good-bye does not forget those before it that are not marked yet", async () => {
  await openRuns(folder, first);
  await (await openRuns(folder, second)).over();
  expect((await openRuns(folder, third)).former).toEqual([first]);
});

test("what is no id of a run is passed over", async () => {
  writeFileSync(join(folder, "group-runs"), `nonsense\n${first}\n../../etc\n`);
  expect((await openRuns(folder, second)).former).toEqual([first]);
});

test("a marker says it of one run alone, and only who has the key can write it", async () => {
  const hub = createMemoryHub(systemClock);
  const [bus, names, log] = [hub.openBus(), createNames("bz"), createLog("silent")];
  const markersOf = (key: Buffer, self: NodeId) => {
    const sealer = createSealer({ keys: [key], self, clock: systemClock, log, meter: createGroupMeter(systemClock) });
    return createDeadMarkers({ bus, names, sealed: createSealed(sealer), lifeMs: 60_000 });
  };
  const [ours, stranger] = [markersOf(Buffer.alloc(32, 1), second), markersOf(Buffer.alloc(32, 2), third)];
  await stranger.mark(first);
  expect(await ours.isOver(first)).toBe(false);
  await ours.mark(first);
  expect(await ours.isOver(first)).toBe(true);
  expect(await ours.isOver(second)).toBe(false);
  // A marker that was copied to another run's place opens there for nobody.
  const copied = await bus.records.get(names.dead(first));
  await bus.records.put(names.dead(second), copied ?? new Uint8Array(), 60_000);
  expect(await ours.isOver(second)).toBe(false);
});
