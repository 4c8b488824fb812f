/** Where a replay is, for what shows it: told with each picture of the display while the time moves. */

import { useEffect, useRef, useState } from "react";
import type { Replaying } from "../replaying.ts";

/** `onMove` is called with every change of the position, outside of React's drawing. */
export function useEachPosition(replaying: Replaying | undefined, onMove: (atMs: number) => void): void {
  const newest = useRef(onMove);
  newest.current = onMove;
  useEffect(() => {
    if (replaying === undefined) return;
    let picture = 0;
    let last = Number.NaN;
    const look = () => {
      const atMs = replaying.atMs();
      if (atMs !== last) newest.current(atMs);
      last = atMs;
    };
    const run = () => {
      look();
      const { is, playing } = replaying.state;
      picture = playing || is === "waiting" ? requestAnimationFrame(run) : 0;
    };
    const stop = replaying.subscribe(() => {
      cancelAnimationFrame(picture);
      run();
    });
    run();
    return () => {
      stop();
      cancelAnimationFrame(picture);
    };
  }, [replaying]);
}

/** What `of` makes of the position; drawn anew only when that changes. */
export function usePosition<T>(replaying: Replaying | undefined, of: (atMs: number) => T): T {
  const [value, setValue] = useState(() => of(replaying?.atMs() ?? 0));
  useEachPosition(replaying, (atMs) => setValue(of(atMs)));
  return value;
}
