/** The way into a shell, asked when it is opened or taken up again: the right to it, and that no lock bars it. */
import type { LockStore } from "../access/locks.ts";
import { lockedFault, staleLocksFault } from "../access/locks.ts";
import type { Caller, Resource } from "../access/policy.ts";
import type { Rights } from "../access/rights.ts";
import { BartizanFault } from "../errors.ts";

export interface EntryNeeds {
  readonly rights: Rights;
  readonly locks: LockStore;
}

/** Throws `not-found` for a target that he may not see, `forbidden`, `locked`, or `locks-unknown`. */
export function checkOpen(
  { rights, locks }: EntryNeeds,
  caller: Caller,
  resource: Resource & { target: string },
): void {
  if (!rights.may(caller, "see-target", resource)) throw noSuchTarget();
  if (!rights.may(caller, "open", resource)) throw mayNotOpen();
  checkLocks(locks, caller, resource.target);
}

/** Throws `locked` or `locks-unknown`. */
export function checkLocks(locks: LockStore, caller: Caller, target: string): void {
  const lock = locks.barring(caller, target);
  if (lock !== undefined) throw lockedFault(lock);
  if (locks.stale) throw staleLocksFault();
}

export function noSuchTarget(): BartizanFault {
  return new BartizanFault("not-found", "There is no such target.", "`bartizan targets` lists what there is.");
}

function mayNotOpen(): BartizanFault {
  return new BartizanFault("forbidden", "You may see this target, but open no shell on it.", "Ask an admin.");
}
