/** What the lists of the past are narrowed by: kept in the address, so that a way back and a link have it too. Pure. */

import { timestampFromMs } from "@bufbuild/protobuf/wkt";

export const times = ["any", "hour", "day", "week", "month", "between"] as const;
export type TimeWord = (typeof times)[number];
export const causes = ["any", "exited", "signalled", "lost", "kicked", "closed", "incomplete"] as const;
export type CauseWord = (typeof causes)[number];

/** Empty texts narrow nothing. */
export interface PastFilter {
  readonly text: string;
  readonly operator: string;
  readonly target: string;
  /** As it was typed: "key=value". */
  readonly label: string;
  readonly when: TimeWord;
  /** With "between": local times as a field of the type datetime-local has them. */
  readonly from: string;
  readonly until: string;
  readonly cause: CauseWord;
}

export const noFilter: PastFilter = {
  ...{ text: "", operator: "", target: "", label: "", when: "any", from: "", until: "", cause: "any" },
};

const keys = Object.keys(noFilter) as (keyof PastFilter)[];

/** Whatever an address says that no filter knows is as if it were not there. */
export function filterFromSearch(search: URLSearchParams): PastFilter {
  const text = (key: keyof PastFilter) => (search.get(key) ?? "").slice(0, 200);
  return {
    ...{ text: text("text"), operator: text("operator"), target: text("target"), label: text("label") },
    ...{ from: text("from"), until: text("until") },
    when: times.find((each) => each === text("when")) ?? "any",
    cause: causes.find((each) => each === text("cause")) ?? "any",
  };
}

/** Only what narrows. */
export function searchFromFilter(filter: PastFilter): URLSearchParams {
  const search = new URLSearchParams();
  for (const key of keys) if (filter[key] !== noFilter[key]) search.set(key, filter[key]);
  return search;
}

export function isNarrowed(filter: PastFilter): boolean {
  return keys.some((key) => key !== "from" && key !== "until" && filter[key] !== noFilter[key]);
}

const hourMs = 3_600_000;
const spans: Readonly<Partial<Record<TimeWord, number>>> = {
  ...{ hour: hourMs, day: 24 * hourMs, week: 7 * 24 * hourMs, month: 30 * 24 * hourMs },
};

/** `from` and `until` of a request. A span is counted back from the full minute of `nowMs`. */
export function timeRange(filter: PastFilter, nowMs: number) {
  const spanMs = spans[filter.when];
  if (spanMs !== undefined) return { from: timestampFromMs(Math.floor(nowMs / 60_000) * 60_000 - spanMs) };
  if (filter.when !== "between") return {};
  const [fromMs, untilMs] = [Date.parse(filter.from), Date.parse(filter.until)];
  return {
    ...(Number.isNaN(fromMs) ? {} : { from: timestampFromMs(fromMs) }),
    ...(Number.isNaN(untilMs) ? {} : { until: timestampFromMs(untilMs) }),
  };
}

/** Undefined for what is no label; `{}` for nothing at all. */
export function labelsOf({ label }: Pick<PastFilter, "label">): Record<string, string> | undefined {
  const text = label.trim();
  if (text === "") return {};
  const [key = "", ...value] = text.split("=");
  return value.length === 0 || key.trim() === "" ? undefined : { [key.trim()]: value.join("=").trim() };
}
