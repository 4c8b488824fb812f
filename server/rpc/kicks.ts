/** Kick as a caller sees it: who may, what it answered, and the same answer again for the same idempotency id. */
import { createHash, randomUUID } from "node:crypto";
import { type KickLock, KickLockScope, type KickRequest } from "../../proto/gen/bartizan/v1/session_pb.ts";
import type { Lock, LockScope } from "../access/lock.ts";
import { type LockChange, type LockStore, type NewLock, newLockId } from "../access/locks.ts";
import type { Caller, Resource } from "../access/policy.ts";
import { type Rights, resourceOf } from "../access/rights.ts";
import type { Actor, Audit } from "../audit.ts";
import { BartizanFault } from "../errors.ts";
import type { AttachmentId, SessionId, SessionInfo } from "../events.ts";
import type { Clock } from "../flow/clock.ts";
import { printable } from "../flow/printable.ts";
import type { Log } from "../log.ts";
import type { KickResult } from "../session/live-session.ts";
import type { Sessions } from "../session/sessions.ts";
import { noSuchSession } from "./errors.ts";
import { lockSet } from "./lock-service.ts";
import { untilFromWire } from "./lock-wire.ts";
import { createSessionNotes, type SessionNotes } from "./session-notes.ts";
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

interface Wish {
  readonly sessionId: string;
  readonly attachmentId: string;
  readonly reason: string;
  readonly orderId: string;
  readonly lock: KickLock | undefined;
}

export interface KicksNeeds {
  readonly sessions: Sessions;
  readonly rights: Rights;
  readonly locks: LockStore;
  readonly clock: Clock;
  readonly audit: Audit;
  readonly log: Log;
}

export class Kicks {
  readonly #sessions: Sessions;
  readonly #rights: Rights;
  readonly #locks: LockStore;
  readonly #audit: Audit;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #kept = new Map<string, Kept>();

  constructor({ sessions, rights, locks, audit, clock, log }: KicksNeeds) {
    this.#audit = audit;
    this.#sessions = sessions;
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
    const key = JSON.stringify([caller.name, idempotencyId]);
    // The same on every node that the request may come through, and of one session and attachment alone: another node may
    // not know that this id was used for another kick.
    const named = JSON.stringify([caller.name, idempotencyId, sessionId, attachmentId]);
    const orderId = idempotencyId === "" ? randomUUID() : createHash("sha256").update(named).digest("base64url");
    const wish = { sessionId, attachmentId, reason: printable(reason), orderId, lock };
    const act = () => this.#act(caller, actor, wish);
    if (idempotencyId === "") return act();
    const until = lock && [lock.scope, Number(lock.until?.seconds ?? 0), lock.until?.nanos ?? 0];
    const what = JSON.stringify([sessionId, attachmentId, reason, until]);
    const before = this.#kept.get(key);
    if (before !== undefined) {
      if (before.what === what) return before.answer;
      throw new BartizanFault("invalid", "This idempotency id was used for another kick.", "Take a fresh one.");
    }
    this.#forgetOld(caller.name);
    const answer = act();
    this.#kept.set(key, { caller: caller.name, what, atMs: this.#clock.monotonicMs(), answer });
    // Only what is known is worth repeating; after a refusal, or a silence, the same id may be tried again.
    const forget = () => this.#kept.delete(key);
    answer.then(({ result }) => result.outcome === "unreachable" && forget(), forget);
    return answer;
  }

  async #act(
    caller: Caller,
    actor: Actor,
    { sessionId, attachmentId, reason, orderId, lock: wish }: Wish,
  ): Promise<KickAnswer> {
    const notes = createSessionNotes(this.#audit, actor);
    const startedMs = this.#clock.monotonicMs();
    const found = await this.#sessions.find(sessionId);
    if (found.kind === "none") throw noSuchSession();
    const whom = attachmentId === "" ? "everyone" : (attachmentId as AttachmentId);
    const info = found.kind === "live" ? found.session.info : found.kind === "ended" ? found.info : undefined;
    // Whose one is of which nothing is known, nobody can say: that is for those who may end anybody's.
    const resource = info === undefined ? {} : resourceOf(info);
    if (found.kind === "unknown") {
      if (!this.#rights.may(caller, "kick", resource)) throw found.fault;
      if (wish !== undefined) throw found.fault;
    }
    if (info !== undefined) this.#refuseUnless(caller, info, whom, notes);
    const took = async (result: KickResult, locked: LockChange | undefined) => ({
      ...{ result, tookMs: this.#clock.monotonicMs() - startedMs, resource },
      ...(locked === undefined ? {} : { locked: { lock: locked.lock, everywhere: await locked.everywhere } }),
    });
    // In force before anything is ended, and in the same turn: nobody slips in between.
    const locked =
      wish === undefined || info === undefined ? undefined : this.#lock(caller, actor, info, { wish, reason });
    if (found.kind === "ended") {
      // The very order that is given again may have ended it: its answer was lost, or came to another node.
      const outcome = found.orderId === orderId ? "ended" : "already-ended";
      const { ended } = found.info;
      return took({ outcome, watchersTold: 0, ...(ended ? { ended } : {}) }, locked);
    }
    const about = info ?? { id: sessionId as SessionId, target: "" };
    notes.kickRequested(about, reason, attachmentId);
    const log = { session: sessionId, by: caller.name };
    this.#log.info({ ...log, reason, attachment: attachmentId }, "kick requested");
    const kicked = found.kind === "live" ? found.session : found;
    const result = await kicked.kick(whom, { name: caller.name }, reason, orderId);
    this.#log.info({ ...log, outcome: result.outcome }, "kick answered");
    notes.kickAnswered(about, result.outcome);
    return took(result, locked);
  }

  #refuseUnless(caller: Caller, info: SessionInfo, whom: AttachmentId | "everyone", notes: SessionNotes): void {
    const resource = resourceOf(info);
    if (!this.#rights.may(caller, "see", resource)) throw noSuchSession();
    const refuse = (message: string) => {
      notes.kickRefused(info);
      throw new BartizanFault("forbidden", message, "Ask an admin.");
    };
    if (!this.#rights.may(caller, "kick", resource)) refuse("You may see this session, but not end it.");
    if (whom === "everyone" || this.#rights.may(caller, "dismiss", resource) || info.state === "ended") return;
    const whose = info.attachments.find(({ id }) => id === whom)?.who.name;
    // One that is not known yet may be somebody else's.
    if (whose === undefined) throw new BartizanFault("not-found", "There is no such attachment.");
    if (whose !== caller.name) refuse("You may not take others off a session, only end your own.");
  }

  #lock(
    caller: Caller,
    actor: Actor,
    info: SessionInfo,
    { wish, reason }: { readonly wish: KickLock; readonly reason: string },
  ): LockChange {
    const scope = scopeOf(wish, info);
    if (!this.#rights.may(caller, "lock", scope.target === "" ? {} : resourceOf(info)))
      throw new BartizanFault("forbidden", "You may end this session, but not lock it.", "Ask an admin.");
    const untilMs = untilFromWire(wish.until, this.#clock.wallMs());
    const lock: NewLock = { ...scope, id: newLockId(), reason, by: caller.name, untilMs };
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
