/** Locks to wire messages and back. */
import { create } from "@bufbuild/protobuf";
import { type Timestamp, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { LockSchema, type Lock as WireLock } from "../../proto/gen/bartizan/v1/lock_pb.ts";
import type { Lock } from "../access/lock.ts";
import { BartizanFault } from "../errors.ts";

export function lockToWire({ id, user, role, target, reason, by, setAtMs, untilMs }: Lock): WireLock {
  return create(LockSchema, {
    ...{ id, user, role, target, reason, by, since: timestampFromMs(setAtMs) },
    ...(untilMs === undefined ? {} : { until: timestampFromMs(untilMs) }),
  });
}

/** Ten years: what is later means for ever, and would not fit everywhere. */
const longestMs = 10 * 366 * 24 * 60 * 60 * 1000;

/** Undefined: without an end. Throws `invalid` for a time that is over. */
export function untilFromWire(until: Timestamp | undefined, nowMs: number): number | undefined {
  if (until === undefined) return undefined;
  const atMs = timestampMs(until);
  if (!(atMs > nowMs))
    throw new BartizanFault("invalid", "The lock would be over before it begins.", "Set a later time.");
  return Math.min(atMs, nowMs + longestMs);
}
