/** Asks how long a lock is to last. */

import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Select } from "@mantine/core";
import { useWords } from "./language.tsx";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
const spansMs = [30 * minuteMs, hourMs, 4 * hourMs, dayMs, 7 * dayMs];

export interface LockSpanProps {
  /** Undefined: until it is lifted. */
  readonly value: number | undefined;
  onChange(spanMs: number | undefined): void;
}

export function LockSpan({ value, onChange }: LockSpanProps) {
  const words = useWords().locks;
  const say = (ms: number) =>
    ms < hourMs
      ? words.spans.minutes(ms / minuteMs)
      : ms < dayMs
        ? words.spans.hours(ms / hourMs)
        : words.spans.days(ms / dayMs);
  return (
    <Select
      label={words.lasts}
      allowDeselect={false}
      data={[...spansMs.map((ms) => ({ value: String(ms), label: say(ms) })), { value: "", label: words.forGood }]}
      value={value === undefined ? "" : String(value)}
      onChange={(chosen) => onChange(chosen === null || chosen === "" ? undefined : Number(chosen))}
    />
  );
}

/** For a request: when a lock that begins now is over. */
export function untilPart(spanMs: number | undefined): { until?: ReturnType<typeof timestampFromMs> } {
  return spanMs === undefined ? {} : { until: timestampFromMs(Date.now() + spanMs) };
}
