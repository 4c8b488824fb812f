/**
 * Locks shared by a group: each node keeps them all, tells the others at once, and compares with a record on the bus again and
 * again. Cut off, it applies what it knew last; with a strict time it then lets no session begin.
 */
import { create } from "@bufbuild/protobuf";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { type BusLock, BusLockSchema } from "../../proto/gen/bartizan/v1/bus_pb.ts";
import { inForce, type LockRecord, newer } from "../access/lock.ts";
import type { LocalLocks, LockChange, LockStore } from "../access/locks.ts";
import type { RoleName } from "../access/policy.ts";
import type { Audit } from "../audit.ts";
import type { Clock } from "../flow/clock.ts";
import type { Log } from "../log.ts";
import { BusDown, type GroupBus } from "./bus.ts";
import { type Inbox, NoAnswer } from "./inbox.ts";
import type { Names, NodeId } from "./names.ts";
import { kinds } from "./seal.ts";
import { placeOf, type Sealed } from "./sealed.ts";

/** The record is compared this often at least, and at once when the bus is back. */
const mostCompareMs = 5_000;
/** Strict, three times before it would count as stale. */
const leastCompareMs = 100;
/** Who was not told by then counts as not told. */
const toldMs = 2_000;
/** The record lives this long without any node; whoever is left writes it anew. */
const recordMs = 7 * 24 * 60 * 60 * 1000;
/** Of one message. */
const mostInMessage = 50;

export interface GroupLocksNeeds {
  readonly local: LocalLocks;
  readonly bus: GroupBus;
  readonly names: Names;
  readonly sealed: Sealed;
  readonly inbox: Inbox;
  /** The nodes that give signs of life, without this one. */
  readonly others: () => readonly NodeId[];
  /** So long without the others' locks no session begins; 0: they do. */
  readonly strictMs: number;
  readonly clock: Clock;
  readonly audit: Pick<Audit, "note">;
  readonly log: Log;
}

export interface GroupLocks extends LockStore, AsyncDisposable {
  /** Resolves when this node has the group's locks, or cannot reach them. Never rejects. */
  compare(): Promise<void>;
}

/** Another node answered that a lock does not hold there. */
class NotTaken extends Error {
  override readonly name = "NotTaken";
}

export function openGroupLocks(needs: GroupLocksNeeds): GroupLocks {
  const { local, bus, names, sealed, inbox, others, strictMs, clock, audit, log } = needs;
  const life = new AbortController();
  let freshAtMs = Number.NEGATIVE_INFINITY;
  let comparing: Promise<void> | undefined;
  let toldStale = false;

  const isStale = () => strictMs > 0 && clock.monotonicMs() - freshAtMs > strictMs;

  function fieldOf(record: LockRecord): Uint8Array {
    return sealed.write(kinds.record, placeOf(names.locks, record.id), BusLockSchema, toWire(record));
  }

  async function write(records: readonly LockRecord[]): Promise<void> {
    if (records.length === 0) return;
    const set = new Map(records.map((record) => [record.id, fieldOf(record)]));
    await bus.records.change(names.locks, { set, lifeMs: recordMs });
  }

  /** Takes over what is there, and puts there what is not. Rejects with `BusDown`. */
  async function compareOnce(): Promise<void> {
    const there = new Map<string, LockRecord>();
    for (const [id, bytes] of await bus.records.fields(names.locks)) {
      const read = sealed.read(kinds.record, placeOf(names.locks, id), BusLockSchema, bytes);
      const record = read && fromWire(read.message);
      if (record !== undefined && record.id === id) there.set(id, record);
    }
    const { changed, dropped } = local.merge([...there.values()]);
    if (changed) log.info({ locks: there.size }, "locks of other nodes taken over");
    const nowMs = clock.wallMs();
    const missing = local.records().filter((record) => {
      const other = there.get(record.id);
      // What is over and nobody asks for needs no place there.
      if (other === undefined) return inForce(record, nowMs);
      return newer(other, record) !== other;
    });
    await write(missing);
    if (dropped > 0) return log.error({ dropped }, "there are too many locks: some of other nodes do not hold here");
    freshAtMs = clock.monotonicMs();
    toldStale = false;
  }

  function compare(): Promise<void> {
    comparing ??= compareOnce()
      .catch((error: unknown) => {
        if (!(error instanceof BusDown)) log.error({ err: error }, "the group's locks could not be compared");
      })
      .finally(() => {
        comparing = undefined;
      });
    return comparing;
  }

  /** Whether all other nodes hold to it, and it is where those who are away find it. Never rejects. */
  async function spread({ lock }: LockChange): Promise<boolean> {
    const body = { case: "locks" as const, value: { locks: [toWire(lock)] } };
    const told = others().map(async (node) => {
      const { dropped } = await inbox.ask(node, body, "locksTaken", toldMs, life.signal);
      if (dropped > 0) throw new NotTaken(`${node} has too many locks.`);
    });
    const results = await Promise.allSettled([write([lock]), ...told]);
    for (const { reason } of results.filter((result) => result.status === "rejected"))
      if (!(reason instanceof BusDown) && !(reason instanceof NoAnswer))
        log.error({ err: reason }, "a lock could not be told to all nodes");
    return results.every(({ status }) => status === "fulfilled");
  }

  const handler = inbox.on("locks", ({ locks }, from, reply) => {
    const records = locks.slice(0, mostInMessage).flatMap((lock) => fromWire(lock) ?? []);
    const { changed, dropped } = local.merge(records);
    if (changed) log.info({ from, locks: records.length }, "locks taken over");
    if (dropped > 0) log.error({ from, dropped }, "there are too many locks: some of other nodes do not hold here");
    reply({ case: "locksTaken", value: { dropped: dropped + locks.length - records.length } });
  });
  const state = bus.onState(({ up }) => {
    if (up) void compare();
  });
  const strictCompareMs = Math.max(leastCompareMs, strictMs / 3);
  const compareMs = strictMs === 0 ? mostCompareMs : Math.min(mostCompareMs, strictCompareMs);
  const timer = clock.every(compareMs, () => {
    if (bus.state.up) void compare();
    if (!isStale() || toldStale) return;
    toldStale = true;
    audit.note({ event: "lock-stale" });
  });

  return {
    set(lock) {
      const change = local.set(lock);
      return { lock: change.lock, everywhere: spread(change) };
    },
    lift(id, by) {
      const change = local.lift(id, by);
      return change && { lock: change.lock, everywhere: spread(change) };
    },
    list: () => local.list(),
    find: (id) => local.find(id),
    barring: (...who) => local.barring(...who),
    get stale() {
      return isStale();
    },
    compare,
    async [Symbol.asyncDispose]() {
      life.abort(new BusDown("This node leaves the bus."));
      timer[Symbol.dispose]();
      state[Symbol.dispose]();
      handler[Symbol.dispose]();
      await comparing;
    },
  };
}

function toWire({ lifted, untilMs, ...lock }: LockRecord): BusLock {
  const { id, user, role, target, reason, by, setAtMs } = lock;
  return create(BusLockSchema, {
    lock: {
      ...{ id, user, role, target, reason, by, since: timestampFromMs(setAtMs) },
      ...(untilMs === undefined ? {} : { until: timestampFromMs(untilMs) }),
    },
    ...(lifted === undefined ? {} : { liftedBy: lifted.by, liftedAt: timestampFromMs(lifted.atMs) }),
  });
}

function fromWire({ lock, liftedBy, liftedAt }: BusLock): LockRecord | undefined {
  if (lock === undefined || lock.id === "") return undefined;
  const { id, user, target, reason, by, since, until } = lock;
  return {
    ...{ id, user, role: lock.role as RoleName | "", target, reason, by },
    setAtMs: since === undefined ? 0 : timestampMs(since),
    untilMs: until === undefined ? undefined : timestampMs(until),
    lifted: liftedAt === undefined ? undefined : { by: liftedBy, atMs: timestampMs(liftedAt) },
  };
}
