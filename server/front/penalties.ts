/** Sources that misuse connections get no further one for a while: what was cut off must not simply be begun again. */
import type { Clock } from "../flow/clock.ts";

export interface StrikeLimits {
  /** So many strikes and a source is out ... */
  readonly burst: number;
  /** ... and each is forgotten after so long. */
  readonly everyMs: number;
}

/** At the bound the one whose last strike is longest ago is forgotten. */
const maxSources = 4096;
/** Nobody is out for more than so many times `everyMs`. */
const deepest = 10;

export interface Penalties {
  strike(source: string, strikes: number): void;
  isOut(source: string): boolean;
}

export function createPenalties({ burst, everyMs }: StrikeLimits, clock: Clock): Penalties {
  const struck = new Map<string, { readonly left: number; readonly atMs: number }>();
  const leftOf = (source: string) => {
    const last = struck.get(source);
    if (last === undefined) return burst;
    return Math.min(burst, last.left + (clock.monotonicMs() - last.atMs) / everyMs);
  };
  return {
    strike(source, strikes) {
      const left = Math.max(-deepest, leftOf(source) - strikes);
      struck.delete(source);
      struck.set(source, { left, atMs: clock.monotonicMs() });
      const [oldest] = struck.keys();
      if (struck.size > maxSources && oldest !== undefined) struck.delete(oldest);
    },
    isOut: (source) => leftOf(source) <= 0,
  };
}
