/** Answers an operator's ping, which measures how far away he is: not more often than it is worth. */
import type { Clock } from "../flow/clock.ts";
import type { Seat } from "./desk.ts";

const pongGapMs = 250;

/** `targetMs`: the last known way to the target and back. */
export function answerPing({ viewer, ping }: Seat, id: number, clock: Clock, targetMs: () => number | undefined): void {
  const nowMs = clock.monotonicMs();
  if (ping.waits || nowMs - ping.answeredAtMs < pongGapMs) return;
  ping.waits = true;
  ping.answeredAtMs = nowMs;
  viewer.push({ kind: "pong", id, targetMs: targetMs() });
  // Measured as a key would be: its echo is not held back to be merged either.
  viewer.hurry();
}
