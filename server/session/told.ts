/** Whether those who were there took the last word, and how many watchers did, within a bounded time. */
import type { Clock } from "../flow/clock.ts";

/** A kick waits this long for watchers to take the last word; then it answers with how many did. */
const toldWithinMs = 1000;

/** Resolves when some of them took the last word, or left, with how many watchers they were. Never rejects. */
export type Told = Promise<number>;

/** How many watchers took the last word, once everybody has, or the time is up. */
export async function countTold(clock: Clock, all: readonly Told[], withinMs = toldWithinMs): Promise<number> {
  let watchers = 0;
  const counted = async (told: Told) => {
    const some = await told;
    watchers += some;
  };
  const limit = Promise.withResolvers<void>();
  using _timer = clock.after(withinMs, limit.resolve);
  await Promise.race([Promise.all(all.map(counted)), limit.promise]);
  return watchers;
}
