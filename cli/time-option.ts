/** Options that several commands read alike: times, counts; and times as they are shown. */

import { type Timestamp, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { InvalidArgumentError } from "commander";

const units: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** "2h" before now, or a date with or without a time, in local time unless it says otherwise. */
export function time(text: string): Timestamp {
  const [, amount = "", unit = ""] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  if (amount !== "") return timestampFromMs(Date.now() - Number(amount) * (units[unit] ?? 0));
  const local = /^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00` : text;
  const atMs = /^\d{4}-\d\d-\d\dT/.test(local) ? Date.parse(local) : Number.NaN;
  if (Number.isNaN(atMs))
    throw new InvalidArgumentError("Write it as 2026-01-31, 2026-01-31T12:00, or 2h for two hours ago.");
  return timestampFromMs(atMs);
}

/** At least 1. */
export function count(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError("It is a number of at least 1.");
  return Number(text);
}

export function localTime(date: Date): string {
  const two = (value: number) => String(value).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}
