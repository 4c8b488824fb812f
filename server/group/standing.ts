/** A subscription that stands whenever the bus is up, also when the bus is not there at first. */
import { type Clock, pause } from "../flow/clock.ts";
import type { GroupBus, Listener } from "./bus.ts";

/** How soon after a refusal it is tried again while the bus says that it is up. */
const againMs = 500;

/**
 * Resolves when it stands, or when the bus could not do it: then it is made as soon as the bus can, and `missed` is told.
 * Never rejects.
 */
export async function subscribeStanding(
  bus: GroupBus,
  channel: string,
  listener: Listener,
  clock: Clock,
): Promise<AsyncDisposable> {
  const life = new AbortController();
  let subscription: AsyncDisposable | undefined;
  let wake = () => {};

  async function attempt(): Promise<boolean> {
    try {
      subscription = await bus.subscribe(channel, listener);
      return true;
    } catch {
      return false;
    }
  }

  async function goOn(): Promise<void> {
    using _state = bus.onState(() => wake());
    while (!life.signal.aborted) {
      if (bus.state.up) {
        await pause(clock, againMs, life.signal).catch(() => {});
        if (!life.signal.aborted && (await attempt())) return listener.missed?.();
      } else
        await new Promise<void>((resolve) => {
          wake = resolve;
          life.signal.addEventListener("abort", () => resolve(), { once: true });
        });
    }
  }

  const late = (await attempt()) ? undefined : goOn();
  return {
    async [Symbol.asyncDispose]() {
      life.abort();
      await late;
      await subscription?.[Symbol.asyncDispose]();
    },
  };
}
