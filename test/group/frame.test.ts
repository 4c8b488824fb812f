/** Frames of a session's channel: what is sent is what arrives, in pieces or whole, in whatever order it comes. */
import { expect, test } from "vitest";
import type { KeyFrame, SessionEvent, SessionId, TermSize } from "../../server/events.ts";
import {
  dataFrame,
  type Frame,
  frameOf,
  framesOf,
  keyFrames,
  maxFrameBytes,
  type Plain,
  wordFrame,
} from "../../server/group/frame.ts";
import { FrameOrder } from "../../server/group/frame-order.ts";
import { KeyPieces } from "../../server/group/key-pieces.ts";
import { watchTiming } from "../../server/group/watch-timing.ts";
import { createHeldClock } from "../support/held-clock.ts";
import { randomFrom } from "../support/random.ts";

const size = { cols: 80, rows: 24 };
const id = "web1.abcdefghijkm-AAAAAAAAAAAA" as SessionId;
const head = { epoch: "epoch", offset: 7, atMs: 5, size };

function arrived({ kind, flags, plain }: Plain): Frame {
  const frame = frameOf(kind, flags, plain);
  if (frame === undefined) throw new Error("nonsense arrived");
  return frame;
}

test("each word arrives as it was said", () => {
  const who = { id: "a1", who: { name: "carol" }, role: "watcher", sinceMs: 1_700_000_000_000 } as never;
  const words: Parameters<typeof wordFrame>[2][] = [
    { kind: "resize", offset: 7, atMs: 5, size: { cols: 100, rows: 30 } },
    { kind: "joined", offset: 7, atMs: 5, who },
    { kind: "left", offset: 7, atMs: 5, who },
    { kind: "notice", about: "recording", text: "The disk is slow." },
    {
      kind: "command",
      command: {
        ...{ number: 3, text: "ls -l", cwd: "/", startedMs: 4, endedMs: 9, exitCode: 0, outputFrom: 1, outputTo: 7 },
        confidence: "observed",
      },
    },
    { kind: "ended", offset: 7, atMs: 5, cause: { kind: "exited", code: 3 } },
    { kind: "ended", offset: 7, atMs: 5, cause: { kind: "kicked", by: { name: "root" }, reason: "out" } },
    { kind: "ended", offset: 7, atMs: 5, cause: { kind: "closed", why: "unrecorded", detail: "The disk is full." } },
  ];
  for (const word of words)
    expect(arrived(wordFrame(head, id, word))).toEqual({ ...head, kind: "word", ahead: false, word });
  const last = words.at(-1);
  if (last !== undefined) expect(arrived(wordFrame(head, id, last, true))).toMatchObject({ ahead: true });
});

test("a key frame of any length arrives whole, and not at all when a piece of it is lost or out of turn", () => {
  for (const length of [0, 1, maxFrameBytes, maxFrameBytes + 1, 5 * maxFrameBytes - 3]) {
    const frame: KeyFrame = {
      ...{ kind: "key-frame", offset: 12_345, atMs: 99, size, skippedBytes: 0, approximate: length === 1 },
      bytes: randomFrom(length + 1).bytes(length),
    };
    const pieces = keyFrames("epoch", frame).map(arrived) as (Frame & { kind: "key-piece" })[];
    const whole = new KeyPieces();
    const given = pieces.map((piece) => whole.add(piece));
    expect(given.slice(0, -1).every((each) => each === undefined)).toBe(true);
    expect({ ...given.at(-1), bytes: Buffer.from(given.at(-1)?.bytes ?? []) }).toEqual({
      ...frame,
      bytes: Buffer.from(frame.bytes),
    });
    for (let lost = 0; pieces.length > 1 && lost < pieces.length; lost += 1) {
      const holed = new KeyPieces();
      expect(pieces.filter((_piece, at) => at !== lost).map((piece) => holed.add(piece))).not.toContainEqual(
        expect.objectContaining({ kind: "key-frame" }),
      );
    }
  }
});

test("nonsense of one who has the key is nothing, and breaks nothing", () => {
  const random = randomFrom(3);
  for (let times = 0; times < 500; times += 1)
    frameOf(random.below(5), random.below(4), random.bytes(random.below(60)));
  const whole = dataFrame(head, [Buffer.from("x")]).plain;
  for (let length = 0; length < 22; length += 1) expect(frameOf(1, 0, whole.subarray(0, length))).toBe(undefined);
});

test("output and resizes come out in order, each byte once, however the frames came, once what is missing was given", () => {
  for (let seed = 1; seed <= 60; seed += 1) {
    const random = randomFrom(seed);
    const clock = createHeldClock();
    const events: SessionEvent[] = [];
    let offset = 0;
    let now: TermSize = size;
    for (let step = 0; step < 60; step += 1) {
      if (random.below(8) === 0) {
        now = { cols: 40 + random.below(60), rows: 10 + random.below(20) };
        events.push({ kind: "resize", offset, atMs: step, size: now });
      }
      const bytes = random.bytes(1 + random.below(300));
      events.push({ kind: "output", offset, atMs: step, bytes });
      offset += bytes.length;
    }
    const about = { epoch: "epoch", sessionId: id, offset: 0, size };
    const frames = events.flatMap((event) =>
      framesOf([event as never], { ...about, offset: event.offset, size: undefined }),
    );
    const out: SessionEvent[] = [];
    let lacks = 0;
    const order = new FrameOrder({
      ...{ epoch: "epoch", clock, timing: watchTiming },
      deliver: (item) => out.push(item as SessionEvent),
      screen: () => {},
      lacks: () => {
        lacks += 1;
      },
    });
    order.begin(0);
    const late: Plain[] = [];
    for (const frame of frames) {
      const fate = random.below(6);
      if (fate === 0) continue;
      if (fate === 1) late.push(frame);
      else order.take(arrived(frame));
      if (fate === 2) order.take(arrived(frame));
      if (fate === 3) for (const one of late.splice(0)) order.take(arrived(one));
    }
    order.expect(offset);
    clock.pass(200);
    const from = order.next ?? 0;
    expect(order.lacking).toBe(from < offset);
    expect(lacks).toBe(from < offset ? 1 : 0);
    const rest = events.filter((event) =>
      event.kind === "resize"
        ? event.offset >= from
        : event.offset + (event.kind === "output" ? event.bytes.length : 0) > from,
    );
    for (const frame of framesOf(rest as never, { ...about, offset: from, size: undefined }))
      order.take(arrived(frame));
    expect(order.lacking).toBe(false);
    expect(order.next).toBe(offset);
    const bytesOf = (all: readonly SessionEvent[]) =>
      Buffer.concat(all.flatMap((event) => (event.kind === "output" ? [event.bytes] : [])));
    expect(bytesOf(out).equals(bytesOf(events))).toBe(true);
    order[Symbol.dispose]();
  }
});

test("what waits for a missing frame is bounded: beyond 64 KiB the holder is asked at once", () => {
  const clock = createHeldClock();
  let lacks = 0;
  const delivered: unknown[] = [];
  const order = new FrameOrder({
    ...{ epoch: "epoch", clock, timing: watchTiming, screen: () => {} },
    deliver: (item) => delivered.push(item),
    lacks: () => {
      lacks += 1;
    },
  });
  order.begin(0);
  for (let at = 1; at < 40; at += 1)
    order.take(arrived(dataFrame({ ...head, offset: at * 4000, size: undefined }, [Buffer.alloc(4000)])));
  expect(lacks).toBe(1);
  order.take(arrived(dataFrame({ ...head, offset: 0, size: undefined }, [Buffer.alloc(4000)])));
  expect(order.next).toBeLessThanOrEqual(64 * 1024 + 8000);
  expect(delivered.length).toBeGreaterThan(10);
  order[Symbol.dispose]();
});
