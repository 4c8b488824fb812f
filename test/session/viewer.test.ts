import { describe, expect, it } from "vitest";
import type { KeyFrame, SessionEvent, ViewItem } from "../../server/events.ts";
import { type Clock, systemClock } from "../../server/flow/clock.ts";
import { Viewer } from "../../server/session/viewer.ts";
import { createHeldClock } from "../support/held-clock.ts";

/** A viewer fed by one writer whose key frames are the offsets at which they were asked for. */
function rig(boundBytes?: number, clock: Clock = systemClock) {
  let offset = 0;
  const frames: number[] = [];
  const keyFrame = async (): Promise<KeyFrame> => {
    frames.push(offset);
    return {
      ...{ kind: "key-frame", offset, atMs: 0, size: { cols: 80, rows: 24 } },
      ...{ bytes: new Uint8Array(), skippedBytes: 0, approximate: false },
    };
  };
  const viewer = new Viewer({
    clock,
    keyFrame,
    boundBytes: boundBytes === undefined ? undefined : () => boundBytes,
  });
  const write = (length: number) => {
    viewer.push({ kind: "output", offset, atMs: 0, bytes: new Uint8Array(length).fill(offset) });
    offset += length;
  };
  const ended = (): SessionEvent & { kind: "ended" } => ({
    ...{ kind: "ended", offset, atMs: 0 },
    cause: { kind: "exited", code: 0 },
  });
  return { viewer, write, ended, frames, end: () => offset };
}

async function all(viewer: Viewer): Promise<ViewItem[]> {
  const items: ViewItem[] = [];
  for (let item = await viewer.take(); item !== undefined; item = await viewer.take()) items.push(item);
  return items;
}

/** Checks that output continues without hole or double except over key frames; returns bytes shown and skipped. */
function coverage(items: readonly ViewItem[]): { shown: number; skipped: number } {
  let at = 0;
  let shown = 0;
  let skipped = 0;
  for (const item of items) {
    if (item.kind === "key-frame") {
      skipped += item.skippedBytes;
      at = item.offset;
    } else if (item.kind === "output") {
      expect(item.offset).toBe(at);
      at += item.bytes.length;
      shown += item.bytes.length;
    }
  }
  return { shown, skipped };
}

describe("a viewer", () => {
  it("that keeps up gets every byte in order, then the end", async () => {
    const { viewer, write, ended, end } = rig(64 * 1024);
    const taking = all(viewer);
    for (let step = 0; step < 200; step += 1) {
      write(100);
      await Promise.resolve();
    }
    viewer.push(ended());
    const items = await taking;
    expect(coverage(items)).toEqual({ shown: end(), skipped: 0 });
    expect(items.at(-1)?.kind).toBe("ended");
  });

  it("that lags gets a key frame and is told how much it skipped, to the byte", async () => {
    const { viewer, write, ended, frames, end } = rig(10_000);
    for (let step = 0; step < 100; step += 1) write(1000);
    expect(viewer.waitingBytes).toBeLessThanOrEqual(10_000);
    const first = await viewer.take();
    expect(first).toMatchObject({ kind: "key-frame", offset: end(), skippedBytes: end() });
    write(500);
    viewer.push(ended());
    const rest = await all(viewer);
    expect(rest.map((item) => item.kind)).toEqual(["output", "ended"]);
    expect(frames).toHaveLength(1);
  });

  it("in a flood gets at most ten key frames a second and every byte is either shown or counted as skipped", async () => {
    const { viewer, write, ended, frames, end } = rig(10_000);
    const taking = all(viewer);
    const start = performance.now();
    while (performance.now() - start < 450) {
      for (let step = 0; step < 20; step += 1) write(1000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    viewer.push(ended());
    const { shown, skipped } = coverage(await taking);
    expect(shown + skipped).toBe(end());
    // One at the beginning, one at the end, and ten in each second that it really took.
    expect(frames.length).toBeLessThanOrEqual(2 + (performance.now() - start) / 100);
  });

  it("without a bound loses nothing however slow it is", async () => {
    const { viewer, write, ended, end } = rig();
    for (let step = 0; step < 500; step += 1) write(1000);
    viewer.push(ended());
    expect(coverage(await all(viewer))).toEqual({ shown: end(), skipped: 0 });
  });

  it("is told the last word of a kick ahead of all output that waits, and counts as told when it comes back", async () => {
    const { viewer, write, ended } = rig();
    write(50_000);
    viewer.cut(ended());
    const told = viewer.told();
    expect((await viewer.take())?.kind).toBe("ended");
    expect(await viewer.take()).toBeUndefined();
    expect(await told).toBe(true);
  });

  it("that leaves before it took the last word was not told", async () => {
    const { viewer, ended } = rig();
    viewer.push(ended());
    const told = viewer.told();
    viewer.close(new Error("left"));
    expect(await told).toBe(false);
    await expect(viewer.take()).rejects.toThrow("left");
  });

  it("gets output that follows other output merged after 8 ms, and the echo of a key without any wait", async () => {
    const clock = createHeldClock();
    const { viewer, write } = rig(undefined, clock);
    write(1);
    await viewer.take();
    write(1);
    let merged = false;
    const taking = viewer.take().then(() => {
      merged = true;
    });
    clock.pass(7);
    await new Promise((resolve) => setImmediate(resolve));
    expect(merged).toBe(false);
    clock.pass(1);
    await taking;
    viewer.hurry();
    write(1);
    // No time passes here: were the echo held back, this would never resolve.
    expect(await viewer.take()).toMatchObject({ kind: "output", offset: 2 });
  });
});
