/** Kick as a caller sees it: who may, what it answered, and the same answer again for the same idempotency id. */
import { type KickLock, KickLockScope, type KickRequest } from "../../proto/gen/bartizan/v1/session_pb.ts";
import type { Lock, LockScope } from "../access/lock.ts";
import { type LockChange, type LockStore, type NewLock, newLockId } from "../access/locks.ts";
import type { Caller, Resource } from "../access/policy.ts";
import { type Rights, resourceOf } from "../access/rights.ts";
import type { Actor, Audit } from "../audit.ts";
import { BartizanFault } from "../errors.ts";
import type { AttachmentId, SessionInfo } from "../events.ts";
import type { Clock } from "../flow/clock.ts";
import { printable } from "../flow/printable.ts";
import type { Log } from "../log.ts";
import type { KickResult } from "../session/live-session.ts";
import type { Registry } from "../session/registry.ts";
import { noSuchSession } from "./errors.ts";
import { lockSet } from "./lock-service.ts";
import { untilFromWire } from "./lock-wire.ts";
import { createSessionNotes } from "./session-notes.ts";
import { reasonFromWire } from "./wire.ts";

/** Answers are kept at least this long ... */
const keptMs = 60 * 60 * 1000;
/** ... unless the same caller has more than this: then his oldest is forgotten. Nobody is refused for it. */
const keptAnswersEach = 1000;

export interface KickAnswer {
  readonly result: KickResult;
  readonly tookMs: number;
  /** What was kicked, as the policy looks at it. */
  readonly resource: Resource;
  /** The lock that was asked for, and whether other nodes were told of it. */
  readonly locked?: { readonly lock: Lock; readonly everywhere: boolean };
}

interface Kept {
  readonly caller: string;
  readonly what: string;
  readonly atMs: number;
  readonly answer: Promise<KickAnswer>;
}

export interface KicksNeeds {
  readonly registry: Registry;
  readonly rights: Rights;
  readonly locks: LockStore;
  readonly clock: Clock;
  readonly audit: Audit;
  readonly log: Log;
}

export class Kicks {
  readonly #registry: Registry;
  readonly #rights: Rights;
  readonly #locks: LockStore;
  readonly #audit: Audit;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #kept = new Map<string, Kept>();

  constructor({ registry, rights, locks, audit, clock, log }: KicksNeeds) {
    this.#audit = audit;
    this.#registry = registry;
    this.#rights = rights;
    this.#locks = locks;
    this.#clock = clock;
    this.#log = log;
  }

  /** Throws `invalid`, `not-found` (also for a foreign session), `forbidden`. */
  async kick(caller: Caller, actor: Actor, request: KickRequest): Promise<KickAnswer> {
    const reason = reasonFromWire(request.reason);
    const { sessionId, attachmentId, idempotencyId, lock } = request;
    if (lock !== undefined && attachmentId !== "")
      throw new BartizanFault("invalid", "A lock goes with the kick of a whole session.", "Leave the attachment out.");
    if (idempotencyId.length > 100) throw new BartizanFault("invalid", "An idempotency id has at most 100 characters.");
    const act = () => this.#act(caller, actor, sessionId, attachmentId, printable(reason), lock);
    if (idempotencyId === "") return act();
    const key = JSON.stringify([caller.name, idempotencyId]);
    const wish = lock && [lock.scope, Number(lock.until?.seconds ?? 0), lock.until?.nanos ?? 0];
    const what = JSON.stringify([sessionId, attachmentId, reason, wish]);
    const before = this.#kept.get(key);
    if (before !== undefined) {
      if (before.what === what) return before.answer;
      throw new BartizanFault("invalid", "This idempotency id was used for another kick.", "Take a fresh one.");
    }
    this.#forgetOld(caller.name);
    const answer = act();
    this.#kept.set(key, { caller: caller.name, what, atMs: this.#clock.monotonicMs(), answer });
    // Only an outcome is worth repeating; after a refusal the same id may be tried again.
    answer.catch(() => this.#kept.delete(key));
    return answer;
  }

  async #act(
    caller: Caller,
    actor: Actor,
    sessionId: string,
    attachmentId: string,
    reason: string,
    wish: KickLock | undefined,
  ): Promise<KickAnswer> {
    const notes = createSessionNotes(this.#audit, actor);
    const startedMs = this.#clock.monotonicMs();
    const session = this.#registry.find(sessionId);
    const info = session?.info ?? this.#registry.findEnded(sessionId);
    const resource = info && resourceOf(info);
    if (info === undefined || resource === undefined || !this.#rights.may(caller, "see", resource))
      throw noSuchSession();
    const took = async (result: KickResult, locked: LockChange | undefined) => ({
      ...{ result, tookMs: this.#clock.monotonicMs() - startedMs, resource },
      ...(locked === undefined ? {} : { locked: { lock: locked.lock, everywhere: await locked.everywhere } }),
    });
    if (!this.#rights.may(caller, "kick", resource)) {
      notes.kickRefused(info);
      throw new BartizanFault("forbidden", "You may see this session, but not end it.", "Ask an admin.");
    }
    const scope = wish && scopeOf(wish, info);
    if (scope !== undefined && !this.#rights.may(caller, "lock", scope.target === "" ? {} : resource))
      throw new BartizanFault("forbidden", "You may end this session, but not lock it.", "Ask an admin.");
    const untilMs = wish && untilFromWire(wish.until, this.#clock.wallMs());
    // In force before anything is ended, and in the same turn: nobody slips in between.
    const locked = scope && this.#lock(actor, { ...scope, id: newLockId(), reason, by: caller.name, untilMs });
    if (session === undefined)
      return took({ outcome: "already-ended", watchersTold: 0, ...(info.ended ? { ended: info.ended } : {}) }, locked);
    const whom = attachmentId === "" ? "everyone" : (attachmentId as AttachmentId);
    const whose = info.attachments.find(({ id }) => id === whom)?.who.name;
    if (whose !== undefined && whose !== caller.name && !this.#rights.may(caller, "dismiss", resource)) {
      notes.kickRefused(info);
      throw new BartizanFault(
        "forbidden",
        "You may not take others off a session, only end your own.",
        "Ask an admin.",
      );
    }
    notes.kickRequested(info, reason, attachmentId);
    this.#log.info({ session: info.id, by: caller.name, reason, attachment: attachmentId }, "kick requested");
    const result = await session.kick(whom, { name: caller.name }, reason);
    this.#log.info({ session: info.id, by: caller.name, outcome: result.outcome }, "kick answered");
    notes.kickAnswered(info, result.outcome);
    return took(result, locked);
  }

  #lock(actor: Actor, lock: NewLock): LockChange {
    // As a kick, it is never held up: what cannot be noted now is counted.
    this.#audit.note(lockSet(actor, lock));
    return this.#locks.set(lock);
  }

  #forgetOld(caller: string): void {
    const before = this.#clock.monotonicMs() - keptMs;
    for (const [key, { atMs }] of this.#kept) {
      if (atMs > before) break;
      this.#kept.delete(key);
    }
    const own = [...this.#kept].filter(([, kept]) => kept.caller === caller);
    if (own.length >= keptAnswersEach) this.#kept.delete(own[0]?.[0] ?? "");
  }
}

/** Throws `invalid` for a scope that is none. */
function scopeOf({ scope }: KickLock, { operator, target }: SessionInfo): LockScope {
  switch (scope) {
    case KickLockScope.TARGET:
      return { user: "", role: "", target };
    case KickLockScope.USER:
      return { user: operator.name, role: "", target: "" };
    case KickLockScope.USER_ON_TARGET:
      return { user: operator.name, role: "", target };
    default:
      throw new BartizanFault("invalid", "The lock does not say whom it bars.", "Set its scope.");
  }
}
