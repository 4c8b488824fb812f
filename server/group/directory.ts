/**
 * What this node knows of the others and their sessions. It listens to another node only while somebody here wants to know
 * of it; of one that nobody listens to the record is read. Nothing is concluded while this node itself is cut off.
 */
import { NodesMessageSchema } from "../../proto/gen/bartizan/v1/bus_pb.ts";
import type { Reach, SessionId, SessionInfo } from "../events.ts";
import { within } from "../flow/clock.ts";
import { BusDown } from "./bus.ts";
import { holderOf, isNodeId, type NodeId, nodeNameOf } from "./names.ts";
import { nodeStopped, OtherNode, type OtherNodeNeeds, type Tick } from "./other-node.ts";
import type { OwnList } from "./own-list.ts";
import type { RollCall } from "./roll-call.ts";
import { kinds } from "./seal.ts";
import { subscribeStanding } from "./standing.ts";

/** Somebody here wants to know of a node, or of all. Disposing ends that. */
export interface Hearing extends Disposable {
  /** What there was to be read is read, or cannot be read in time: then it is told as a change. Never rejects. */
  readonly ready: Promise<void>;
}

/** Of one session of another node, as far as it is known. `lapsed`: its node's record is gone. */
export type Asked =
  /** `address`: where clients reach its node; empty when they cannot. */
  | { readonly kind: "there"; readonly info: SessionInfo; readonly address: string }
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
  /** Calls when it is known for certain that a node is gone, after the ends of its sessions were told. */
  onOver(listener: (node: NodeId) => void): Disposable;
  /** Calls for each sign of life. */
  onSign(listener: (node: NodeId, ticks: readonly Tick[]) => void): Disposable;
  hear(node: NodeId): Hearing;
  follow(): Hearing;
  /** From the record, unless the node is listened to. Rejects with `BusDown`. */
  ask(id: SessionId, holder: NodeId): Promise<Asked>;
  /** Whether anybody hears what is said to that node. Rejects with `BusDown`. */
  isThere(node: NodeId): Promise<boolean>;
  /** As `ask`, of every session of every node; with the bus down, of what is known. */
  askAll(): Promise<SessionInfo[]>;
  /** How long the record of a node that is listened to has been gone without a break; 0: it is not known to be. */
  lapsedMs(node: NodeId): number;
}

export interface DirectoryNeeds extends Omit<OtherNodeNeeds, "life" | "tell" | "reached" | "signed" | "over" | "gone"> {
  readonly own: OwnList;
  readonly roll: RollCall;
  readonly self: NodeId;
}

/** Nodes are looked at this often while they are listened to: a part of a heartbeat. */
const looksEachBeat = 4;
const mostFollowed = 1000;
const nothing = new Uint8Array();

export function openDirectory(needs: DirectoryNeeds): Directory {
  const { bus, names, sealed, own, dead, roll, reader, self, clock, timing } = needs;
  const { heartbeatMs, missedBeats } = timing;
  const nodes = new Map<NodeId, OtherNode>();
  const listeners = new Set<(info: SessionInfo) => void>();
  const reaches = new Set<(node: NodeId, reach: Reach, text: string) => void>();
  const signs = new Set<(node: NodeId, ticks: readonly Tick[]) => void>();
  const overs = new Set<(node: NodeId) => void>();
  const followed = new Map<NodeId, Hearing>();
  const closing = new Set<Promise<unknown>>();
  const life = new AbortController();
  let followers = 0;
  let listening: { readonly parts: Disposable[]; readonly subscriptions: Promise<AsyncDisposable>[] } | undefined;
  let loopAtMs = 0;
  let lookedAtMs = 0;

  const now = () => clock.monotonicMs();
  const closes = (task: Promise<unknown>) => {
    const tracked = task.finally(() => closing.delete(tracked));
    closing.add(tracked);
  };
  const each =
    <Args extends unknown[]>(set: ReadonlySet<(...args: Args) => void>) =>
    (...args: Args) => {
      for (const listener of set) listener(...args);
    };
  const told = {
    ...{ tell: each(listeners), reached: each(reaches), signed: each(signs), gone: each(overs) },
    over(node: OtherNode) {
      nodes.delete(node.peer.id);
      followed.delete(node.peer.id);
      stopHearing(node);
    },
  };

  function nodeOf(id: NodeId): OtherNode {
    const node = nodes.get(id) ?? new OtherNode(id, { ...needs, life: life.signal, ...told });
    nodes.set(id, node);
    return node;
  }

  function stopHearing(node: OtherNode): void {
    if (node.heard) closes(node.stop());
    listenWhileNeeded();
  }

  /** What this node hears of itself, and looks at others, while it listens to anybody. */
  function listenWhileNeeded(): void {
    const needed = followers > 0 || [...nodes.values()].some(({ heard }) => heard);
    if (needed === (listening !== undefined)) return;
    own.listen(needed);
    if (!needed) {
      for (const part of listening?.parts ?? []) part[Symbol.dispose]();
      for (const made of listening?.subscriptions ?? [])
        closes(made.then((subscription) => subscription[Symbol.asyncDispose]()));
      listening = undefined;
      return;
    }
    loopAtMs = now();
    lookedAtMs = now();
    const loop = {
      message: () => {
        loopAtMs = now();
      },
    };
    listening = {
      parts: [clock.every(heartbeatMs / looksEachBeat, look), clock.every(timing.renewMs, () => void poll())],
      subscriptions: [
        subscribeStanding(bus, names.list(self), loop, clock),
        subscribeStanding(bus, names.hello, { message: takeHello }, clock),
      ],
    };
  }

  function takeHello(bytes: Uint8Array): void {
    const read = sealed.read(kinds.list, names.hello, NodesMessageSchema, bytes);
    if (read === undefined || read.sender === self) return;
    for (const id of read.message.over) {
      // Only who runs where it ran can know.
      if (!isNodeId(id) || nodeNameOf(read.sender) !== nodeNameOf(id)) continue;
      dead.learn(id);
      void nodes.get(id)?.end(nodeStopped);
    }
    if (followers > 0) followOne(read.sender);
  }

  function look(): void {
    const heldUp = now() - lookedAtMs > heartbeatMs;
    lookedAtMs = now();
    // What came meanwhile is heard first.
    if (heldUp) return;
    const cutOff = !bus.state.up || now() - loopAtMs > missedBeats * heartbeatMs;
    for (const node of nodes.values()) {
      if (!node.heard) continue;
      if (cutOff) node.setReach("stale", "This node is cut off from the others: what is shown is the last it knew.");
      else if (node.silentMs >= missedBeats * heartbeatMs) {
        const everyMs = node.peer.reach === "live" ? heartbeatMs / looksEachBeat : timing.renewMs;
        if (now() - node.askedAtMs >= everyMs) void node.ask();
      }
    }
  }

  /** Looks for nodes that are new, for those that are gone, and for lists that are not in. Never rejects. */
  async function poll(): Promise<void> {
    if (!bus.state.up) return;
    if (followers > 0) await followKnown();
    for (const node of nodes.values()) {
      if (node.silentMs > timing.forgetMs) {
        bus.records.forget(names.nodes, node.peer.id).catch(() => {});
        await node.end("its node gave no sign of life for a day");
      } else if (node.heard && (node.peer.reach !== "live" || !node.peer.known)) await node.read();
    }
  }

  async function followKnown(): Promise<void> {
    try {
      await roll.call();
      for (const id of roll.known) followOne(id);
      for (const id of nodes.keys()) followOne(id);
    } catch {
      // Again with the next look.
    }
  }

  async function followAll(): Promise<void> {
    await followKnown();
    await Promise.all(Array.from(followed.values(), ({ ready }) => ready));
  }

  function followOne(id: NodeId): void {
    if (id === self || dead.knows(id) || followers === 0 || followed.has(id) || followed.size >= mostFollowed) return;
    followed.set(id, hear(id));
  }

  function hear(id: NodeId): Hearing {
    // Nothing will be heard of it any more.
    if (dead.knows(id)) return { ready: Promise.resolve(), [Symbol.dispose]: () => {} };
    const node = nodeOf(id);
    node.hearers += 1;
    if (node.hearers === 1) {
      node.start();
      listenWhileNeeded();
    }
    return {
      ready: node.ready,
      [Symbol.dispose]: once(() => {
        node.hearers -= 1;
        if (node.hearers === 0) stopHearing(node);
      }),
    };
  }

  const state = bus.onState(({ up }) => {
    if (!up) {
      look();
      // Without a break: from here on nothing is seen.
      for (const { peer } of nodes.values()) peer.lapsedAtMs = undefined;
      return;
    }
    // Nothing could be heard: everybody has the whole time again.
    loopAtMs = now();
    if (listening !== undefined) own.beat();
    for (const node of nodes.values()) {
      if (!node.heard) continue;
      node.peer.heardAtMs = now();
      void node.ask().then(() => node.read());
    }
    void followKnown();
  });

  const isThere = async (id: NodeId) => (await bus.publish(names.inbox(id), nothing)) > 0;

  /** As `refreshOne`; what lies at one node's place and cannot be read hides none of the others. Rejects with `BusDown`. */
  async function refresh(id: NodeId): Promise<void> {
    try {
      if (!dead.knows(id)) await refreshOne(id);
    } catch (error) {
      if (!(error instanceof BusDown) || !bus.state.up) throw error;
    }
  }

  /** As the record and the bus have it now; nothing is told. Rejects with `BusDown`. */
  async function refreshOne(id: NodeId): Promise<void> {
    const node = nodeOf(id);
    if (node.heard) return await node.ready;
    const [list, there] = await Promise.all([reader.list(id), isThere(id)]);
    const over = list === "lapsed" && (await dead.isOver(id));
    if (node.heard) return await node.ready;
    if (over) return void nodes.delete(id);
    const { peer } = node;
    if (list === "lapsed") peer.lapse();
    const isPast = typeof list === "object" && peer.isPast(list);
    if (typeof list === "object" && !isPast) {
      peer.reading();
      peer.read(list);
      peer.heardAtMs = now();
    }
    peer.reach = there && list !== "lapsed" && !isPast ? "live" : "unreachable";
    if (node.silentMs <= timing.forgetMs) return;
    nodes.delete(id);
    bus.records.forget(names.nodes, id).catch(() => {});
  }

  const known = () => [...nodes.values()].flatMap(({ peer }) => peer.list());

  return {
    list: known,
    find: (id) => nodes.get(holderOf(id) ?? ("" as NodeId))?.peer.find(id),
    onChange: (listener) => added(listeners, listener),
    onReach: (listener) => added(reaches, listener),
    onOver: (listener) => added(overs, listener),
    onSign: (listener) => added(signs, listener),
    reachOf: (id) => (bus.state.up ? (nodes.get(id)?.peer.reach ?? "live") : "stale"),
    hear,
    follow() {
      followers += 1;
      listenWhileNeeded();
      return {
        ready: within(clock, followAll(), timing.readyMs),
        [Symbol.dispose]: once(() => {
          followers -= 1;
          if (followers > 0) return;
          for (const hearing of followed.values()) hearing[Symbol.dispose]();
          followed.clear();
          listenWhileNeeded();
        }),
      };
    },
    async ask(id, holder) {
      const node = nodes.get(holder);
      if (node?.heard) {
        await node.ready;
        const { address, reach } = node.peer;
        const info = node.peer.find(id);
        if (info !== undefined && reach === "live") return { kind: "there", info, address };
      }
      const found = await reader.session(holder, id);
      if (found === "none") return { kind: "none" };
      if (found === "lapsed") return { kind: "lapsed", info: node?.peer.find(id) };
      const unheard = node?.heard === true && node.peer.reach !== "live";
      return { kind: "there", ...found, info: unheard ? { ...found.info, unreachable: true } : found.info };
    },
    isThere,
    async askAll() {
      if (followers > 0) return known();
      try {
        await roll.call();
        const all = new Set([...nodes.keys(), ...roll.known]);
        await Promise.all([...all].filter((id) => id !== self).map(refresh));
      } catch (error) {
        if (!(error instanceof BusDown)) throw error;
        for (const node of nodes.values()) if (!node.heard) node.peer.reach = "stale";
      }
      return known();
    },
    lapsedMs(id) {
      const atMs = nodes.get(id)?.peer.lapsedAtMs;
      return atMs === undefined ? 0 : now() - atMs;
    },
    async [Symbol.asyncDispose]() {
      life.abort();
      state[Symbol.dispose]();
      followed.clear();
      followers = 0;
      for (const node of nodes.values()) if (node.heard) closes(node.stop());
      listenWhileNeeded();
      await Promise.allSettled(closing);
    },
  };
}

function added<T>(set: Set<T>, one: T): Disposable {
  set.add(one);
  return { [Symbol.dispose]: () => void set.delete(one) };
}

/** The second call and all after it do nothing. */
function once(call: () => void): () => void {
  let done = false;
  return () => {
    if (!done) call();
    done = true;
  };
}
