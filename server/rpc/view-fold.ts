/** Which looks at something are one: a caller who jumps about in a recording, or whose page asks anew, looks once a minute. */
import type { Actor } from "../audit.ts";
import type { Clock } from "../flow/clock.ts";

const foldMs = 60_000;
/** Beyond it the oldest are forgotten: then a view is noted once more. */
const mostViews = 10_000;

/** Calls `note` unless the last noted look at this, by him, from there and signed in that way, is less than a minute old. Throws what `note` throws. */
export type FoldView = (who: Actor, what: string, note: () => void) => void;

export function createViewFold(clock: Clock): FoldView {
  /** When it was noted, the oldest first. */
  const noted = new Map<string, number>();
  return (who, what, note) => {
    const nowMs = clock.monotonicMs();
    for (const [view, atMs] of noted) {
      if (nowMs - atMs < foldMs && noted.size < mostViews) break;
      noted.delete(view);
    }
    const view = JSON.stringify([what, who.name, who.address, who.signedIn]);
    if (noted.has(view)) return;
    note();
    noted.set(view, nowMs);
  };
}
