/** The bus within one process: what runs without a Redis, and what tests join several nodes with. */
import type { Clock } from "../flow/clock.ts";
import {
  BusDown,
  type BusState,
  type GroupBus,
  type GroupRecords,
  type Listener,
  maxMessageBytes,
  type RecordChange,
} from "./bus.ts";

interface Kept {
  readonly untilMs: number;
  readonly fields: Map<string, Uint8Array>;
}

/** What several nodes of one process share; each opens a bus of its own on it. Holds nothing when nobody uses it. */
export interface MemoryHub {
  openBus(): GroupBus;
}

export function createMemoryHub(clock: Clock): MemoryHub {
  const channels = new Map<string, Set<Listener>>();
  const records = new Map<string, Kept>();
  const sets = new Map<string, Map<string, number>>();

  function deliver(channel: string, message: Uint8Array): number {
    if (message.length > maxMessageBytes) throw new RangeError(`a message of ${message.length} bytes`);
    const listeners = [...(channels.get(channel) ?? [])];
    // A later turn, as over a network: nobody is called from within his own publish.
    queueMicrotask(() => {
      for (const listener of listeners) if (channels.get(channel)?.has(listener)) listener.message(message);
    });
    return listeners.length;
  }

  function kept(record: string): Kept | undefined {
    const found = records.get(record);
    if (found === undefined || found.untilMs > clock.monotonicMs()) return found;
    records.delete(record);
    return undefined;
  }

  function change(record: string, { replace, set, remove = [], lifeMs, publish }: RecordChange): number {
    const fields = new Map(replace ? [] : kept(record)?.fields);
    for (const name of remove) fields.delete(name);
    for (const [name, value] of set ?? []) fields.set(name, Uint8Array.from(value));
    // As with Redis, a record without fields is not there.
    if (fields.size === 0) records.delete(record);
    else records.set(record, { untilMs: clock.monotonicMs() + lifeMs, fields });
    return publish === undefined ? 0 : deliver(publish.channel, publish.message);
  }

  const operations: GroupRecords = {
    change: async (record, what) => change(record, what),
    async renew(record, lifeMs, field) {
      const found = kept(record);
      if (found !== undefined) records.set(record, { ...found, untilMs: clock.monotonicMs() + lifeMs });
      return found?.fields.get(field);
    },
    field: async (record, field) => kept(record)?.fields.get(field),
    fields: async (record) => new Map(kept(record)?.fields),
    async put(key, value, lifeMs, onlyNew = false) {
      if (onlyNew && kept(key) !== undefined) return false;
      change(key, { replace: true, set: new Map([["", value]]), lifeMs });
      return true;
    },
    get: async (key) => kept(key)?.fields.get(""),
    async remove(key) {
      records.delete(key);
    },
    async remember(set, member, atMs) {
      sets.set(set, (sets.get(set) ?? new Map<string, number>()).set(member, atMs));
    },
    remembered: async (set) => new Map(sets.get(set)),
    async forget(set, member) {
      sets.get(set)?.delete(member);
    },
  };

  function openBus(): GroupBus {
    const state: BusState = { up: true, sinceMs: clock.monotonicMs() };
    const own = new Set<() => void>();
    let closed = false;
    const open = () => {
      if (closed) throw new BusDown("This bus is closed.");
    };
    const guarded = Object.fromEntries(
      Object.entries(operations).map(([name, call]) => [
        name,
        async (...args: unknown[]) => {
          open();
          return (call as (...given: unknown[]) => unknown)(...args);
        },
      ]),
    ) as unknown as GroupRecords;
    return {
      kind: "memory",
      state,
      records: guarded,
      onState: () => ({ [Symbol.dispose]: () => {} }),
      async publish(channel, message) {
        open();
        return deliver(channel, Uint8Array.from(message));
      },
      async subscribe(channel, listener) {
        open();
        // One of its own: the same listener may hear a channel twice, and end one of them.
        const mine: Listener = { message: (bytes) => listener.message(bytes) };
        channels.set(channel, (channels.get(channel) ?? new Set()).add(mine));
        const end = () => {
          own.delete(end);
          const listeners = channels.get(channel);
          listeners?.delete(mine);
          if (listeners?.size === 0) channels.delete(channel);
        };
        own.add(end);
        return { [Symbol.asyncDispose]: async () => end() };
      },
      async [Symbol.asyncDispose]() {
        closed = true;
        for (const end of own) end();
      },
    };
  }

  return { openBus };
}
