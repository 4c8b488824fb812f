/** This node's part in a group: what it says of its own sessions, what it knows of others', and how both are reached. */

import { NodesMessageSchema } from "../../proto/gen/bartizan/v1/bus_pb.ts";
import { BartizanFault } from "../errors.ts";
import type { Principal, SessionId, SessionInfo } from "../events.ts";
import type { Clock } from "../flow/clock.ts";
import { orAborted } from "../flow/life.ts";
import type { Log } from "../log.ts";
import type { Attachment, AttachOptions } from "../session/live-session.ts";
import type { Registry } from "../session/registry.ts";
import { type Found, findHeld, type LiveList, type Sessions } from "../session/sessions.ts";
import { BusDown, type GroupBus } from "./bus.ts";
import { createDeadMarkers, openRuns } from "./dead-markers.ts";
import { type Directory, nodeStopped, openDirectory } from "./directory.ts";
import { type Inbox, openInbox } from "./inbox.ts";
import type { GroupMeter } from "./meter.ts";
import { holderOf, type Names, type NodeId, nodeNameOf } from "./names.ts";
import { createOrderTaker, type OrderTaker } from "./order-taker.ts";
import { createOrders } from "./orders.ts";
import { type OwnList, openOwnList } from "./own-list.ts";
import { holderUnreachable, RemoteSession } from "./remote-session.ts";
import { createRollCall } from "./roll-call.ts";
import { createSealer, kinds } from "./seal.ts";
import { createSealed } from "./sealed.ts";
import type { Timing } from "./timing.ts";
import { createTombstones } from "./tombstones.ts";

export interface GroupNeeds {
  /** Given over: closed with the group. */
  readonly bus: GroupBus;
  /** The deployment's: the first seals, all open. */
  readonly keys: readonly Buffer[];
  readonly self: NodeId;
  readonly names: Names;
  readonly registry: Registry;
  /** Where clients reach this node; empty when they cannot. */
  readonly address: string;
  readonly version: string;
  /** Locked by this process. */
  readonly dataFolder: string;
  /** Off the bus for so long, this node ends its sessions; undefined: never. */
  readonly strictMs: number | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly meter: GroupMeter;
  readonly timing: Timing;
}

/** What joins this node to others, for people. */
export interface GroupState {
  readonly bus: string;
  readonly up: boolean;
  readonly reason: string;
  readonly warnings: readonly string[];
  /** Names of the nodes that give signs of life, this one included. */
  readonly nodes: readonly string[];
}

/** Disposing says good-bye: this node's sessions should have ended before. */
export interface Group extends AsyncDisposable {
  readonly self: NodeId;
  /** Of all nodes. */
  readonly sessions: Sessions;
  readonly inbox: Inbox;
  readonly meter: GroupMeter;
  /** Nodes that give signs of life, without this one. */
  readonly others: () => readonly NodeId[];
  state(): GroupState;
}

/** Resolves also while the bus is down: then everything is made up for when it is there. */
export async function openGroup(needs: GroupNeeds): Promise<Group> {
  const { bus, names, registry, self, clock, log, meter, timing } = needs;
  await using opening = new AsyncDisposableStack();
  opening.use(bus);
  const sealer = createSealer({ keys: needs.keys, self, clock, log, meter });
  const sealed = createSealed(sealer);
  const records = { bus, names, sealed, lifeMs: timing.forgetMs };
  const tombstones = createTombstones(records);
  const dead = createDeadMarkers(records);
  const runs = await openRuns(needs.dataFolder, self);
  const inbox = opening.use(await openInbox({ bus, sealer, names, self, clock, log, meter }));
  const own: OwnList = opening.use(
    openOwnList({
      ...{ bus, names, sealed, tombstones, self, registry, clock, log, meter, timing },
      ...{ node: nodeNameOf(self), address: needs.address, version: needs.version },
      ticks: () => [],
      orderOf: (info) => taker.orderOf(info),
    }),
  );
  const taker: OrderTaker = opening.use(
    createOrderTaker({ ...{ bus, names, sealed, inbox, registry, self, clock, log, timing }, told: own.told }),
  );
  opening.use(inbox.on("listen", () => own.beat()));
  const directory = opening.use(
    openDirectory({ bus, names, sealer, sealed, inbox, own, tombstones, dead, self, clock, log, timing }),
  );
  const { strictMs } = needs;
  const orders = opening.use(
    createOrders({ bus, names, sealed, inbox, directory, tombstones, dead, strictMs, clock, log, meter, timing }),
  );
  const rollCall = createRollCall({ bus, names, self, clock, leaseMs: timing.leaseMs });
  let renewedAtMs = clock.monotonicMs();
  let former: readonly NodeId[] = runs.former;
  let renewing: Promise<void> | undefined;

  /** What is said to who listens: this node is there, and those that were here before it are not. */
  async function sayHello(): Promise<void> {
    const over = former;
    for (const node of over) await dead.mark(node);
    await bus.publish(names.hello, sealed.write(kinds.list, names.hello, NodesMessageSchema, { over: [...over] }));
    if (over.length === 0) return;
    former = [];
    await runs.marked();
  }

  async function renewOnce(returned: boolean): Promise<void> {
    // What waits for this node comes before anything that it says of itself.
    await taker.carryOut();
    await own.renew();
    renewedAtMs = clock.monotonicMs();
    if (returned || former.length > 0) await sayHello();
    await rollCall.call();
  }

  /** Never rejects. */
  function renew(returned = false): Promise<void> {
    renewing ??= renewOnce(returned)
      .catch((error: unknown) => {
        if (!(error instanceof BusDown)) log.error({ err: error }, "this node's part in the group failed");
      })
      .finally(() => {
        renewing = undefined;
      });
    return renewing;
  }

  function look(): void {
    if (strictMs !== undefined && clock.monotonicMs() - renewedAtMs > strictMs) {
      log.warn({ sessions: registry.size }, "off the bus for too long: all sessions are ended");
      registry.closeAll(
        "fault",
        `This node was off the bus for ${Math.round(strictMs / 1000)} s (group.strictSeconds).`,
      );
    }
    if (bus.state.up) void renew();
  }

  opening.use(
    bus.onState(({ up }) => {
      meter.bus(up);
      if (up) void (renewing ?? Promise.resolve()).then(() => renew(true));
    }),
  );
  opening.use(clock.every(timing.renewMs, look));
  await renew(true);

  const sessions = createSessions({ registry, directory, tombstones, dead, orders });
  const held = opening.move();
  return {
    ...{ self, sessions, inbox, meter },
    others: () => rollCall.others,
    state: () => ({
      ...{ bus: bus.kind, up: bus.state.up, reason: bus.state.up ? "" : bus.state.reason, warnings: [] },
      nodes: [...new Set([nodeNameOf(self), ...rollCall.others.map(nodeNameOf)])].sort(),
    }),
    async [Symbol.asyncDispose]() {
      await renewing;
      try {
        // Every session has ended and was told: nothing is left that a marker would have to speak for.
        await own.leave();
        await dead.mark(self);
        await runs.over();
      } catch (error) {
        log.warn({ err: error }, "this node could not say good-bye: its next start does");
      }
      await held.disposeAsync();
    },
  };
}

interface SessionsNeeds {
  readonly registry: Registry;
  readonly directory: Directory;
  readonly tombstones: ReturnType<typeof createTombstones>;
  readonly dead: ReturnType<typeof createDeadMarkers>;
  readonly orders: ReturnType<typeof createOrders>;
}

function createSessions({ registry, directory, tombstones, dead, orders }: SessionsNeeds): Sessions {
  const remote = (info: SessionInfo, holder: NodeId) =>
    new RemoteSession({
      ...{ info, holder, orders, address: directory.addressOf(holder) },
      watch: async (_who: Principal, _options: AttachOptions, _signal: AbortSignal): Promise<Attachment> => {
        throw new BartizanFault("not-here", "This session is on another node.");
      },
    });

  async function find(id: string): Promise<Found> {
    const here = findHeld(registry, id);
    const holder = holderOf(id);
    if (here.kind !== "none" || holder === undefined) return here;
    const session = id as SessionId;
    const unknown = (cause?: unknown): Found => {
      const info = directory.find(session);
      if (info !== undefined) return { kind: "live", session: remote({ ...info, unreachable: true }, holder) };
      return {
        kind: "unknown",
        fault: holderUnreachable(holder, cause),
        kick: (whom, by, reason, order) => orders.kick({ ...{ session, holder, whom, by, reason }, id: order }),
      };
    };
    try {
      const asked = await directory.ask(session, holder);
      if (asked.kind === "there") return { kind: "live", session: remote(asked.info, holder) };
      const ended = await tombstones.find(session);
      if (ended !== undefined) return { kind: "ended", info: ended.info };
      if (asked.kind === "none") return { kind: "none" };
      if (asked.info === undefined || !(await dead.isOver(holder))) return unknown();
      const cause = { kind: "lost" as const, reason: nodeStopped };
      return {
        kind: "ended",
        info: { ...asked.info, state: "ended", ended: { offset: asked.info.outputBytes, atMs: 0, cause } },
      };
    } catch (error) {
      if (error instanceof BusDown) return unknown(error);
      throw error;
    }
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
