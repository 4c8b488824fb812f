/** What one seat's stream reads, and the answer to its pings. */
import type { View } from "../events.ts";
import type { PtyChannel } from "../target/target.ts";
import type { Seat } from "./desk.ts";

const pongGapMs = 250;

/** `taken`: the stream took output or a key frame and came back. `leave` is called once the view is not read any more. */
export async function* viewOf(
  seat: Seat,
  taken: (isKeyFrame: boolean) => void,
  signal: AbortSignal,
  leave: () => void,
): View {
  try {
    for (;;) {
      const item = await seat.viewer.take();
      if (item === undefined) return;
      if (item.kind === "pong") seat.ping.waits = false;
      yield item;
      if (item.kind === "output" || item.kind === "key-frame") taken(item.kind === "key-frame");
    }
  } finally {
    signal.removeEventListener("abort", leave);
    leave();
  }
}

/** More than one that waits, or more than 4 a second, are left out. */
export function answerPing({ viewer, ping }: Seat, id: number, nowMs: number, pty: PtyChannel | undefined): void {
  if (ping.waits || nowMs - ping.answeredAtMs < pongGapMs) return;
  ping.waits = true;
  ping.answeredAtMs = nowMs;
  viewer.push({ kind: "pong", id, targetMs: pty?.latencyMs?.() });
  // Measured as a key would be: its echo is not held back to be merged either.
  viewer.hurry();
}
