/** One stage timer of a dial: how long the server may take, not counting the time a person needs to answer. */
import type { Clock } from "../flow/clock.ts";

export interface Patience extends Disposable {
  /** Begins the next stage, of `ms`; `onOver` is called once if it lasts longer. */
  stage(ms: number, onOver: () => void): void;
  /** Stops counting while `answer` is open. */
  whileAsking<T>(answer: Promise<T>): Promise<T>;
}

export function openPatience(clock: Clock): Patience {
  let timer: Disposable | undefined;
  let leftMs = 0;
  let sinceMs = 0;
  let asking = 0;
  let over: (() => void) | undefined;
  const run = () => {
    if (over === undefined || asking > 0) return;
    sinceMs = clock.monotonicMs();
    timer = clock.after(leftMs, over);
  };
  const stop = () => {
    if (timer === undefined) return;
    timer[Symbol.dispose]();
    timer = undefined;
    leftMs -= clock.monotonicMs() - sinceMs;
  };
  return {
    stage(ms, onOver) {
      stop();
      leftMs = ms;
      over = onOver;
      run();
    },
    async whileAsking(answer) {
      stop();
      asking++;
      try {
        return await answer;
      } finally {
        asking--;
        run();
      }
    },
    [Symbol.dispose]() {
      stop();
      over = undefined;
    },
  };
}
