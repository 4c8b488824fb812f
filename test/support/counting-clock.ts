/** A clock, the system's by default, with a count of the timers that nobody has given back: a leak shows as one left over. */
import { type Clock, systemClock } from "../../server/flow/clock.ts";

export interface CountingClock extends Clock {
  /** Timers that are set and neither over nor disposed. */
  readonly pending: number;
}

export function createCountingClock(clock: Clock = systemClock): CountingClock {
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
    wallMs: clock.wallMs,
    monotonicMs: clock.monotonicMs,
    after(ms, call) {
      const holder: Disposable[] = [];
      const timer = clock.after(ms, () => {
        for (const each of holder) timers.delete(each);
        call();
      });
      return counted(timer, holder);
    },
    every: (ms, call) => counted(clock.every(ms, call), []),
    get pending() {
      return timers.size;
    },
  };
}
