/** A bus that can be cut off and come back, as a node's connection does, without the node being told of either. */
import { BusDown, type GroupBus, type Listener } from "../../server/group/bus.ts";

export interface CuttableBus extends GroupBus {
  /** From now on nothing is said, heard or read; to others nobody is there. */
  cut(): Promise<void>;
  /** As `cut`, but the bus has not noticed: to others it seems to listen. As a host that vanished, or a frozen process. */
  freeze(): void;
  /** Everything stands again, as after a reconnect. */
  mend(): Promise<void>;
}

export function cuttable(bus: GroupBus): CuttableBus {
  let cut = false;
  let frozen = false;
  const standing = new Map<symbol, { readonly channel: string; readonly listener: Listener; made: AsyncDisposable }>();
  const listeners = new Set<Parameters<GroupBus["onState"]>[0]>();
  const whole =
    <Args extends unknown[], Result>(call: (...args: Args) => Promise<Result>) =>
    (...args: Args) =>
      cut ? Promise.reject(new BusDown("It is cut off.")) : call(...args);
  const heard = (listener: Listener): Listener => ({
    message(bytes) {
      if (!frozen) listener.message(bytes);
    },
  });
  const records = Object.fromEntries(
    Object.entries(bus.records).map(([name, call]) => [name, whole(call as (...args: unknown[]) => Promise<unknown>)]),
  ) as unknown as GroupBus["records"];
  return {
    ...{ kind: bus.kind, state: bus.state, records, publish: whole((...args) => bus.publish(...args)) },
    onState(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
    subscribe: whole(async (channel, listener) => {
      const key = Symbol();
      standing.set(key, { channel, listener, made: await bus.subscribe(channel, heard(listener)) });
      return {
        async [Symbol.asyncDispose]() {
          await standing.get(key)?.made[Symbol.asyncDispose]();
          standing.delete(key);
        },
      };
    }),
    async cut() {
      cut = true;
      for (const { made } of standing.values()) await made[Symbol.asyncDispose]();
    },
    freeze() {
      cut = true;
      frozen = true;
    },
    async mend() {
      cut = false;
      for (const each of standing.values()) {
        if (!frozen) each.made = await bus.subscribe(each.channel, heard(each.listener));
        each.listener.missed?.();
      }
      frozen = false;
      for (const listener of listeners) listener({ up: true, sinceMs: 0 });
    },
    [Symbol.asyncDispose]: () => bus[Symbol.asyncDispose](),
  };
}
