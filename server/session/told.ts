/** Counts who heard a session's last word. */
import type { Clock } from "../flow/clock.ts";
import type { Told } from "./desk.ts";

/** Waits this long for viewers to take the last word; then it answers with how many did. */
const toldWithinMs = 1000;

/** How many watchers took the last word, once everybody has, or the time is up. */
export async function countTold(clock: Clock, all: readonly Told[]): Promise<number> {
  let watchers = 0;
  const counted = async ({ role, told }: Told) => {
    if ((await told) && role === "watcher") watchers += 1;
  };
  const limit = Promise.withResolvers<void>();
  using _timer = clock.after(toldWithinMs, limit.resolve);
  await Promise.race([Promise.all(all.map(counted)), limit.promise]);
  return watchers;
}
