import { timestampMs } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import {
  filterFromSearch,
  isNarrowed,
  labelsOf,
  noFilter,
  searchFromFilter,
  timeRange,
} from "../../web/parts/past-filter.ts";
import { clockWords, tookWords } from "../../web/parts/phrases.ts";
import { fileNameOf } from "../../web/recording-facts.ts";

test("a filter comes back from its address as it went, and an address that no page made narrows nothing", () => {
  const filter = { ...noFilter, operator: "a&b=c", label: "team=x", when: "week", cause: "kicked" } as const;
  expect(filterFromSearch(searchFromFilter(filter))).toEqual(filter);
  expect(searchFromFilter(noFilter).toString()).toBe("");
  const odd = filterFromSearch(new URLSearchParams(`when=never&cause=__proto__&operator=${"x".repeat(1000)}`));
  expect(odd).toMatchObject({ when: "any", cause: "any" });
  expect(odd.operator.length).toBe(200);
  expect(isNarrowed(noFilter)).toBe(false);
  expect(isNarrowed({ ...noFilter, from: "2026-01-01T00:00" })).toBe(false);
  expect(isNarrowed(filter)).toBe(true);
});

test("a span of time is counted back from the full minute, and a half range has one end", () => {
  const nowMs = 1_795_680_059_999;
  const { from } = timeRange({ ...noFilter, when: "hour" }, nowMs);
  expect(from && timestampMs(from)).toBe(1_795_680_000_000 - 3_600_000);
  expect(timeRange(noFilter, nowMs)).toEqual({});
  const between = timeRange({ ...noFilter, when: "between", from: "2026-01-31T12:00", until: "nonsense" }, nowMs);
  expect(between.from && timestampMs(between.from)).toBe(Date.parse("2026-01-31T12:00"));
  expect("until" in between).toBe(false);
});

test("a label is a key, a sign and a value; anything else is told, and nothing is no label", () => {
  expect(labelsOf({ label: " team = shop=1 " })).toEqual({ team: "shop=1" });
  expect(labelsOf({ label: "  " })).toEqual({});
  expect(labelsOf({ label: "team" })).toBeUndefined();
  expect(labelsOf({ label: "=x" })).toBeUndefined();
});

test("a downloaded file's name has nothing in it that leads elsewhere", () => {
  const startedAt = { $typeName: "google.protobuf.Timestamp", seconds: 1_795_680_000n, nanos: 0 } as const;
  const operator = { $typeName: "bartizan.v1.Principal", name: "../a b" } as const;
  const name = fileNameOf({ operator, target: "x/y\u202e$(id).exe", startedAt, id: "0123456789abcdef" });
  expect(name).toBe("-a-b_x-y-id-exe_2026-11-26T080000_01234567");
});

test("times read as a player's", () => {
  expect([0, 999, 61_000, 3_599_999, 3_723_000].map(clockWords)).toEqual(["0:00", "0:00", "1:01", "59:59", "1:02:03"]);
  expect([35, 1200, 59_999, 190_000].map(tookWords)).toEqual(["35 ms", "1.2 s", "60.0 s", "3:10"]);
});
