/** Says when a session floods, and when it has become calm again. Counts bytes, knows nothing else. */
import type { Clock } from "../flow/clock.ts";
import type { WatchTiming } from "./watch-timing.ts";

/** More than 64 KiB within a quarter of a second is a flood, at once; less than that within half a second is calm. */
export class FloodGauge {
  readonly #clock: Clock;
  readonly #timing: WatchTiming;
  #sinceMs: number;
  #bytes = 0;

  constructor(clock: Clock, timing: WatchTiming) {
    this.#clock = clock;
    this.#timing = timing;
    this.#sinceMs = clock.monotonicMs();
  }

  /** While it does not flood: counts output, and tells whether it does now. */
  floods(bytes: number): boolean {
    const { floodWindowMs, floodBytes } = this.#timing;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#sinceMs >= floodWindowMs) this.#restart(nowMs);
    this.#bytes += bytes;
    return this.#bytes > floodBytes;
  }

  /** From here on calm is what is waited for. */
  begin(): void {
    this.#restart(this.#clock.monotonicMs());
  }

  /** While it floods. */
  count(bytes: number): void {
    this.#bytes += bytes;
  }

  /** While it floods, now and then: whether a whole window was calm just now. */
  isCalm(): boolean {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#sinceMs < this.#timing.calmWindowMs) return false;
    const calm = this.#bytes < this.#timing.calmBytes;
    this.#restart(nowMs);
    return calm;
  }

  #restart(nowMs: number): void {
    this.#sinceMs = nowMs;
    this.#bytes = 0;
  }
}
