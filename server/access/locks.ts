/** The locks: kept in access.db, in force from the call that sets them, asked whenever a shell is opened or taken up. */
import { randomBytes } from "node:crypto";
import { BartizanFault } from "../errors.ts";
import type { Clock } from "../flow/clock.ts";
import type { DatabaseSync, Row } from "../store/database.ts";
import type { AccessChanges } from "./changes.ts";
import { bars, inForce, type Lock, type LockRecord, type LockScope, newer } from "./lock.ts";
import type { Caller, RoleName } from "./policy.ts";

export interface NewLock extends LockScope {
  readonly id: string;
  readonly reason: string;
  readonly by: string;
  readonly untilMs: number | undefined;
}

export interface LockChange {
  readonly lock: LockRecord;
  /** Resolves with false when other nodes could not be told; they take it over as soon as they are heard of again. */
  readonly everywhere: Promise<boolean>;
}

/** Locks as everybody asks for them; of this node alone, or shared by a group. */
export interface LockStore {
  /** In force here when it returns. Throws `limit` when there are too many. */
  set(lock: NewLock): LockChange;
  /** Undefined when no such lock is in force. */
  lift(id: string, by: string): LockChange | undefined;
  /** Those in force, newest first. */
  list(): readonly Lock[];
  find(id: string): Lock | undefined;
  /** Of the locks that bar him there the one that lasts longest. */
  barring(who: Pick<Caller, "name" | "roles">, target: string): Lock | undefined;
  /** Other nodes' locks were not heard of for longer than the config lets new sessions begin. */
  readonly stale: boolean;
}

/** The locks of this node, and what joins them to those of others. */
export interface LocalLocks extends LockStore {
  /** All that are kept, lifted ones too. */
  records(): readonly LockRecord[];
  /** Takes over what other nodes know. */
  merge(records: readonly LockRecord[]): Merged;
}

export interface Merged {
  /** Something is not as it was. */
  readonly changed: boolean;
  /** So many do not hold here although they are in force: there are too many. */
  readonly dropped: number;
}

/** More than these at once are a mistake, or an attack. */
const mostLocks = 10_000;
/** In force, with those of others: each node by itself may set the most. */
const mostInForce = 2 * mostLocks;
/** What is over is forgotten this long after ... */
const forgetMs = 90 * 24 * 60 * 60 * 1000;
/** ... and before that what was over first, when there is more. */
const mostOver = 20_000;

export function newLockId(): string {
  return randomBytes(9).toString("base64url");
}

/** The caller keeps `db` open for longer, and closes it. */
export function openLocks(db: DatabaseSync, clock: Clock, changes: AccessChanges): LocalLocks {
  const kept = new Map<string, LockRecord>();
  const insert = db.prepare(
    `INSERT OR REPLACE INTO locks VALUES (:id, :user, :role, :target, :reason, :set_by, :set_ms, :until_ms, :lifted_ms, :lifted_by)`,
  );
  const forget = db.prepare("DELETE FROM locks WHERE id = ?");
  for (const row of db.prepare("SELECT * FROM locks ORDER BY set_ms").all()) {
    const record = recordOf(row);
    kept.set(record.id, record);
  }
  const isOld = (record: LockRecord) => overAtMs(record) + forgetMs < clock.wallMs();
  const drop = ({ id }: LockRecord) => {
    forget.run(id);
    kept.delete(id);
  };
  const tidy = () => {
    const over = [...kept.values()].filter((record) => !inForce(record, clock.wallMs()));
    const [old, young] = [over.filter(isOld), over.filter((record) => !isOld(record))];
    const surplus = Math.max(0, young.length - mostOver);
    const firstOver = surplus === 0 ? [] : young.sort((one, other) => overAtMs(one) - overAtMs(other));
    for (const record of [...old, ...firstOver.slice(0, surplus)]) drop(record);
    return young.length - surplus;
  };
  tidy();
  const keep = (record: LockRecord) => {
    insert.run({
      ...{ id: record.id, user: record.user, role: record.role, target: record.target, reason: record.reason },
      ...{ set_by: record.by, set_ms: record.setAtMs, until_ms: record.untilMs ?? null },
      ...{ lifted_ms: record.lifted?.atMs ?? null, lifted_by: record.lifted?.by ?? null },
    });
    kept.set(record.id, record);
  };
  const valid = () => [...kept.values()].filter((record) => inForce(record, clock.wallMs())).reverse();
  const everywhere = Promise.resolve(true);
  return {
    set(lock) {
      tidy();
      if (valid().length >= mostLocks)
        throw new BartizanFault("limit", "There are too many locks.", "Lift some: `bartizan locks`.");
      const record = { ...lock, setAtMs: clock.wallMs(), lifted: undefined };
      keep(record);
      changes.tell({ why: "locks" });
      return { lock: record, everywhere };
    },
    lift(id, by) {
      const record = kept.get(id);
      if (record === undefined || !inForce(record, clock.wallMs())) return undefined;
      const lock = { ...record, lifted: { by, atMs: clock.wallMs() } };
      keep(lock);
      changes.tell({ why: "locks" });
      return { lock, everywhere };
    },
    list: valid,
    find(id) {
      const record = kept.get(id);
      return record !== undefined && inForce(record, clock.wallMs()) ? record : undefined;
    },
    barring(who, target) {
      let longest: Lock | undefined;
      for (const record of kept.values()) {
        if (!inForce(record, clock.wallMs()) || !bars(record, who, target)) continue;
        if (longest === undefined || endOf(record) > endOf(longest)) longest = record;
      }
      return longest;
    },
    stale: false,
    records: () => [...kept.values()],
    merge(records) {
      let overPlaces = mostOver - tidy();
      let places = mostInForce - valid().length;
      let dropped = 0;
      const news = records.filter((record) => {
        const own = kept.get(record.id);
        if (own !== undefined) return newer(own, record) !== own;
        // What is over bars nobody: it is only remembered so that an older word of it does not count.
        if (!inForce(record, clock.wallMs())) return !isOld(record) && overPlaces-- > 0;
        if (places-- > 0) return true;
        dropped += 1;
        return false;
      });
      for (const record of news) keep(record);
      if (news.length > 0) changes.tell({ why: "locks" });
      return { changed: news.length > 0, dropped };
    },
  };
}

/** When it ceased, or will cease, to be in force. */
function overAtMs({ lifted, untilMs }: LockRecord): number {
  return Math.min(lifted?.atMs ?? Number.POSITIVE_INFINITY, untilMs ?? Number.POSITIVE_INFINITY);
}

function endOf({ untilMs }: Lock): number {
  return untilMs ?? Number.POSITIVE_INFINITY;
}

function recordOf(row: Row): LockRecord {
  const text = (name: string) => String(row[name]);
  return {
    ...{ id: text("id"), user: text("user"), role: text("role") as RoleName | "", target: text("target") },
    ...{ reason: text("reason"), by: text("set_by"), setAtMs: Number(row.set_ms) },
    untilMs: row.until_ms === null ? undefined : Number(row.until_ms),
    lifted: row.lifted_ms === null ? undefined : { by: text("lifted_by"), atMs: Number(row.lifted_ms) },
  };
}

/** What the barred one is told. */
export function lockedFault({ user, target, by, reason, untilMs }: Lock): BartizanFault {
  const what = target === "" ? "No shell may be opened here" : `No shell may be opened on ${target}`;
  const whom = user === "" ? "" : " by you";
  const until = untilMs === undefined ? "until it is lifted" : `until ${minuteOf(untilMs)}`;
  return new BartizanFault("locked", `${what}${whom}: locked by ${by} ${until}: ${reason}`, `Ask ${by}.`);
}

function minuteOf(wallMs: number): string {
  return `${new Date(wallMs).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

/** New sessions have to wait until the other nodes' locks are known again. */
export function staleLocksFault(): BartizanFault {
  return new BartizanFault(
    "locks-unknown",
    "Whether this is locked cannot be told: the other nodes were not heard of for too long.",
    "Try again in a moment. An admin looks after Redis.",
  );
}
