/** This node's part in a group: what it says of its own sessions, what it knows of others', and how both are reached. */

import { NodesMessageSchema } from "../../proto/gen/bartizan/v1/bus_pb.ts";
import type { LockStore } from "../access/locks.ts";
import type { View } from "../events.ts";
import type { Clock } from "../flow/clock.ts";
import type { Log } from "../log.ts";
import type { Attachment } from "../session/live-session.ts";
import type { Registry } from "../session/registry.ts";
import type { Sessions } from "../session/sessions.ts";
import { BusDown, type BusState, type GroupBus } from "./bus.ts";
import { createDeadMarkers, openRuns } from "./dead-markers.ts";
import { type Hearing, openDirectory } from "./directory.ts";
import { openFreezes } from "./freezes.ts";
import { type GroupLocksNeeds, openGroupLocks } from "./group-locks.ts";
import { createGroupSessions } from "./group-sessions.ts";
import { createHolderWord } from "./holder-word.ts";
import { type Inbox, openInbox } from "./inbox.ts";
import { createListReader } from "./list-reader.ts";
import type { GroupMeter } from "./meter.ts";
import { openMirrors } from "./mirror.ts";
import { type Names, type NodeId, nodeNameOf } from "./names.ts";
import { createOrderTaker, type OrderTaker } from "./order-taker.ts";
import { createOrders } from "./orders.ts";
import { type OwnList, openOwnList } from "./own-list.ts";
import { openRelay, type Relay } from "./relay.ts";
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
  /** What is to be shared of locks. */
  readonly locks?: Pick<GroupLocksNeeds, "local" | "strictMs" | "audit"> | undefined;
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
  /** Of all nodes; undefined: they are not shared. */
  readonly locks: LockStore | undefined;
  /** Nodes that give signs of life, without this one. */
  readonly others: () => readonly NodeId[];
  /** Where clients reach the node of that name; empty when that is not known, or they cannot. */
  readonly addressOf: (name: string) => string;
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
  for (const run of runs.former) dead.learn(run);
  const inbox = opening.use(await openInbox({ bus, sealer, names, self, clock, log, meter }));
  const own: OwnList = opening.use(
    openOwnList({
      ...{ bus, names, sealed, tombstones, self, registry, clock, log, meter, timing },
      ...{ node: nodeNameOf(self), address: needs.address, version: needs.version },
      ticks: () => relay.ticks(),
      orderOf: (info) => taker.orderOf(info),
    }),
  );
  const taker: OrderTaker = opening.use(
    createOrderTaker({ ...{ bus, names, sealed, inbox, registry, self, clock, log, timing }, told: own.told }),
  );
  opening.use(inbox.on("listen", () => own.beat()));
  const reader = createListReader(bus, names, sealed);
  const roll = createRollCall({ bus, names, reader, dead, self, clock, log, timing });
  const directory = opening.use(
    openDirectory({
      ...{ bus, names, sealer, sealed, inbox, own, tombstones, dead, self, clock, log, timing },
      ...{ reader, roll },
    }),
  );
  const watching = { bus, sealer, inbox, names, clock, log, meter };
  const relay: Relay = opening.use(openRelay({ ...watching, registry }));
  const mirrors = opening.use(openMirrors(watching));
  for (const listening of [
    directory.onSign(mirrors.tick),
    directory.onReach(mirrors.holderReach),
    directory.onChange((info) => {
      if (info.state === "ended") mirrors.ended(info);
    }),
    directory.onOver((node) => {
      mirrors.gone(node);
      relay.gone(node);
    }),
  ])
    opening.use(listening);
  const { strictMs } = needs;
  const freezes = opening.use(openFreezes({ inbox, registry }));
  const orders = opening.use(
    createOrders({ bus, names, sealed, inbox, directory, tombstones, dead, strictMs, clock, log, meter, timing }),
  );
  let former: readonly NodeId[] = runs.former;
  let renewing: Promise<void> | undefined;
  let leaving = false;

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
    if (returned || former.length > 0) await sayHello();
    await roll.call();
  }

  /** Never rejects. */
  function renew(returned = false): Promise<void> {
    // After the good-bye it would stand there again, for a day.
    if (leaving) return Promise.resolve();
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
    const isLate = strictMs !== undefined && clock.monotonicMs() - own.leasedAtMs > strictMs;
    if (isLate && registry.size > 0) {
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
  const others = () => roll.others;
  const locks =
    needs.locks && opening.use(openGroupLocks({ ...needs.locks, bus, names, sealed, inbox, others, clock, log }));
  await locks?.compare();

  const word = opening.use(createHolderWord(inbox, timing.readyMs));
  const sessions = createGroupSessions({
    ...{ self, registry, directory, tombstones, dead, orders, freezes, taker, word, addressOf: roll.addressOf },
    watch: (info, holder, who, options, signal) =>
      heardWhile(directory.hear(holder), mirrors.attach(info, holder, who, options, signal), signal),
  });
  const held = opening.move();
  return {
    ...{ self, sessions, inbox, meter },
    ...{ others, addressOf: roll.addressOf, locks },
    state: () => ({
      ...{ bus: bus.kind, up: bus.state.up, reason: reasonOf(bus.state) },
      warnings: [...(bus.warnings ?? []), ...roll.warnings],
      nodes: [...new Set([nodeNameOf(self), ...roll.others.map(nodeNameOf)])].sort(),
    }),
    async [Symbol.asyncDispose]() {
      leaving = true;
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

function reasonOf(state: BusState): string {
  return state.up ? "" : [state.reason, state.advice ?? ""].join(" ").trim();
}

/** The holder is listened to for as long as the attachment lasts. */
async function heardWhile(hearing: Hearing, attaching: Promise<Attachment>, signal: AbortSignal): Promise<Attachment> {
  const end = () => {
    signal.removeEventListener("abort", end);
    hearing[Symbol.dispose]();
  };
  try {
    const attachment = await attaching;
    signal.addEventListener("abort", end, { once: true });
    if (signal.aborted) end();
    return { ...attachment, view: viewThen(attachment.view, end) };
  } catch (error) {
    end();
    throw error;
  }
}

async function* viewThen(view: View, end: () => void): View {
  try {
    yield* view;
  } finally {
    end();
  }
}
