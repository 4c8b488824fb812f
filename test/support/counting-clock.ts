/** The system's clock, with a count of the timers that nobody has given back: a leak shows as one left over. */
import { type Clock, systemClock } from "../../server/flow/clock.ts";

export interface CountingClock extends Clock {
  /** Timers that are set and neither over nor disposed. */
  readonly pending: number;
}

export function createCountingClock(): CountingClock {
  const timers = new Set<Disposable>();
  const counted = (timer: Disposable, holder: Disposable[]): Disposable => {
    const mine: Disposable = {
      [Symbol.dispose]() {
        timers.delete(mine);
        timer[Symbol.dispose]();
      },
    };
    timers.add(mine);
    holder.push(mine);
    return mine;
  };
  return {
    wallMs: systemClock.wallMs,
    monotonicMs: systemClock.monotonicMs,
    after(ms, call) {
      const holder: Disposable[] = [];
      const timer = systemClock.after(ms, () => {
        for (const each of holder) timers.delete(each);
        call();
      });
      return counted(timer, holder);
    },
    every: (ms, call) => counted(systemClock.every(ms, call), []),
    get pending() {
      return timers.size;
    },
  };
}
