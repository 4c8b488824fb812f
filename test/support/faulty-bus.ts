/** A bus that does to another what bad networks do: loses, doubles, delays, reorders, hangs, and is cut off. */
import type { Clock } from "../../server/flow/clock.ts";
import { BusDown, type BusState, type GroupBus, type GroupRecords, type Listener } from "../../server/group/bus.ts";

/** What becomes of one message. "later": it comes after the next one of its channel. */
export type Fate = "pass" | "drop" | "twice" | "later" | { readonly afterMs: number };

export interface FaultyBus extends GroupBus {
  /** Asked for each message that is published through this bus; `count` counts those of the channel from 1. */
  outgoing: (channel: string, message: Uint8Array, count: number) => Fate;
  /** Asked for each message that comes to a listener of this bus. */
  incoming: (channel: string, message: Uint8Array, count: number) => Fate;
  /** From now on down: every call is refused, nothing comes. */
  cut(): void;
  /** From now on every call hangs until it is refused after 1.8 s, and nothing comes. */
  stall(): void;
  /** As before; listeners are told that they may have missed something. */
  mend(): void;
}

export function createFaultyBus(inner: GroupBus, clock: Clock): FaultyBus {
  const listeners = new Set<(state: BusState) => void>();
  const heard = new Set<Listener>();
  const fallen = new AbortController();
  let state: BusState = inner.state;
  let hanging = false;
  const watching = inner.onState((next) => {
    if (state.up || next.up) become(next);
  });

  function become(next: BusState): void {
    state = next;
    for (const listener of [...listeners]) listener(next);
  }

  function down(reason: string): void {
    become({ up: false, sinceMs: clock.monotonicMs(), reason });
  }

  /** Rejects while nothing goes through. */
  function passable(): Promise<void> {
    if (state.up && !hanging) return Promise.resolve();
    if (!hanging) return Promise.reject(new BusDown("cut off"));
    return new Promise((_, reject) => void clock.after(1800, () => reject(new BusDown("no answer"))));
  }

  /** Calls `deliver` as the fate wants it; keeps what is to come later. */
  function fated(decide: () => FaultyBus["outgoing"]) {
    const counts = new Map<string, number>();
    const later = new Map<string, (() => void)[]>();
    return (channel: string, message: Uint8Array, deliver: () => void): boolean => {
      const count = (counts.get(channel) ?? 0) + 1;
      counts.set(channel, count);
      const fate = decide()(channel, message, count);
      if (fate === "drop") return false;
      if (fate === "later") {
        later.set(channel, [...(later.get(channel) ?? []), deliver]);
        return true;
      }
      if (typeof fate === "object") {
        clock.after(fate.afterMs, deliver);
        return true;
      }
      deliver();
      if (fate === "twice") deliver();
      for (const each of later.get(channel) ?? []) each();
      later.delete(channel);
      return true;
    };
  }

  const send = fated(() => bus.outgoing);
  const guarded = Object.fromEntries(
    Object.keys(inner.records).map((name) => [
      name,
      async (...given: unknown[]) => {
        await passable();
        return (inner.records[name as keyof GroupRecords] as (...given: unknown[]) => unknown)(...given);
      },
    ]),
  ) as unknown as GroupRecords;

  const bus: FaultyBus = {
    kind: `faulty ${inner.kind}`,
    outgoing: () => "pass",
    incoming: () => "pass",
    get state() {
      return state;
    },
    onState(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
    async publish(channel, message) {
      await passable();
      const copy = Uint8Array.from(message);
      const sent: Promise<number>[] = [];
      // Who publishes is told the truth about nothing but a message that passed at once.
      const went = send(channel, copy, () => {
        const published = inner.publish(channel, copy);
        published.catch(() => {});
        sent.push(published);
      });
      return sent[0] ?? (went ? 1 : 0);
    },
    async subscribe(channel, listener) {
      await passable();
      const receive = fated(() => bus.incoming);
      const mine: Listener = {
        message(message) {
          if (!state.up || hanging || fallen.signal.aborted) return;
          receive(channel, message, () => listener.message(message));
        },
        missed: () => listener.missed?.(),
      };
      const subscription = await inner.subscribe(channel, mine);
      heard.add(mine);
      return {
        async [Symbol.asyncDispose]() {
          heard.delete(mine);
          await subscription[Symbol.asyncDispose]();
        },
      };
    },
    records: guarded,
    cut: () => down("cut off"),
    stall() {
      hanging = true;
      down("no answer");
    },
    mend() {
      hanging = false;
      become({ up: true, sinceMs: clock.monotonicMs() });
      for (const listener of [...heard]) listener.missed?.();
    },
    async [Symbol.asyncDispose]() {
      fallen.abort();
      watching[Symbol.dispose]();
      await inner[Symbol.asyncDispose]();
    },
  };
  return bus;
}
