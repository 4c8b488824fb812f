/** How often somebody may try: some at once, then one after another; who is remembered is bounded. */
import { BartizanFault } from "../errors.ts";
import type { Clock } from "../flow/clock.ts";

/** At the bound the one longest quiet is forgotten. */
const maxRemembered = 10_000;

export interface Tries {
  /** Takes one try of `who`. Throws `limit` when he has none left; it takes nothing then. */
  take(who: string): void;
}

export function createTries({ atOnce, everyMs }: { atOnce: number; everyMs: number }, clock: Clock): Tries {
  const spent = new Map<string, { readonly left: number; readonly atMs: number }>();
  return {
    take(who) {
      const now = clock.monotonicMs();
      const before = spent.get(who);
      const left = before === undefined ? atOnce : Math.min(atOnce, before.left + (now - before.atMs) / everyMs);
      if (left < 1) throw new BartizanFault("limit", "That was tried too often from here.", "Wait a little.");
      spent.delete(who);
      spent.set(who, { left: left - 1, atMs: now });
      for (const longestQuiet of spent.keys()) {
        if (spent.size <= maxRemembered) break;
        spent.delete(longestQuiet);
      }
    },
  };
}
