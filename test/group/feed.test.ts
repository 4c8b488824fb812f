/** What a session sends to other nodes, and when: with a clock that moves when the test says so. */
import { beforeEach, describe, expect, it } from "vitest";
import type { KeyFrame, SessionEvent, SessionId } from "../../server/events.ts";
import { Feed } from "../../server/group/feed.ts";
import { frameOf, type Outgoing } from "../../server/group/frame.ts";
import { createGroupMeter, type GroupMeter } from "../../server/group/meter.ts";
import { watchTiming } from "../../server/group/watch-timing.ts";
import { Ring } from "../../server/session/ring.ts";
import { createHeldClock, type HeldClock } from "../support/held-clock.ts";

const size = { cols: 80, rows: 24 };
let clock: HeldClock;
let meter: GroupMeter;
let ring: Ring;
let offset: number;
let sent: Outgoing[];
let publish: (frame: Outgoing) => Promise<number>;
let frames: { readonly resolve: (frame: KeyFrame) => void }[];
let unheard: number;
let up: boolean;
let feed: Feed;

beforeEach(() => {
  clock = createHeldClock();
  meter = createGroupMeter(clock);
  ring = new Ring();
  [offset, sent, frames, unheard, up] = [0, [], [], 0, true];
  publish = async () => 1;
  feed = new Feed({
    ...{ clock, timing: watchTiming, meter, sessionId: "s" as SessionId, epoch: "e", size, offset: 0 },
    keyFrame: () => new Promise((resolve) => frames.push({ resolve })),
    since: (from) => ring.since(from),
    publish: (frame) => {
      sent.push(frame);
      return publish(frame);
    },
    busIsUp: () => up,
    unheard: () => {
      unheard += 1;
    },
  });
});

/** As the session does: the ring first, then those who listen. */
function print(bytes: number): void {
  const event: SessionEvent = { kind: "output", offset, atMs: 0, bytes: Buffer.alloc(bytes, 65) };
  offset += bytes;
  ring.add(event);
  if (event.kind === "output") feed.output(event);
}

/** Promises that are settled by now have had their effect. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

async function draw(): Promise<void> {
  frames.shift()?.resolve({
    ...{ kind: "key-frame", offset, atMs: 0, size, bytes: Buffer.from("screen"), skippedBytes: 0, approximate: false },
  });
  await settled();
}

const seen = () =>
  sent.map(({ kind, flags, plain }) => {
    const frame = frameOf(kind, flags, plain);
    if (frame === undefined) return "nonsense";
    if (frame.kind === "word") return frame.word.kind;
    return frame.kind === "data" ? `${frame.offset}+${frame.bytes.length}` : `key ${frame.offset}`;
  });

describe("a resize", () => {
  it("that could not be sent is sent again, although nothing is printed after it", async () => {
    print(10);
    await settled();
    const resize: SessionEvent = { kind: "resize", offset, atMs: 0, size: { cols: 100, rows: 30 } };
    ring.add(resize);
    publish = () => Promise.reject(new Error("the bus is slow"));
    feed.word(resize);
    await settled();
    publish = async () => 1;
    clock.pass(watchTiming.againMs);
    await settled();
    expect(seen()).toEqual(["0+10", "resize", "resize"]);
  });
});

describe("output", () => {
  it("goes at once when nothing went just before; what follows within 8 ms goes together", () => {
    print(10);
    expect(seen()).toEqual(["0+10"]);
    print(10);
    print(10);
    clock.pass(7);
    expect(seen()).toEqual(["0+10"]);
    clock.pass(1);
    expect(seen()).toEqual(["0+10", "10+20"]);
    clock.pass(8);
    print(5);
    expect(seen()).toEqual(["0+10", "10+20", "30+5"]);
  });

  it("goes before 8 ms are over once 16 KiB wait, in frames of at most 32 KiB", () => {
    print(10);
    print(40 * 1024);
    expect(seen()).toEqual(["0+10", `10+${32 * 1024}`, `${10 + 32 * 1024}+${8 * 1024}`]);
  });

  it("is gathered for longer when the bus is slow, up to 100 ms", async () => {
    const slow = async (ms: number) => {
      const answer = Promise.withResolvers<number>();
      publish = () => answer.promise;
      print(1);
      clock.pass(ms);
      answer.resolve(1);
      await settled();
      clock.pass(200);
    };
    for (let times = 0; times < 40; times += 1) await slow(25);
    publish = async () => 1;
    print(1);
    const before = sent.length;
    print(1);
    clock.pass(35);
    expect(sent.length).toBe(before);
    clock.pass(20);
    expect(sent.length).toBe(before + 1);
    for (let times = 0; times < 60; times += 1) await slow(900);
    publish = async () => 1;
    print(1);
    const then = sent.length;
    print(1);
    clock.pass(99);
    expect(sent.length).toBe(then);
    clock.pass(1);
    expect(sent.length).toBe(then + 1);
  });

  it("keeps words in their places, and sends them at once", () => {
    print(3);
    print(4);
    feed.word({ kind: "resize", offset, atMs: 0, size: { cols: 90, rows: 30 } });
    expect(seen()).toEqual(["0+3", "3+4", "resize"]);
  });

  it("that could not be published goes again with what follows, as long as that is short; else a key frame does", async () => {
    publish = () => Promise.reject(new Error("down"));
    print(10);
    await settled();
    publish = async () => 1;
    clock.pass(8);
    print(5);
    expect(seen()).toEqual(["0+10", "0+15"]);
    publish = () => Promise.reject(new Error("down"));
    clock.pass(8);
    print(20_000);
    await settled();
    publish = async () => 1;
    clock.pass(250);
    expect(seen().at(-1)).toBe("15+20000");
    publish = () => Promise.reject(new Error("down"));
    clock.pass(300);
    print(30_000);
    await settled();
    clock.pass(240);
    print(30_000);
    await settled();
    publish = async () => 1;
    clock.pass(250);
    await draw();
    expect(seen().at(-1)).toBe(`key ${offset}`);
    expect(meter.counts().publishFailures).toBeGreaterThan(2);
  });

  it("is not even sealed while the bus is down, and made good for when it is up", async () => {
    up = false;
    print(10);
    clock.pass(1000);
    print(10);
    clock.pass(1000);
    expect(sent).toEqual([]);
    up = true;
    feed.retry();
    expect(seen()).toEqual(["0+20"]);
  });

  it("that nobody took for a second ends the publishing; a single such frame does not", async () => {
    publish = async () => 0;
    print(1);
    await settled();
    clock.pass(900);
    print(1);
    await settled();
    expect(unheard).toBe(0);
    publish = async () => 1;
    clock.pass(50);
    print(1);
    await settled();
    publish = async () => 0;
    clock.pass(100);
    print(1);
    await settled();
    expect(unheard).toBe(0);
    clock.pass(1000);
    print(1);
    await settled();
    expect(unheard).toBe(1);
  });
});

describe("a key frame", () => {
  it("stands behind what came before it, and before what came while it was made", async () => {
    print(3);
    print(4);
    feed.wantKeyFrame();
    expect(seen()).toEqual(["0+3", "3+4"]);
    const at = offset;
    print(5);
    clock.pass(100);
    expect(seen()).toEqual(["0+3", "3+4"]);
    frames.shift()?.resolve({
      ...{ kind: "key-frame", offset: at, atMs: 0, size, bytes: Buffer.from("s"), skippedBytes: 0, approximate: false },
    });
    await settled();
    expect(seen()).toEqual(["0+3", "3+4", "key 7", "7+5"]);
  });

  it("is one for all who want one within 250 ms", async () => {
    for (let times = 0; times < 100; times += 1) feed.wantKeyFrame();
    expect(frames.length).toBe(1);
    await draw();
    for (let times = 0; times < 100; times += 1) feed.wantKeyFrame();
    clock.pass(249);
    expect(frames.length).toBe(0);
    clock.pass(1);
    expect(frames.length).toBe(1);
    await draw();
    expect(seen()).toEqual(["key 0", "key 0"]);
    expect(meter.counts()).toMatchObject({ keyFramesSent: 2, keyFramesShared: 198 });
  });
});

describe("a flood", () => {
  it("of more than 64 KiB in a quarter of a second is key frames alone, one each 100 ms, until half a second is calm", async () => {
    for (let times = 0; times < 9; times += 1) print(8 * 1024);
    const data = seen().length;
    expect(data).toBeLessThan(9);
    for (let tenths = 0; tenths < 10; tenths += 1) {
      for (let times = 0; times < 10; times += 1) print(10_000);
      await draw();
      clock.pass(100);
    }
    await draw();
    const keys = seen().slice(data);
    expect(keys.every((each) => each.startsWith("key"))).toBe(true);
    expect(keys.length).toBeGreaterThan(8);
    expect(keys.length).toBeLessThanOrEqual(11);
    clock.pass(1200);
    await draw();
    const calm = seen().length;
    print(10);
    expect(seen().length).toBe(calm + 1);
    expect(seen().at(-1)).toBe(`${offset - 10}+10`);
    expect(meter.counts().floodMs).toBeGreaterThan(900);
  });

  it("that ends the session shows its last screen before the last word, also when one is just being made", async () => {
    for (let times = 0; times < 20; times += 1) print(8 * 1024);
    print(8 * 1024);
    feed.ended({ kind: "ended", offset, atMs: 0, cause: { kind: "exited", code: 0 } }, false);
    await draw();
    await draw();
    expect(seen().slice(-2)).toEqual([`key ${offset}`, "ended"]);
  });
});

it("a kick's word goes ahead of everything that waits", () => {
  print(3);
  print(4);
  feed.wantKeyFrame();
  print(5);
  const kicked = { kind: "kicked", by: { name: "root" }, reason: "out" } as const;
  feed.ended({ kind: "ended", offset, atMs: 0, cause: kicked }, true);
  expect(seen()).toEqual(["0+3", "3+4", "ended"]);
});
