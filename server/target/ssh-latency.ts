/** How far away an SSH target is: the round trip of a keepalive, measured only while somebody asks. */
import type { Client } from "ssh2";
import type { Clock } from "../flow/clock.ts";

const measureEveryMs = 5_000;

/** What ssh2 keeps for its own keepalives: it has no public call for one. Replies come in order (RFC 4254, section 4). */
interface Internals {
  readonly _callbacks?: (() => void)[];
  readonly _protocol?: { ping?(): void };
}

/** Gives the last round trip in ms, undefined while none is known; each call may send one keepalive. Never throws. */
export function createLatency(client: Client, clock: Clock): () => number | undefined {
  const { _callbacks: callbacks, _protocol: protocol } = client as unknown as Internals;
  let lastMs: number | undefined;
  let askedAtMs = Number.NEGATIVE_INFINITY;
  let waiting = false;
  return () => {
    const nowMs = clock.monotonicMs();
    if (waiting || nowMs - askedAtMs < measureEveryMs || callbacks === undefined || protocol?.ping === undefined)
      return lastMs;
    askedAtMs = nowMs;
    const answered = () => {
      waiting = false;
      lastMs = clock.monotonicMs() - nowMs;
    };
    try {
      protocol.ping();
      waiting = true;
      callbacks.push(answered);
    } catch {
      // The connection is going down: there is nothing to measure.
    }
    return lastMs;
  };
}
