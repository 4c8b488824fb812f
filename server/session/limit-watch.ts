/** Ends sessions that nobody types in, or that last too long, and warns of it before. */
import type { Audit } from "../audit.ts";
import type { ClosedReason } from "../events.ts";
import type { Clock } from "../flow/clock.ts";
import type { HeldSession } from "./held-session.ts";

const tickMs = 1000;

/** Infinity: no limit. */
export interface TimeLimits {
  readonly idleMs: number;
  readonly longestMs: number;
  readonly warnMs: number;
}

export interface LimitWatchNeeds {
  readonly live: () => Iterable<HeldSession>;
  /** Asked anew each second: the config may have changed. */
  readonly limitsOf: (user: string, target: string) => TimeLimits;
  readonly audit: Audit;
  readonly clock: Clock;
}

/** Looks each second until disposed. */
export function openLimitWatch({ live, limitsOf, audit, clock }: LimitWatchNeeds): Disposable {
  /** Sessions that were told that they end, and why. */
  const warned = new WeakMap<HeldSession, ClosedReason>();
  return clock.every(tickMs, () => {
    for (const session of live()) {
      const { id, operator, target, state } = session.info;
      if (state === "ended") continue;
      const limits = limitsOf(operator.name, target);
      const idleLeftMs = limits.idleMs - session.gate.idleMs;
      const lastLeftMs = limits.longestMs - session.ageMs;
      const why = idleLeftMs < lastLeftMs ? "idle" : "too-long";
      const leftMs = Math.min(idleLeftMs, lastLeftMs);
      if (leftMs <= 0) {
        audit.note({ event: "session-limit-hit", session: id, target, who: operator.name, cause: why });
        session.close(why, detailOf(why, limits));
        continue;
      }
      const before = warned.get(session);
      if (leftMs <= limits.warnMs && before !== why) {
        warned.set(session, why);
        session.tell({ kind: "notice", about: "limit", text: warningOf(why, leftMs) });
      } else if (leftMs > limits.warnMs && before !== undefined) {
        warned.delete(session);
        session.tell({ kind: "notice", about: "limit", text: "This session goes on." });
      }
    }
  });
}

function warningOf(why: "idle" | "too-long", leftMs: number): string {
  const left = `This session ends in ${Math.ceil(leftMs / 1000)} s`;
  return why === "idle"
    ? `${left}: nobody has typed for long. Any key keeps it.`
    : `${left}: it has lasted long enough.`;
}

function detailOf(why: "idle" | "too-long", { idleMs, longestMs }: TimeLimits): string {
  return why === "idle"
    ? `nobody typed for ${Math.round(idleMs / 1000)} s`
    : `a session lasts ${Math.round(longestMs / 1000)} s at most`;
}
