/** Reads when something is to end: a while from now, or a time. */

import { type Timestamp, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { InvalidArgumentError } from "commander";

const units: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

export const untilHelp = "30m, 2h, 7d from now, or 2026-01-31T12:00";

/** In local time unless it says otherwise. Throws InvalidArgumentError for anything else. */
export function untilTime(text: string): Timestamp {
  const [, amount = "", unit = ""] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  if (amount !== "") return timestampFromMs(Date.now() + Number(amount) * (units[unit] ?? 0));
  const local = /^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00` : text;
  const atMs = /^\d{4}-\d\d-\d\dT/.test(local) ? Date.parse(local) : Number.NaN;
  if (Number.isNaN(atMs)) throw new InvalidArgumentError(`Write it as ${untilHelp}.`);
  return timestampFromMs(atMs);
}
