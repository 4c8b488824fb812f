/** A clock that moves when the test says so; its timers fire in order. */
import { type Clock, systemClock } from "../../server/flow/clock.ts";
import { until } from "./until.ts";

export interface HeldClock extends Clock {
  /** Lets so much time pass, and fires what is due. */
  pass(ms: number): void;
}

/** Both clocks begin at the same value. */
export function createHeldClock(startMs = 1_000_000): HeldClock {
  let nowMs = startMs;
  const timers = new Set<{ atMs: number; everyMs: number | undefined; call: () => void }>();
  const add = (ms: number, everyMs: number | undefined, call: () => void): Disposable => {
    const timer = { atMs: nowMs + ms, everyMs, call };
    timers.add(timer);
    return { [Symbol.dispose]: () => void timers.delete(timer) };
  };
  return {
    wallMs: () => nowMs,
    monotonicMs: () => nowMs,
    after: (ms, call) => add(ms, undefined, call),
    every: (ms, call) => add(ms, ms, call),
    pass(ms) {
      const untilMs = nowMs + ms;
      for (;;) {
        const [next] = [...timers].filter(({ atMs }) => atMs <= untilMs).sort((one, other) => one.atMs - other.atMs);
        if (next === undefined) break;
        nowMs = Math.max(nowMs, next.atMs);
        if (next.everyMs === undefined) timers.delete(next);
        else next.atMs += next.everyMs;
        next.call();
      }
      nowMs = untilMs;
    },
  };
}

/** The system's clock, except that waits of exactly these lengths are over when the test says so. */
export function createPartlyHeldClock(...heldMs: readonly number[]): HeldClock {
  const held = createHeldClock();
  const clockFor = (ms: number) => (heldMs.includes(ms) ? held : systemClock);
  return {
    ...systemClock,
    after: (ms, call) => clockFor(ms).after(ms, call),
    every: (ms, call) => clockFor(ms).every(ms, call),
    pass: held.pass,
  };
}

/**
 * Lets time pass in small steps until the promise settles, however long that really takes. Gives back how much passed, or
 * rejects as the promise did.
 */
export async function passUntilSettled(clock: HeldClock, promise: PromiseLike<unknown>): Promise<number> {
  let passedMs = 0;
  let settled = false;
  const done = () => {
    settled = true;
  };
  promise.then(done, done);
  await until(() => {
    if (settled) return true;
    clock.pass(20);
    passedMs += 20;
    return false;
  }, "it settles as time passes");
  await promise;
  return passedMs;
}

/** The system's clock, except that `pass` lets both clocks leap, and that what looks every `everyMs` then looks once. */
export function createLeapingClock(everyMs: number): HeldClock {
  let leaptMs = 0;
  const lookers = new Set<() => void>();
  return {
    ...systemClock,
    wallMs: () => systemClock.wallMs() + leaptMs,
    monotonicMs: () => systemClock.monotonicMs() + leaptMs,
    every(ms, call) {
      if (ms !== everyMs) return systemClock.every(ms, call);
      lookers.add(call);
      return { [Symbol.dispose]: () => void lookers.delete(call) };
    },
    pass(ms) {
      leaptMs += ms;
      for (const look of [...lookers]) look();
    },
  };
}
