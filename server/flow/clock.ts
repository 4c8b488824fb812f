/** The one door to time: wall clock, monotonic clock and timers, so that a test can hold them. */

export interface Clock {
  /** Wall clock, ms since 1970. For people and files, never for differences. */
  wallMs(): number;
  /** Monotonic, ms, with fractions. */
  monotonicMs(): number;
  /** Calls once after `ms`. Disposing before that cancels. Does not keep the process alive. */
  after(ms: number, call: () => void): Disposable;
  /** Calls every `ms` until disposed. Does not keep the process alive. */
  every(ms: number, call: () => void): Disposable;
}

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(ms, call) {
    const timer = setTimeout(call, ms);
    timer.unref();
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
  every(ms, call) {
    const timer = setInterval(call, ms);
    timer.unref();
    return { [Symbol.dispose]: () => clearInterval(timer) };
  },
};

/** Resolves after `ms`; rejects with the signal's reason when that aborts first. */
export function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const timer = clock.after(ms, () => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    });
    const onAbort = () => {
      timer[Symbol.dispose]();
      reject(signal.reason);
    };
    signal.addEventListener("abort", onAbort, { once: true });
  });
}

/** Resolves when the task has settled, or after so long; what it says is not told. Never rejects. */
export function within(clock: Clock, task: Promise<unknown>, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const limit = clock.after(ms, resolve);
    const done = () => {
      limit[Symbol.dispose]();
      resolve();
    };
    task.then(done, done);
  });
}
