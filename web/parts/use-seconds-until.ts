/** A time that runs out, second by second. */

import { useEffect, useState } from "react";

/** Whole seconds until then, by performance.now(); 0 when it is over. */
export function useSecondsUntil(atMs: number): number {
  const left = () => Math.max(0, Math.ceil((atMs - performance.now()) / 1000));
  const [seconds, setSeconds] = useState(left);
  useEffect(() => {
    const tick = () => setSeconds(Math.max(0, Math.ceil((atMs - performance.now()) / 1000)));
    tick();
    const timer = setInterval(tick, 250);
    return () => clearInterval(timer);
  }, [atMs]);
  return seconds;
}
