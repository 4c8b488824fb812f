/** The sessions of all nodes of a group, as calls see them: those held here at first hand, others as their nodes say. */
import type { BartizanFault } from "../errors.ts";
import type { SessionId, SessionInfo } from "../events.ts";
import { orAborted } from "../flow/life.ts";
import type { Attachment, LiveSession } from "../session/live-session.ts";
import type { Registry } from "../session/registry.ts";
import { type Found, findHeld, type LiveList, type Sessions } from "../session/sessions.ts";
import { BusDown } from "./bus.ts";
import type { DeadMarkers } from "./dead-markers.ts";
import type { Directory } from "./directory.ts";
import type { Freezes } from "./freezes.ts";
import type { HolderWord } from "./holder-word.ts";
import { holderOf, type NodeId, nodeNameOf } from "./names.ts";
import type { OrderTaker } from "./order-taker.ts";
import type { Orders } from "./orders.ts";
import { lostWith, nodeStopped } from "./other-node.ts";
import { holderOver, holderUnreachable, RemoteSession, type RemoteSessionNeeds } from "./remote-session.ts";
import type { Tombstones } from "./tombstones.ts";

export interface GroupSessionsNeeds {
  readonly self: NodeId;
  readonly registry: Registry;
  readonly directory: Directory;
  readonly tombstones: Tombstones;
  readonly dead: DeadMarkers;
  readonly orders: Orders;
  readonly freezes: Freezes;
  readonly taker: OrderTaker;
  readonly word: HolderWord;
  /** Where clients reach the node of that name; empty when that is not known, or they cannot. */
  readonly addressOf: (name: string) => string;
  /** Watches a session that another node holds. */
  readonly watch: (
    info: SessionInfo,
    holder: NodeId,
    ...who: Parameters<RemoteSessionNeeds["watch"]>
  ) => Promise<Attachment>;
}

export function createGroupSessions({
  self,
  registry,
  directory,
  tombstones,
  dead,
  orders,
  freezes,
  taker,
  word,
  addressOf,
  watch,
}: GroupSessionsNeeds): Sessions {
  const remote = (info: SessionInfo, holder: NodeId, address: string) =>
    new RemoteSession({
      ...{ info, holder, orders, freezes, address },
      isThere: () => directory.isThere(holder).catch(() => false),
      watch: (...who) => watch(info, holder, ...who),
    });

  /** Which order ended it, other nodes are to know as well. */
  const held = (session: LiveSession): LiveSession => ({
    get info() {
      return session.info;
    },
    attach: (...given) => session.attach(...given),
    kick: (...order) => taker.kick(session, ...order),
    freeze: (...given) => session.freeze(...given),
    unfreeze: (...given) => session.unfreeze(...given),
  });

  async function find(id: string): Promise<Found> {
    const here = findHeld(registry, id);
    const holder = holderOf(id);
    if (here.kind === "ended") return { ...here, orderId: taker.orderOf(here.info) };
    if (here.kind === "live") return { kind: "live", session: held(here.session) };
    if (holder === undefined || holder === self) return here;
    const session = id as SessionId;
    const unheld = (fault: BartizanFault): Found => ({
      ...{ kind: "unknown", fault },
      kick: (whom, by, reason, order) => orders.kick({ ...{ session, holder, whom, by, reason }, id: order }),
    });
    const unknown = (cause?: unknown): Found => {
      if (dead.knows(holder)) return unheld(holderOver(holder));
      const info = directory.find(session);
      if (info !== undefined) return { kind: "live", session: remote({ ...info, unreachable: true }, holder, "") };
      return unheld(holderUnreachable(holder, cause));
    };
    try {
      const asked = await directory.ask(session, holder);
      const isOver = asked.kind === "lapsed" ? await dead.isOver(holder) : dead.knows(holder);
      // Its record may be there for a moment longer than it.
      if (asked.kind === "there" && !isOver)
        return { kind: "live", session: remote(asked.info, holder, asked.address) };
      const ended = await tombstones.find(session);
      const fault = isOver ? { fault: holderOver(holder) } : {};
      if (ended !== undefined) return { kind: "ended", ...ended, ...fault };
      // A record may be behind, or never have been written: only the node itself knows what it holds.
      if (!isOver) return (await askHolder(session, holder)) ?? unknown();
      if (asked.kind === "lapsed" && asked.info !== undefined)
        return { kind: "ended", info: lostWith(asked.info, nodeStopped), ...fault };
      return asked.kind === "none" ? { kind: "none" } : unknown();
    } catch (error) {
      if (error instanceof BusDown) return unknown(error);
      throw error;
    }
  }

  /** On the holder's own word; undefined: it is silent. Rejects with `BusDown`. */
  async function askHolder(session: SessionId, holder: NodeId): Promise<Found | undefined> {
    const said = (await directory.isThere(holder)) ? await word.ask(session, holder) : undefined;
    if (said === undefined || said === "none") return said && { kind: "none" };
    if (said.state === "ended") return { kind: "ended", info: said };
    return { kind: "live", session: remote(said, holder, addressOf(nodeNameOf(holder))) };
  }

  return {
    find,
    list: async () => newestFirst([...registry.list(), ...(await directory.askAll())]),
    listEnded: () => registry.listEnded(),
    async follow(signal): Promise<LiveList> {
      const hearing = directory.follow();
      try {
        await orAborted(hearing.ready, signal);
      } catch (error) {
        hearing[Symbol.dispose]();
        throw error;
      }
      return {
        list: () => newestFirst([...registry.list(), ...directory.list()]),
        onChange(listener) {
          const parts = [registry.onChange(listener), directory.onChange(listener)];
          return {
            [Symbol.dispose]() {
              for (const part of parts) part[Symbol.dispose]();
            },
          };
        },
        [Symbol.asyncDispose]: async () => hearing[Symbol.dispose](),
      };
    },
  };
}

function newestFirst(sessions: SessionInfo[]): SessionInfo[] {
  return sessions.sort((one, other) => other.openedAtMs - one.openedAtMs);
}
