import { expect, test } from "vitest";
import { createGroupMeter } from "../../server/group/meter.ts";

test("counts each thing under its own word", () => {
  const meter = createGroupMeter({ monotonicMs: () => 0 });
  meter.published("data", 300, 2);
  meter.published("data", 200, 0);
  meter.published("key-frame", 5000, 1);
  meter.gap("hole");
  meter.gap("hole");
  meter.gap("tail");
  meter.resumed("ring");
  meter.rejected("forged");
  const counts = meter.counts();
  expect(counts.framesPublished).toEqual({ data: 2, "key-frame": 1 });
  expect(counts).toMatchObject({ bytesPublished: 5500, unheard: 1, resumes: { ring: 1 }, rejected: { forged: 1 } });
  expect(counts.gaps).toEqual({ hole: 2, tail: 1 });
});

test("counts a key frame that three wanted as one sent and two shared", () => {
  const meter = createGroupMeter({ monotonicMs: () => 0 });
  meter.keyFrame(3);
  meter.keyFrame(0);
  expect(meter.counts()).toMatchObject({ keyFramesSent: 2, keyFramesShared: 2 });
});

test("adds up the time the bus is down, also while it still is", () => {
  let nowMs = 100;
  const meter = createGroupMeter({ monotonicMs: () => nowMs });
  meter.bus(false);
  nowMs = 400;
  meter.bus(false);
  expect(meter.counts().downMs).toBe(300);
  nowMs = 600;
  meter.bus(true);
  nowMs = 5000;
  meter.bus(true);
  expect(meter.counts().downMs).toBe(500);
});

test("spreads lags over bounds, and takes one that two clocks made negative for none", () => {
  const meter = createGroupMeter({ monotonicMs: () => 0 });
  for (const lagMs of [-3, 0.4, 7, 9999]) meter.received(1, lagMs);
  const { boundsMs, counts, sumMs } = meter.counts().lagMs;
  expect(counts[0]).toBe(2);
  expect(counts[boundsMs.indexOf(10)]).toBe(1);
  expect(counts.at(-1)).toBe(1);
  expect(sumMs).toBeCloseTo(10006.4);
});
