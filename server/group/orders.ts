/**
 * Kicks of sessions on other nodes. Said is only what is known: by the holder's own word, by how a session ended, or by a
 * node that is gone for certain. Silence is "unreachable", and then the order stands: left where the holder finds it, and
 * kept here until it is heard again.
 */
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type BusKick, type BusKicked, BusKickSchema } from "../../proto/gen/bartizan/v1/bus_pb.ts";
import { KickOutcome } from "../../proto/gen/bartizan/v1/session_pb.ts";
import { BartizanFault } from "../errors.ts";
import type { AttachmentId, Principal, SessionId } from "../events.ts";
import { type Clock, pause } from "../flow/clock.ts";
import type { Log } from "../log.ts";
import type { KickResult } from "../session/live-session.ts";
import { BusDown, type GroupBus } from "./bus.ts";
import type { DeadMarkers } from "./dead-markers.ts";
import type { Directory, Hearing } from "./directory.ts";
import { endedOf } from "./from-wire.ts";
import { type Inbox, NoAnswer } from "./inbox.ts";
import type { GroupMeter, KickAnswer } from "./meter.ts";
import type { Names, NodeId } from "./names.ts";
import { nodeStopped } from "./other-node.ts";
import { kinds } from "./seal.ts";
import { placeOf, type Sealed } from "./sealed.ts";
import type { Timing } from "./timing.ts";
import type { Tombstones } from "./tombstones.ts";

export interface Order {
  readonly session: SessionId;
  readonly holder: NodeId;
  readonly whom: AttachmentId | "everyone";
  readonly by: Principal;
  readonly reason: string;
  /** The same id again is no second order, whatever node it comes through. */
  readonly id: string;
}

export interface OrdersNeeds {
  readonly bus: GroupBus;
  readonly names: Names;
  readonly sealed: Sealed;
  readonly inbox: Inbox;
  readonly directory: Directory;
  readonly tombstones: Tombstones;
  readonly dead: DeadMarkers;
  /** Nodes that are off the bus for so long end their sessions; undefined: they do not. */
  readonly strictMs: number | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly meter: GroupMeter;
  readonly timing: Timing;
}

export interface Orders extends AsyncDisposable {
  /** Answers within 4 s. Throws `not-found` on the holder's own word. */
  kick(order: Order): Promise<KickResult>;
  /** Orders that wait here for their holders. */
  readonly waiting: number;
}

/** At the bound the oldest are given up here; those that were left in the records are carried out all the same. */
const mostWaiting = 1000;
/** At the deadline the last looks at the records take no longer. */
const lastLookMs = 1_000;

interface Waiting {
  readonly order: Order;
  readonly body: BusKick;
  readonly hearing: Hearing;
  readonly sinceMs: number;
  left: boolean;
  asking: boolean;
}

export function createOrders(needs: OrdersNeeds): Orders {
  const { bus, names, sealed, inbox, directory, tombstones, dead, clock, log, meter, timing } = needs;
  const waiting = new Map<string, Waiting>();
  const life = new AbortController();

  function bodyOf({ session, whom, by, reason, id }: Order): BusKick {
    return create(BusKickSchema, {
      ...{ sessionId: session, attachmentId: whom === "everyone" ? "" : whom, by: { name: by.name }, reason },
      ...{ orderId: id, at: timestampFromMs(clock.wallMs()) },
    });
  }

  /** What is known without the holder; undefined: he has to be asked. Rejects with `BusDown`. */
  async function known({ session, holder, id }: Order, last: boolean): Promise<KickResult | undefined> {
    const [ending, asked] = await Promise.all([tombstones.find(session), directory.ask(session, holder)]);
    const told = ending ?? (asked.kind === "none" ? await tombstones.find(session) : undefined);
    if (told !== undefined) {
      const outcome = told.orderId === id ? "ended" : "already-ended";
      return { outcome, watchersTold: 0, ...(told.info.ended === undefined ? {} : { ended: told.info.ended }) };
    }
    // Not in its record is not the holder's word: that may be behind, or not have been written.
    if (asked.kind !== "lapsed" || last) return undefined;
    if (await dead.isOver(holder)) return lost(nodeStopped);
    const { strictMs } = needs;
    // More than the strict time: nodes look at their lease only now and then. One that is on the bus is asked.
    const isLate = strictMs !== undefined && directory.lapsedMs(holder) > strictMs + timing.leaseMs;
    if (isLate && !(await directory.isThere(holder)))
      return lost("its node was cut off from the others, and ends its sessions then");
    return undefined;
  }

  function lost(reason: string): KickResult {
    const ended = { offset: 0, atMs: 0, cause: { kind: "lost" as const, reason } };
    return { outcome: "already-ended", watchersTold: 0, ended };
  }

  function resultOf({ outcome, watchersTold, ended, notFound }: BusKicked): KickResult {
    if (notFound) throw new BartizanFault("not-found", "There is no such session, or no such attachment.");
    // The node of one watcher was silent: the holder takes him off as soon as it hears of him.
    if (outcome === KickOutcome.UNREACHABLE) return { outcome: "unreachable", watchersTold, orderLeft: true };
    return {
      outcome: outcome === KickOutcome.ENDED ? "ended" : "already-ended",
      watchersTold,
      ...(ended === undefined ? {} : { ended: endedOf(ended) }),
    };
  }

  async function act(order: Order): Promise<KickResult> {
    const startedMs = clock.monotonicMs();
    const body = bodyOf(order);
    try {
      const before = await known(order, false).catch(onlyBusDown);
      if (before !== undefined) return before;
      const leftMs = Math.max(lastLookMs, startedMs + timing.kickMs - clock.monotonicMs());
      const ask = { case: "kick" as const, value: body };
      return resultOf(await inbox.ask(order.holder, ask, "kicked", leftMs, life.signal));
    } catch (error) {
      if (!(error instanceof NoAnswer) && !(error instanceof BusDown)) throw error;
    }
    return await inTime(lastLook(order, body), { outcome: "unreachable", watchersTold: 0, orderLeft: false });
  }

  /** The answer may have been lost; else the order stands. Never rejects. */
  async function lastLook(order: Order, body: BusKick): Promise<KickResult> {
    const ended = await known(order, true).catch(onlyBusDown);
    if (ended !== undefined) return ended;
    return { outcome: "unreachable", watchersTold: 0, orderLeft: await keep(order, body) };
  }

  /** Resolves with whether the order waits where the holder finds it. */
  async function keep(order: Order, body: BusKick): Promise<boolean> {
    const before = waiting.get(order.id);
    const entry: Waiting = before ?? {
      ...{ order, body, hearing: directory.hear(order.holder), sinceMs: clock.monotonicMs() },
      ...{ left: false, asking: false },
    };
    waiting.set(order.id, entry);
    for (const oldest of waiting.values()) {
      if (waiting.size <= mostWaiting && clock.monotonicMs() - oldest.sinceMs < timing.forgetMs) break;
      drop(oldest);
    }
    if (!entry.left) await leave(entry).catch(onlyBusDown);
    return entry.left;
  }

  async function leave(entry: Waiting): Promise<void> {
    const { holder, id } = entry.order;
    const record = names.orders(holder);
    const field = sealed.write(kinds.record, placeOf(record, id), BusKickSchema, entry.body);
    await bus.records.change(record, { set: new Map([[id, field]]), lifeMs: timing.forgetMs });
    entry.left = true;
  }

  function drop(entry: Waiting): void {
    waiting.delete(entry.order.id);
    entry.hearing[Symbol.dispose]();
  }

  async function inTime(look: Promise<KickResult>, otherwise: KickResult): Promise<KickResult> {
    const over = new AbortController();
    const late = pause(clock, lastLookMs, over.signal).then(
      () => otherwise,
      () => otherwise,
    );
    try {
      return await Promise.race([look, late]);
    } finally {
      over.abort();
    }
  }

  /** The holder is heard: the order that waits for it here is given again, should it not have found it by itself. */
  async function again(entry: Waiting): Promise<void> {
    if (entry.asking) return;
    entry.asking = true;
    try {
      const ask = { case: "kick" as const, value: entry.body };
      await inbox.ask(entry.order.holder, ask, "kicked", timing.kickMs, life.signal);
      log.info({ session: entry.order.session, by: entry.order.by.name }, "a kick that waited was carried out");
      drop(entry);
    } catch {
      // With the next sign of life.
    } finally {
      entry.asking = false;
    }
  }

  const sign = directory.onSign((node) => {
    for (const entry of waiting.values()) if (entry.order.holder === node) void again(entry);
  });
  const over = directory.onOver((node) => {
    for (const entry of waiting.values()) if (entry.order.holder === node) drop(entry);
  });
  const state = bus.onState(({ up }) => {
    if (!up) return;
    for (const entry of waiting.values()) if (!entry.left) leave(entry).catch(onlyBusDown);
  });

  return {
    get waiting() {
      return waiting.size;
    },
    async kick(order) {
      const startedMs = clock.monotonicMs();
      const count = (answer: KickAnswer) => meter.kicked(answer, clock.monotonicMs() - startedMs);
      try {
        const result = await act(order);
        if (result.outcome === "unreachable") count(result.orderLeft === true ? "order-left" : "bus-down");
        else count(result.outcome);
        return result;
      } catch (error) {
        if (error instanceof BartizanFault) count("not-found");
        throw error;
      }
    },
    async [Symbol.asyncDispose]() {
      life.abort(new BartizanFault("draining", "This node has stopped."));
      for (const part of [sign, over, state]) part[Symbol.dispose]();
      for (const entry of waiting.values()) drop(entry);
    },
  };
}

/** For what is tried again, or told as unknown. */
function onlyBusDown(error: unknown): undefined {
  if (!(error instanceof BusDown)) throw error;
  return undefined;
}
