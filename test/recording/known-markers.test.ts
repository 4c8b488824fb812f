import { appendFileSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { RecordingId } from "../../server/events.ts";
import { recordingPaths } from "../../server/recording/archive.ts";
import { createKnownMarkers } from "../../server/recording/known-markers.ts";
import { type CastMaker, makeCast, makeKey, startFor } from "./cast-maker.ts";

const key = makeKey();
const signal = new AbortController().signal;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bartizan-markers-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function begin(number: number): { id: RecordingId; path: string; maker: CastMaker } {
  const start = startFor(number);
  const id = start.id as RecordingId;
  const { plain: path } = recordingPaths(folder, id);
  return { id, path, maker: makeCast(start, key) };
}

const told = (markers: readonly { atMs: number; text: string }[]) => markers.map(({ atMs, text }) => `${atMs} ${text}`);

describe("what a timeline marks", () => {
  it("costs one reading of a sealed file, however often it is asked for", async () => {
    const { id, path, maker } = begin(1);
    maker.output("x", 10);
    maker.resize({ cols: 90, rows: 30 }, 20);
    maker.end({ kind: "kicked", by: { name: "root" }, reason: "over" });
    writeFileSync(path, maker.take());
    const markersOf = createKnownMarkers(folder);
    const expected = ["20 90x30", "20 root: over"];
    const both = await Promise.all([
      markersOf({ id, state: "sealed" }, signal),
      markersOf({ id, state: "sealed" }, signal),
    ]);
    for (const markers of both) expect(told(markers)).toEqual(expected);
    // Nothing else could tell that it is not read again.
    truncateSync(path, 0);
    expect(told(await markersOf({ id, state: "sealed" }, signal))).toEqual(expected);
  });

  it("goes on where it was while the session runs, and begins anew when the recorder took something back", async () => {
    const { id, path, maker } = begin(1);
    maker.resize({ cols: 90, rows: 30 }, 20);
    writeFileSync(path, maker.take());
    const markersOf = createKnownMarkers(folder);
    expect(told(await markersOf({ id, state: "live" }, signal))).toEqual(["20 90x30"]);
    maker.resize({ cols: 91, rows: 31 }, 30);
    const whole = maker.take();
    appendFileSync(path, whole.subarray(0, 5));
    expect(told(await markersOf({ id, state: "live" }, signal))).toEqual(["20 90x30"]);
    appendFileSync(path, whole.subarray(5));
    expect(told(await markersOf({ id, state: "live" }, signal))).toEqual(["20 90x30", "30 91x31"]);
    appendFileSync(path, "no line of ours\n");
    await markersOf({ id, state: "live" }, signal);
    maker.end({ kind: "exited", code: 0 });
    truncateSync(path, maker.position - maker.take().length);
    expect(told(await markersOf({ id, state: "live" }, signal))).toEqual(["20 90x30", "30 91x31"]);
  });

  it("of a large file lets others run, and a reader who leaves loses nothing for the next", async () => {
    const { id, path, maker } = begin(1);
    for (let atMs = 1; maker.position < 40_000_000; atMs += 1) maker.output("y".repeat(30_000), atMs);
    maker.resize({ cols: 90, rows: 30 }, maker.lastMs);
    maker.end({ kind: "exited", code: 0 });
    writeFileSync(path, maker.take());
    const markersOf = createKnownMarkers(folder);
    const leaving = new AbortController();
    const left = markersOf({ id, state: "sealed" }, leaving.signal);
    const next = markersOf({ id, state: "sealed" }, signal);
    left.catch(() => {});
    let turns = 0;
    let over = false;
    void next.finally(() => {
      over = true;
    });
    while (!over) {
      await new Promise((resolve) => setImmediate(resolve));
      turns += 1;
      if (turns === 20) leaving.abort(new Error("left"));
    }
    await expect(left).rejects.toThrow("left");
    expect(turns).toBeGreaterThan(100);
    expect(told(await next)).toEqual([`${maker.lastMs} 90x30`]);
  });

  it("is none where the file is gone, and what came before the damage where it is damaged", async () => {
    const { id, path, maker } = begin(1);
    const markersOf = createKnownMarkers(folder);
    expect(await markersOf({ id, state: "sealed" }, signal)).toEqual([]);
    maker.resize({ cols: 90, rows: 30 }, 20);
    for (let atMs = 30; maker.position < 600_000; atMs += 1) maker.output("y".repeat(30_000), atMs);
    maker.raw("no line of ours");
    writeFileSync(path, maker.take());
    expect(told(await markersOf({ id, state: "sealed" }, signal))).toEqual(["20 90x30"]);
  });

  it("is kept for so many recordings only", async () => {
    const markersOf = createKnownMarkers(folder);
    const made = Array.from({ length: 25 }, (_, number) => {
      const { id, path, maker } = begin(number + 1);
      for (let count = 0; count < 1000; count += 1) maker.resize({ cols: 80 + (count % 2), rows: 24 }, count);
      writeFileSync(path, maker.take());
      return { id, path };
    });
    for (const { id } of made) expect(await markersOf({ id, state: "sealed" }, signal)).toHaveLength(1000);
    for (const { path } of made) truncateSync(path, 0);
    expect(await markersOf({ id: made.at(-1)?.id as RecordingId, state: "sealed" }, signal)).toHaveLength(1000);
    expect(await markersOf({ id: made[0]?.id as RecordingId, state: "sealed" }, signal)).toHaveLength(0);
  });
});
