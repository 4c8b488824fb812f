/** LockService: who may not open shells; set, lifted and listed by who may lock, and shown to whom it concerns. */
import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import {
  LiftLockResponseSchema,
  ListLocksResponseSchema,
  type LockService,
  SetLockResponseSchema,
} from "../../proto/gen/bartizan/v1/lock_pb.ts";
import { bars, type Lock, type LockScope } from "../access/lock.ts";
import { type LockStore, newLockId } from "../access/locks.ts";
import { type Caller, roleNames } from "../access/policy.ts";
import type { Rights } from "../access/rights.ts";
import type { Actor, AuditEvent } from "../audit.ts";
import { BartizanFault } from "../errors.ts";
import type { Clock } from "../flow/clock.ts";
import { printable } from "../flow/printable.ts";
import type { Target } from "../target/target.ts";
import { type EndBarredNeeds, endBarred } from "./end-barred.ts";
import { actorOfCall, callerOfCall } from "./guard.ts";
import { lockToWire, untilFromWire } from "./lock-wire.ts";
import { reasonFromWire } from "./wire.ts";

export interface LockServiceNeeds extends EndBarredNeeds {
  readonly locks: LockStore;
  readonly rights: Rights;
  readonly findTarget: (name: string) => Target | undefined;
  readonly clock: Clock;
}

export function createLockService(needs: LockServiceNeeds): ServiceImpl<typeof LockService> {
  const { locks, rights, clock, audit } = needs;
  const mayLock = (caller: Caller, { target }: LockScope) =>
    rights.may(caller, "lock", target === "" ? {} : { target, labels: needs.findTarget(target)?.labels });
  const isUnknown = ({ user, target }: LockScope) =>
    (user !== "" && needs.rolesOf(user) === undefined) || (target !== "" && needs.findTarget(target) === undefined);
  const concerns = (caller: Caller, lock: Lock) => mayLock(caller, lock) || bars(lock, caller, lock.target);
  return {
    async setLock(request, context) {
      const caller = callerOfCall(context);
      const scope = scopeFromWire(request);
      if (!mayLock(caller, scope)) throw mayNotLock();
      const reason = printable(reasonFromWire(request.reason));
      const untilMs = untilFromWire(request.until, clock.wallMs());
      const id = newLockId();
      // As a kick, it is never held up: what cannot be noted now is counted.
      const actor = actorOfCall(context);
      audit.note(lockSet(actor, { ...scope, id, reason, untilMs }));
      const { lock, everywhere } = locks.set({ ...scope, id, reason, by: caller.name, untilMs });
      const none = { ended: 0, unreachable: 0 };
      const ended = request.endSessions ? await endBarred(needs, actor, lock, everywhere) : none;
      return create(SetLockResponseSchema, {
        ...{ lock: lockToWire(lock), sessionsEnded: ended.ended, sessionsUnreachable: ended.unreachable },
        notEverywhere: !(await everywhere),
        unknownName: isUnknown(scope),
      });
    },

    async liftLock(request, context) {
      const caller = callerOfCall(context);
      const lock = locks.find(request.id);
      if (lock === undefined || !concerns(caller, lock)) throw noSuchLock();
      if (!mayLock(caller, lock)) throw mayNotLock();
      audit.write({
        ...{ event: "lock-lifted", actor: actorOfCall(context), lock: lock.id },
        ...targetPart(lock),
      });
      const { everywhere } = locks.lift(lock.id, caller.name) ?? { everywhere: true };
      return create(LiftLockResponseSchema, { notEverywhere: !(await everywhere) });
    },

    listLocks(_request, context) {
      const caller = callerOfCall(context);
      const seen = locks.list().filter((lock) => concerns(caller, lock));
      return create(ListLocksResponseSchema, { locks: seen.map(lockToWire), stale: locks.stale });
    },
  };
}

/** For the audit log: whom it bars, on what, until when. */
export function lockSet(
  actor: Actor,
  { id, user, role, target, reason, untilMs }: Omit<Lock, "by" | "setAtMs">,
): AuditEvent {
  const until = untilMs === undefined ? {} : { until: new Date(untilMs).toISOString() };
  const bars = [user, role].filter((word) => word !== "").join(" ") || "everybody";
  return { event: "lock-set", actor, lock: id, reason, bars, ...until, ...targetPart({ target }) };
}

function targetPart({ target }: Pick<LockScope, "target">): { target?: string } {
  return target === "" ? {} : { target };
}

/** Throws `invalid` for a role that there is not, and for names that can be nobody's. */
function scopeFromWire({ user, role, target }: { user: string; role: string; target: string }): LockScope {
  const known = roleNames.find((each) => each === role);
  if (role !== "" && known === undefined)
    throw new BartizanFault(
      "invalid",
      `There is no role ${printable(role, 40)}.`,
      `There are ${roleNames.join(", ")}.`,
    );
  if (![user, target].every((name) => /^[^\p{Cc}]{0,200}$/u.test(name)))
    throw new BartizanFault("invalid", "That is no name of a user or a target.");
  return { user, role: known ?? "", target };
}

function mayNotLock(): BartizanFault {
  return new BartizanFault("forbidden", "You may not set or lift this lock.", "Ask an admin.");
}

function noSuchLock(): BartizanFault {
  return new BartizanFault("not-found", "There is no such lock in force.", "`bartizan locks` lists them.");
}
