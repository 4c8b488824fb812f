import { describe, expect, it } from "vitest";
import type { SessionEvent } from "../../server/events.ts";
import { Ring } from "../../server/session/ring.ts";
import { randomFrom } from "../support/random.ts";

const output = (offset: number, bytes: Uint8Array): SessionEvent => ({ kind: "output", offset, atMs: 0, bytes });

/** What `since` gives, joined; undefined stays. */
function bytesOf(events: readonly SessionEvent[] | undefined): Buffer | undefined {
  return events && Buffer.concat(events.map((event) => (event.kind === "output" ? event.bytes : new Uint8Array())));
}

describe("the ring", () => {
  it("gives exactly the bytes after an offset as long as it holds them, and nothing else", () => {
    const random = randomFrom(7);
    for (let round = 0; round < 40; round += 1) {
      const capacity = 1 + random.below(40_000);
      const ring = new Ring(capacity);
      let all = Buffer.alloc(0);
      for (let step = 0; step < 60; step += 1) {
        const bytes = random.bytes(random.below(step % 7 === 0 ? 3 * capacity : 2000));
        ring.add(output(all.length, bytes));
        all = Buffer.concat([all, bytes]);
        for (const offset of [0, all.length, random.below(all.length + 1), Math.max(0, all.length - capacity)]) {
          const got = bytesOf(ring.since(offset));
          if (all.length - offset > capacity) expect(got).toBeUndefined();
          else if (got === undefined) expect(all.length - offset).toBeGreaterThan(0);
          else expect(got.equals(all.subarray(offset))).toBe(true);
        }
        expect(bytesOf(ring.since(all.length))?.length).toBe(0);
      }
    }
  });

  it("holds the whole capacity once it is full", () => {
    const ring = new Ring(256 * 1024);
    let offset = 0;
    for (let step = 0; step < 300; step += 1) {
      ring.add(output(offset, new Uint8Array(5000).fill(step)));
      offset += 5000;
    }
    expect(bytesOf(ring.since(offset - 256 * 1024))?.length).toBe(256 * 1024);
    expect(ring.since(offset - 256 * 1024 - 1)).toBeUndefined();
    expect(ring.since(offset + 1)).toBeUndefined();
    expect(ring.since(-1)).toBeUndefined();
    expect(ring.since(Number.NaN)).toBeUndefined();
  });

  it("keeps a resize at its place between the bytes", () => {
    const ring = new Ring();
    ring.add(output(0, Buffer.from("before")));
    ring.add({ kind: "resize", offset: 6, atMs: 1, size: { cols: 100, rows: 30 } });
    ring.add(output(6, Buffer.from("after")));
    const shape = (events: SessionEvent[] | undefined) =>
      events?.map((event) => (event.kind === "output" ? Buffer.from(event.bytes).toString() : event.kind));
    expect(shape(ring.since(2))).toEqual(["fore", "resize", "after"]);
    expect(shape(ring.since(6))).toEqual(["resize", "after"]);
    expect(shape(ring.since(7))).toEqual(["fter"]);
  });
});
