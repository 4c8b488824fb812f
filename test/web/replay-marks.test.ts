import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { FoundCommandSchema, MarkerKind, MarkerSchema } from "../../proto/gen/bartizan/v1/recording_pb.ts";
import { commandAt, marksOf, neighbour, type ReplayMark, thinned } from "../../web/replay-marks.ts";

const marker = (atMs: number, kind: MarkerKind, text = "") => create(MarkerSchema, { atMs: BigInt(atMs), kind, text });
const command = (startedMs: number, text: string) =>
  create(FoundCommandSchema, { command: { startedMs: BigInt(startedMs), text } });

test("markers and commands stand in the order of time, and what is not known is left out", () => {
  const markers = [marker(300, MarkerKind.KICK, "boss"), marker(100, 99 as MarkerKind), marker(50, MarkerKind.WATCH)];
  const marks = marksOf(markers, [command(200, "ls"), create(FoundCommandSchema, {})]);
  expect(marks.map(({ atMs, kind }) => [atMs, kind])).toEqual([
    [50, "watch"],
    [200, "command"],
    [300, "kick"],
  ]);
});

test("ten thousand commands leave a timeline with as many marks as it has room for, and never hide a kick", () => {
  const many: ReplayMark[] = Array.from({ length: 10_000 }, (_, at) => ({ atMs: at * 10, kind: "command", text: "x" }));
  const kick: ReplayMark = { atMs: 50_001, kind: "kick", text: "boss" };
  const drawn = thinned([...many, kick], 100_000);
  expect(drawn.length).toBeLessThanOrEqual(300);
  expect(drawn).toContain(kick);
  expect(thinned([kick], 0)).toEqual([kick]);
});

test("the next and the previous mark are not the one that one stands on", () => {
  const marks: ReplayMark[] = [1000, 2000, 3000].map((atMs) => ({ atMs, kind: "resize", text: "" }));
  expect(neighbour(marks, 2000, "next")?.atMs).toBe(3000);
  expect(neighbour(marks, 2000, "previous")?.atMs).toBe(1000);
  expect(neighbour(marks, 2100, "previous")?.atMs).toBe(1000);
  expect(neighbour(marks, 2900, "next")).toBeUndefined();
  expect(neighbour(marks, 1000, "previous")).toBeUndefined();
});

test("the command of a moment is the last that had been entered", () => {
  const commands = [command(100, "a"), command(200, "b")];
  expect([0, 99, 100, 199, 200, 9999].map((atMs) => commandAt(commands, atMs))).toEqual([-1, -1, 0, 0, 1, 1]);
});
