/**
 * What this node knows of the others and their sessions. It listens to another node only while somebody here wants to know
 * of it; of one that nobody listens to the record is read. Nothing is concluded while this node itself is cut off.
 */
import { ListMessageSchema, NodesMessageSchema } from "../../proto/gen/bartizan/v1/bus_pb.ts";
import type { Reach, SessionId, SessionInfo } from "../events.ts";
import { type Clock, pause } from "../flow/clock.ts";
import type { Log } from "../log.ts";
import { BusDown, type GroupBus } from "./bus.ts";
import type { DeadMarkers } from "./dead-markers.ts";
import type { Inbox } from "./inbox.ts";
import { createListReader } from "./list-reader.ts";
import { holderOf, type Names, type NodeId, nodeNameOf } from "./names.ts";
import type { OwnList } from "./own-list.ts";
import { Peer } from "./peer.ts";
import { kinds, type Sealer } from "./seal.ts";
import type { Sealed } from "./sealed.ts";
import { subscribeStanding } from "./standing.ts";
import type { Timing } from "./timing.ts";
import type { Tombstones } from "./tombstones.ts";

/** Somebody here wants to know of a node, or of all. Disposing ends that. */
export interface Hearing extends Disposable {
  /** What there was to be read is read, or the bus is down. Never rejects. */
  readonly ready: Promise<void>;
}

/** Of one session of another node, as far as it is known. `lapsed`: its node's record is gone. */
export type Asked =
  | { readonly kind: "there"; readonly info: SessionInfo }
  | { readonly kind: "none" }
  | { readonly kind: "lapsed"; readonly info: SessionInfo | undefined };

export interface Directory extends AsyncDisposable {
  /** Sessions of others, as far as this node knows. */
  list(): SessionInfo[];
  find(id: SessionId): SessionInfo | undefined;
  /** Calls for each new, changed or ended session of nodes that are listened to. */
  onChange(listener: (info: SessionInfo) => void): Disposable;
  /** Calls when a node that is listened to can be heard again, or no more, with a line for people. */
  onReach(listener: (node: NodeId, reach: Reach, text: string) => void): Disposable;
  reachOf(node: NodeId): Reach;
  /** Where clients reach it; empty when they cannot, or it is not known. */
  addressOf(node: NodeId): string;
  /** Calls when it is known for certain that a node is gone. */
  onOver(listener: (node: NodeId) => void): Disposable;
  /** Calls for each sign of life. */
  onSign(listener: (node: NodeId, ticks: readonly { sessionId: string; offset: number }[]) => void): Disposable;
  hear(node: NodeId): Hearing;
  follow(): Hearing;
  /** From the record, unless the node is listened to. Rejects with `BusDown`. */
  ask(id: SessionId, holder: NodeId): Promise<Asked>;
  /** As `ask`, of every session of every node; with the bus down, of what is known. */
  askAll(): Promise<SessionInfo[]>;
  /** Nodes that are on the bus now, this one left out. Rejects with `BusDown`. */
  others(): Promise<NodeId[]>;
  /** How long the record of a node that is listened to has been gone without a break; 0: it is not known to be. */
  lapsedMs(node: NodeId): number;
}

export interface DirectoryNeeds {
  readonly bus: GroupBus;
  readonly names: Names;
  readonly sealer: Sealer;
  readonly sealed: Sealed;
  readonly inbox: Inbox;
  readonly own: OwnList;
  readonly tombstones: Tombstones;
  readonly dead: DeadMarkers;
  readonly self: NodeId;
  readonly clock: Clock;
  readonly log: Log;
  readonly timing: Timing;
}

interface Entry {
  readonly peer: Peer;
  hearers: number;
  subscription: Promise<AsyncDisposable> | undefined;
  ready: Promise<void>;
  reading: Promise<void> | undefined;
  readAgain: boolean;
  askedAtMs: number;
}

/** How a session ended whose node is gone. */
export const nodeStopped = "Its node stopped.";
/** Nodes are looked at this often while they are listened to: a part of a heartbeat. */
const looksEachBeat = 4;
const readAgainMs = 100;
const nothing = new Uint8Array();

export function openDirectory(needs: DirectoryNeeds): Directory {
  const { bus, names, sealer, sealed, inbox, own, tombstones, dead, self, clock, log, timing } = needs;
  const { heartbeatMs, missedBeats } = timing;
  const reader = createListReader(bus, names, sealed);
  const entries = new Map<NodeId, Entry>();
  const listeners = new Set<(info: SessionInfo) => void>();
  const reaches = new Set<(node: NodeId, reach: Reach, text: string) => void>();
  const signs = new Set<(node: NodeId, ticks: readonly { sessionId: string; offset: number }[]) => void>();
  const overs = new Set<(node: NodeId) => void>();
  const followed = new Map<NodeId, Hearing>();
  const life = new AbortController();
  let followers = 0;
  let listening: { readonly parts: Disposable[]; readonly subscriptions: Promise<AsyncDisposable>[] } | undefined;
  let loopAtMs = 0;
  let lookedAtMs = 0;
  const closing = new Set<Promise<unknown>>();

  const now = () => clock.monotonicMs();
  const closes = (task: Promise<unknown>) => {
    const tracked = task.finally(() => closing.delete(tracked));
    closing.add(tracked);
  };
  const tell = (info: SessionInfo) => {
    for (const listener of listeners) listener(info);
  };

  function entryOf(node: NodeId): Entry {
    const known = entries.get(node);
    if (known !== undefined) return known;
    const entry: Entry = {
      ...{ peer: new Peer(node, clock.wallMs), hearers: 0, subscription: undefined, ready: Promise.resolve() },
      ...{ reading: undefined, readAgain: false, askedAtMs: Number.NEGATIVE_INFINITY },
    };
    entry.peer.heardAtMs = now();
    entries.set(node, entry);
    return entry;
  }

  function setReach(entry: Entry, reach: Reach, text = ""): void {
    const { peer } = entry;
    if (peer.reach === reach) return;
    peer.reach = reach;
    peer.reachText = text;
    if (reach !== "stale") log.info({ node: peer.id, reach }, "another node's reach has changed");
    for (const info of peer.list()) tell(info);
    for (const listener of reaches) listener(peer.id, reach, text);
  }

  function take(entry: Entry, bytes: Uint8Array): void {
    const { peer } = entry;
    const read = sealed.read(kinds.list, names.list(peer.id), ListMessageSchema, bytes, peer.id);
    if (read === undefined || !entries.has(peer.id)) return;
    const { message } = read;
    peer.heardAtMs = now();
    peer.lapsedAtMs = undefined;
    const heard = peer.hear(message);
    if (heard.kind === "left") return void over(entry);
    if (heard.kind === "sign") for (const info of heard.moved) tell(info);
    if (heard.kind === "changed") {
      for (const info of heard.changed) tell(info);
      for (const info of heard.ended) tell(info);
    }
    if (heard.kind === "hole") void readList(entry);
    setReach(entry, "live");
    const ticks = message.ticks.map(({ sessionId, offset }) => ({ sessionId, offset: Number(offset) }));
    for (const listener of signs) listener(peer.id, ticks);
  }

  /** Reads the record, and again when that was called for meanwhile. Never rejects. */
  function readList(entry: Entry): Promise<void> {
    entry.readAgain = entry.reading !== undefined;
    entry.reading ??= (async () => {
      try {
        await readOnce(entry);
        while (entry.readAgain && entries.get(entry.peer.id) === entry) {
          entry.readAgain = false;
          await pause(clock, readAgainMs, life.signal);
          await readOnce(entry);
        }
      } catch (error) {
        // The bus is down: when it is back everything is read again.
        if (!(error instanceof BusDown) && !life.signal.aborted)
          log.error({ err: error }, "a node's list was not read");
      } finally {
        entry.reading = undefined;
      }
    })();
    return entry.reading;
  }

  async function readOnce(entry: Entry): Promise<void> {
    const { peer } = entry;
    peer.reading();
    const list = await reader.list(peer.id);
    if (list === "partly") {
      entry.readAgain = true;
      return;
    }
    if (list === "lapsed") {
      if (await dead.isOver(peer.id)) return await over(entry);
      peer.lapsedAtMs ??= now();
      return;
    }
    peer.lapsedAtMs = undefined;
    const { changed, gone, ended, hole } = peer.read(list);
    for (const info of changed) tell(info);
    for (const info of ended) tell(info);
    for (const info of gone) tell(await endOf(info, "How it ended is not known."));
    if (hole) entry.readAgain = true;
  }

  /** How a session ended that is on no list any more. */
  async function endOf(info: SessionInfo, reason: string): Promise<SessionInfo> {
    const known = await tombstones.find(info.id).catch(() => undefined);
    if (known !== undefined) return known.info;
    const { unreachable: _flag, ...rest } = info;
    const ended = {
      offset: info.outputBytes,
      atMs: info.activeAtMs - info.openedAtMs,
      cause: { kind: "lost", reason },
    } as const;
    return { ...rest, state: "ended", attachments: [], ended };
  }

  /** The node is gone for certain. */
  async function over(entry: Entry): Promise<void> {
    if (entries.get(entry.peer.id) !== entry) return;
    entries.delete(entry.peer.id);
    stopHearing(entry);
    followed.delete(entry.peer.id);
    log.info({ node: entry.peer.id }, "another node is over");
    for (const listener of overs) listener(entry.peer.id);
    for (const info of entry.peer.empty()) tell(await endOf(info, nodeStopped));
  }

  function startHearing(entry: Entry): void {
    const { peer } = entry;
    listen(true);
    peer.heardAtMs = now();
    const channel = names.list(peer.id);
    entry.subscription = subscribeStanding(
      bus,
      channel,
      { message: (bytes) => take(entry, bytes), missed: () => void readList(entry) },
      clock,
    );
    entry.ready = entry.subscription.then(async () => {
      await askFor(entry, true);
      await readList(entry);
    });
  }

  function stopHearing(entry: Entry): void {
    const { subscription } = entry;
    entry.subscription = undefined;
    entry.peer.lapsedAtMs = undefined;
    if (subscription === undefined) return;
    closes(
      subscription.then(async (made) => {
        await made[Symbol.asyncDispose]();
        sealer.forget(names.list(entry.peer.id));
      }),
    );
    if (![...entries.values()].some((each) => each.subscription !== undefined) && followers === 0) listen(false);
  }

  /** Asks for a sign of life, and whether anybody is there at all. Never rejects. */
  async function askFor(entry: Entry, first = false): Promise<void> {
    const { peer } = entry;
    entry.askedAtMs = now();
    const askedAtMs = now();
    let there: number;
    try {
      there = await inbox.send(peer.id, { case: "listen", value: {} });
    } catch {
      return;
    }
    const silentMs = now() - peer.heardAtMs;
    if (peer.heardAtMs > askedAtMs || (!first && silentMs < missedBeats * heartbeatMs)) return;
    if (there === 0) setReach(entry, "unreachable", `${peer.name} is not on the bus: it was killed, or is cut off.`);
    else if (silentMs >= (missedBeats + 0.75) * heartbeatMs)
      setReach(entry, "unreachable", `${peer.name} gives no sign of life.`);
  }

  /** What this node hears of itself, and looks at others, while it listens to anybody. */
  function listen(on: boolean): void {
    if (on === (listening !== undefined)) return;
    if (!on) {
      for (const part of listening?.parts ?? []) part[Symbol.dispose]();
      for (const each of listening?.subscriptions ?? [])
        closes(each.then((subscription) => subscription[Symbol.asyncDispose]()));
      listening = undefined;
      own.listen(false);
      return;
    }
    loopAtMs = now();
    lookedAtMs = now();
    const loop = {
      message: () => {
        loopAtMs = now();
      },
    };
    const hello = { message: takeHello };
    listening = {
      parts: [clock.every(heartbeatMs / looksEachBeat, look), clock.every(timing.renewMs, () => void poll())],
      subscriptions: [
        subscribeStanding(bus, names.list(self), loop, clock),
        subscribeStanding(bus, names.hello, hello, clock),
      ],
    };
    own.listen(true);
  }

  function takeHello(bytes: Uint8Array): void {
    const read = sealed.read(kinds.list, names.hello, NodesMessageSchema, bytes);
    if (read === undefined || read.sender === self) return;
    for (const id of read.message.over) {
      const entry = entries.get(id as NodeId);
      // Only who runs where it ran can know.
      if (entry !== undefined && nodeNameOf(read.sender) === entry.peer.name) void over(entry);
    }
    if (followers > 0) followOne(read.sender);
  }

  function look(): void {
    const heldUp = now() - lookedAtMs > heartbeatMs;
    lookedAtMs = now();
    // What came meanwhile is heard first.
    if (heldUp) return;
    const cutOff = !bus.state.up || now() - loopAtMs > missedBeats * heartbeatMs;
    for (const entry of entries.values()) {
      if (entry.subscription === undefined) continue;
      if (cutOff) setReach(entry, "stale", "This node is cut off from the others: what is shown is the last it knew.");
      else if (now() - entry.peer.heardAtMs >= missedBeats * heartbeatMs) {
        const everyMs = entry.peer.reach === "live" ? heartbeatMs / looksEachBeat : timing.renewMs;
        if (now() - entry.askedAtMs >= everyMs) void askFor(entry);
      }
    }
  }

  /** Looks for nodes that are new, for those that are gone, and for lists that are not in. Never rejects. */
  async function poll(): Promise<void> {
    if (!bus.state.up) return;
    if (followers > 0) await followKnown();
    for (const entry of entries.values()) {
      if (now() - entry.peer.heardAtMs > timing.forgetMs) forget(entry);
      else if (entry.subscription !== undefined && (entry.peer.reach !== "live" || !entry.peer.known))
        await readList(entry);
    }
  }

  function forget(entry: Entry): void {
    entries.delete(entry.peer.id);
    stopHearing(entry);
    followed.delete(entry.peer.id);
    bus.records.forget(names.nodes, entry.peer.id).catch(() => {});
    for (const info of entry.peer.empty()) void endOf(info, "Its node gave no sign of life for a day.").then(tell);
  }

  async function followKnown(): Promise<void> {
    try {
      const oldestMs = clock.wallMs() - timing.forgetMs;
      for (const [node, atMs] of await bus.records.remembered(names.nodes)) {
        if (atMs < oldestMs) await bus.records.forget(names.nodes, node);
        else followOne(node as NodeId);
      }
      for (const node of entries.keys()) followOne(node);
    } catch {
      // Again with the next look.
    }
  }

  function followOne(node: NodeId): void {
    if (node !== self && !followed.has(node)) followed.set(node, hear(node));
  }

  function hear(node: NodeId): Hearing {
    const entry = entryOf(node);
    entry.hearers += 1;
    if (entry.hearers === 1) startHearing(entry);
    let mine = true;
    return {
      get ready() {
        return entry.ready;
      },
      [Symbol.dispose]() {
        if (!mine) return;
        mine = false;
        entry.hearers -= 1;
        if (entry.hearers === 0) stopHearing(entry);
      },
    };
  }

  const state = bus.onState(({ up }) => {
    if (up) {
      // Nothing could be heard: everybody has the whole time again.
      loopAtMs = now();
      if (listening !== undefined) own.beat();
      for (const entry of entries.values()) {
        if (entry.subscription === undefined) continue;
        entry.peer.heardAtMs = now();
        void askFor(entry).then(() => readList(entry));
      }
      if (followers > 0) void followKnown();
      return;
    }
    look();
    // Without a break: from here on nothing is seen.
    for (const { peer } of entries.values()) peer.lapsedAtMs = undefined;
  });

  /** As the record and the bus have it now; nothing is told. */
  async function refresh(node: NodeId): Promise<void> {
    const entry = entryOf(node);
    if (entry.subscription !== undefined) return await entry.ready;
    const { peer } = entry;
    const [list, there] = await Promise.all([reader.list(node), bus.publish(names.inbox(node), nothing)]);
    if (entry.subscription !== undefined) return await entry.ready;
    if (list === "lapsed" && (await dead.isOver(node))) return void entries.delete(node);
    if (typeof list === "object") {
      peer.reading();
      peer.read(list);
      peer.heardAtMs = now();
    }
    peer.reach = there > 0 && list !== "lapsed" ? "live" : "unreachable";
  }

  const known = () => [...entries.values()].flatMap(({ peer }) => peer.list());

  return {
    list: known,
    find: (id) => entries.get(holderOf(id) ?? ("" as NodeId))?.peer.find(id),
    onChange: (listener) => added(listeners, listener),
    onReach: (listener) => added(reaches, listener),
    onOver: (listener) => added(overs, listener),
    onSign: (listener) => added(signs, listener),
    reachOf: (node) => (bus.state.up ? (entries.get(node)?.peer.reach ?? "live") : "stale"),
    addressOf: (node) => entries.get(node)?.peer.address ?? "",
    hear,
    follow() {
      followers += 1;
      if (followers === 1) listen(true);
      const ready = followKnown().then(async () => {
        await Promise.all([...followed.values()].map((each) => each.ready));
      });
      let mine = true;
      return {
        ready,
        [Symbol.dispose]() {
          if (!mine) return;
          mine = false;
          followers -= 1;
          if (followers > 0) return;
          for (const each of followed.values()) each[Symbol.dispose]();
          followed.clear();
          if (![...entries.values()].some((each) => each.subscription !== undefined)) listen(false);
        },
      };
    },
    async ask(id, holder) {
      const entry = entryOf(holder);
      if (entry.subscription !== undefined) {
        await entry.ready;
        const info = entry.peer.find(id);
        if (info !== undefined) return { kind: "there", info };
      }
      const found = await reader.session(holder, id);
      if (found === "none") return { kind: "none" };
      if (found === "lapsed") return { kind: "lapsed", info: entry.peer.find(id) };
      entry.peer.address = found.address;
      return { kind: "there", info: found.info };
    },
    async askAll() {
      if (followers > 0) return known();
      try {
        const nodes = [...(await bus.records.remembered(names.nodes)).keys()] as NodeId[];
        const all = new Set([...nodes, ...entries.keys()].filter((node) => node !== self));
        await Promise.all([...all].map(refresh));
      } catch (error) {
        if (!(error instanceof BusDown)) throw error;
        for (const { peer, subscription } of entries.values()) if (subscription === undefined) peer.reach = "stale";
      }
      return known();
    },
    async others() {
      const nodes = [...(await bus.records.remembered(names.nodes)).keys()].filter((node) => node !== self) as NodeId[];
      const there = await Promise.all(nodes.map((node) => bus.publish(names.inbox(node), nothing)));
      return nodes.filter((_node, at) => (there[at] ?? 0) > 0);
    },
    lapsedMs(node) {
      const atMs = entries.get(node)?.peer.lapsedAtMs;
      return atMs === undefined ? 0 : now() - atMs;
    },
    async [Symbol.asyncDispose]() {
      life.abort();
      state[Symbol.dispose]();
      followed.clear();
      followers = 0;
      for (const entry of entries.values()) stopHearing(entry);
      listen(false);
      await Promise.allSettled([...closing, ...Array.from(entries.values(), ({ reading }) => reading)]);
      entries.clear();
    },
  };
}

function added<T>(set: Set<T>, one: T): Disposable {
  set.add(one);
  return { [Symbol.dispose]: () => void set.delete(one) };
}
