/** Waits of a client: growing, jittered, and ended by a signal. */

/** Resolves after `ms` or as soon as the signal aborts; never rejects. The caller looks at the signal. */
export function pauseFor(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done, { once: true });
  });
}

const firstMs = 250;
const longestMs = 5_000;

/**
 * How long to wait before attempt 1, 2, 3 and so on: 0, then doubling from 0.25 s up to 5 s, each with half of it drawn
 * by lot, so that a server that comes back is not met by all its clients at once. `random` gives 0 to 1.
 */
export function backOffMs(attempt: number, random: () => number = Math.random): number {
  if (attempt <= 1) return 0;
  const full = Math.min(longestMs, firstMs * 2 ** Math.min(attempt - 2, 16));
  return Math.round(full / 2 + (full / 2) * random());
}
