/** News that a stranger can bring about at will: told of at most once a minute for each kind, so that no log fills up. */
import type { Clock } from "./clock.ts";

const everyMs = 60_000;

/** `tell` gets how many of the kind were left out since the last. Kinds are a few fixed texts. */
export function rarely<T>(clock: Clock, tell: (kind: string, about: T, leftOut: number) => void) {
  const told = new Map<string, { readonly atMs: number; leftOut: number }>();
  return (kind: string, about: T): void => {
    const nowMs = clock.monotonicMs();
    const last = told.get(kind);
    if (last !== undefined && nowMs - last.atMs < everyMs) last.leftOut += 1;
    else {
      told.set(kind, { atMs: nowMs, leftOut: 0 });
      tell(kind, about, last?.leftOut ?? 0);
    }
  };
}
