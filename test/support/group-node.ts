/** One node of a group for tests: real sessions over a memory target, its relay and its mirrors, on a bus in memory. */
import { expect } from "vitest";
import type { EndCause, Position, SessionInfo, TermSize, ViewItem } from "../../server/events.ts";
import type { Clock } from "../../server/flow/clock.ts";
import { systemClock } from "../../server/flow/clock.ts";
import type { BusState, GroupBus, Listener } from "../../server/group/bus.ts";
import { type Inbox, openInbox } from "../../server/group/inbox.ts";
import type { MemoryHub } from "../../server/group/memory-bus.ts";
import { createGroupMeter, type GroupMeter } from "../../server/group/meter.ts";
import { type Mirrors, openMirrors } from "../../server/group/mirror.ts";
import { createNames, createNodeId, holderOf, type NodeId } from "../../server/group/names.ts";
import { openRelay, type Relay } from "../../server/group/relay.ts";
import { createSealer, type Sealer } from "../../server/group/seal.ts";
import { type WatchTiming, watchTiming } from "../../server/group/watch-timing.ts";
import { createLog } from "../../server/log.ts";
import type { HeldSession } from "../../server/session/held-session.ts";
import type { Attachment } from "../../server/session/live-session.ts";
import { Registry } from "../../server/session/registry.ts";
import { createScreen } from "../../server/session/screen.ts";
import { openScreenPool } from "../../server/session/screen-pool.ts";
import { createCountingClock } from "./counting-clock.ts";
import { createMemoryTarget, type MemoryPty } from "./memory-target.ts";
import { feed, newTerminal, screenText } from "./new-terminal.ts";
import { stateOf } from "./terminal-state.ts";
import { until } from "./until.ts";

export const groupKey = Buffer.alloc(32, 7);
export const groupNames = createNames("bz");

/** A bus on which a test decides what becomes of each message, and whether it is up. */
export interface MeddledBus extends GroupBus {
  /** Every message that was published with success. */
  readonly sent: readonly { readonly channel: string; readonly bytes: number }[];
  /** How many subscriptions this node has to the channel now. */
  subscriptions(channel: string): number;
  /** What becomes of a message that this node publishes: "pass" by default. */
  sending: (channel: string, message: Uint8Array) => "pass" | "lose" | "fail" | "unheard";
  /** What becomes of a message that this node hears; delivering later is the test's business. */
  hearing: (channel: string, message: Uint8Array, deliver: () => void) => void;
  setState(state: BusState): void;
  /** As after an interruption of all subscriptions. */
  interrupted(): void;
}

export function meddle(bus: GroupBus): MeddledBus {
  const sent: { channel: string; bytes: number }[] = [];
  const subscriptions = new Map<string, Set<Listener>>();
  const listeners = new Set<(state: BusState) => void>();
  let state: BusState = bus.state;
  const meddled: MeddledBus = {
    kind: bus.kind,
    records: bus.records,
    sent,
    sending: () => "pass",
    hearing: (_channel, _message, deliver) => deliver(),
    subscriptions: (channel) => subscriptions.get(channel)?.size ?? 0,
    get state() {
      return state;
    },
    setState(next) {
      state = next;
      for (const listener of [...listeners]) listener(next);
    },
    interrupted() {
      for (const each of subscriptions.values()) for (const listener of each) listener.missed?.();
    },
    onState(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
    async publish(channel, message) {
      const fate = meddled.sending(channel, message);
      if (fate === "fail" || !state.up) throw new Error("the test lets this fail");
      if (fate === "unheard") return 0;
      sent.push({ channel, bytes: message.length });
      return fate === "lose" ? 1 : bus.publish(channel, message);
    },
    async subscribe(channel, listener) {
      const here = subscriptions.get(channel) ?? new Set();
      subscriptions.set(channel, here.add(listener));
      const message = (bytes: Uint8Array) => meddled.hearing(channel, bytes, () => listener.message(bytes));
      const subscription = await bus.subscribe(channel, { ...listener, message });
      return {
        async [Symbol.asyncDispose]() {
          here.delete(listener);
          await subscription[Symbol.asyncDispose]();
        },
      };
    },
    [Symbol.asyncDispose]: () => bus[Symbol.asyncDispose](),
  };
  return meddled;
}

export interface GroupNode extends AsyncDisposable {
  readonly self: NodeId;
  readonly bus: MeddledBus;
  readonly sealer: Sealer;
  readonly inbox: Inbox;
  readonly registry: Registry;
  readonly relay: Relay;
  readonly mirrors: Mirrors;
  readonly meter: GroupMeter;
  /** Opens a session; the pty is the test's. */
  open(size?: TermSize): Promise<{ readonly session: HeldSession; readonly pty: MemoryPty }>;
  /** Watches a session that another node holds. */
  watch(info: SessionInfo, options?: { from?: Position; name?: string }): Promise<FarView>;
}

/** One watcher's view, read as it comes until told to pause. */
export interface FarView extends AsyncDisposable {
  readonly attachment: Attachment;
  readonly items: readonly ViewItem[];
  /** All that a terminal shows and remembers. */
  state(): unknown;
  text(): string;
  /** Where the view stands; -1 before its first key frame. Throws what the view threw. */
  offset(): number;
  /** Rejects as the view did; resolves when it ended. */
  readonly over: Promise<void>;
  /** The reader does not come back before `resume` is called. */
  pause(): void;
  resume(): void;
}

export interface GroupNodeOptions {
  readonly clock?: Clock;
  readonly timing?: Partial<WatchTiming>;
}

export async function openGroupNode(hub: MemoryHub, name: string, options: GroupNodeOptions = {}): Promise<GroupNode> {
  const clock = createCountingClock(options.clock ?? systemClock);
  const self = createNodeId(name);
  const log = createLog("silent");
  const meter = createGroupMeter(clock);
  const names = groupNames;
  const sealer = createSealer({ keys: [groupKey], self, clock, log, meter });
  const bus = meddle(hub.openBus());
  const inbox = await openInbox({ bus, sealer, names, self, clock, log, meter });
  const pool = openScreenPool({ clock });
  const memory = createMemoryTarget();
  const registry = new Registry({
    ...{ node: self, clock, log, dial: memory.dial, recorders: undefined },
    screen: (size) => createScreen(pool, size),
    ...{ graceMs: 3_600_000, maxSessions: 1000, atOnce: () => ({ ofUser: 1000, onTarget: 1000 }) },
  });
  const timing = { ...watchTiming, ...options.timing };
  const common = { bus, sealer, inbox, names, clock, log, meter, timing };
  const relay = openRelay({ ...common, registry });
  const mirrors = openMirrors(common);
  const never = new AbortController().signal;
  const views = new Set<FarView>();

  return {
    ...{ self, bus, sealer, inbox, registry, relay, mirrors, meter },
    async open(size = { cols: 80, rows: 24 }) {
      const ask = { ask: () => Promise.reject(new Error("nothing is asked")), tell: () => {} } as never;
      const session = await registry.open({ target: memory.target, who: { name: "alice" }, size, ask }, never);
      return { session, pty: memory.pty() };
    },
    async watch(info, { from, name: who = "carol" } = {}) {
      const leaving = new AbortController();
      const holder = holderOf(info.id);
      if (holder === undefined) throw new Error(`${info.id} names no holder`);
      const attachment = await mirrors.attach(info, holder, { name: who }, { from }, leaving.signal);
      const view = readView(attachment, leaving);
      views.add(view);
      return view;
    },
    async [Symbol.asyncDispose]() {
      for (const view of views) await view[Symbol.asyncDispose]();
      await registry[Symbol.asyncDispose]();
      await mirrors[Symbol.asyncDispose]();
      await relay[Symbol.asyncDispose]();
      await inbox[Symbol.asyncDispose]();
      await bus[Symbol.asyncDispose]();
      await pool[Symbol.asyncDispose]();
      await until(() => clock.pending === 0, `every timer of ${name} is given back; ${clock.pending} are not`, 5000);
      expect(relay.watchedElsewhere()).toBe(0);
    },
  };
}

function readView(attachment: Attachment, leaving: AbortController): FarView {
  const items: ViewItem[] = [];
  const terminal = newTerminal(attachment.info.size);
  let offset = attachment.resumed ? attachment.start.offset : -1;
  let paused: PromiseWithResolvers<void> | undefined;
  const over = (async () => {
    for await (const item of attachment.view) {
      items.push(item);
      if (item.kind === "key-frame") {
        terminal.reset();
        terminal.resize(item.size.cols, item.size.rows);
        feed(terminal, item.bytes);
        offset = item.offset;
      } else if (item.kind === "output") {
        expect(item.offset, "output begins where the last one ended").toBe(offset);
        feed(terminal, item.bytes);
        offset += item.bytes.length;
      } else if (item.kind === "resize") terminal.resize(item.size.cols, item.size.rows);
      await paused?.promise;
    }
  })();
  let broken: unknown;
  over.catch((error: unknown) => {
    broken = error;
  });
  return {
    ...{ attachment, items, over },
    state: () => stateOf(terminal),
    text: () => screenText(terminal),
    offset() {
      if (broken !== undefined) throw broken;
      return offset;
    },
    pause() {
      paused ??= Promise.withResolvers<void>();
    },
    resume() {
      paused?.resolve();
      paused = undefined;
    },
    async [Symbol.asyncDispose]() {
      leaving.abort(new Error("the watcher left"));
      paused?.resolve();
      await over.catch(() => {});
    },
  };
}

/** A terminal that was fed exactly these. */
export function stateAfter(size: TermSize, ...parts: readonly (Uint8Array | string | TermSize)[]): unknown {
  const terminal = newTerminal(size);
  for (const part of parts) {
    if (typeof part === "string" || part instanceof Uint8Array) feed(terminal, part);
    else terminal.resize(part.cols, part.rows);
  }
  return stateOf(terminal);
}

export const exited: EndCause = { kind: "exited", code: 0 };
