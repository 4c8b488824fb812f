/** A lock: who may not open shells or take them up again, on what, until when, and why. Pure. */
import type { Caller, RoleName } from "./policy.ts";

/** Of `user`, `role` and `target` each that is not empty has to fit; with none of them it bars everybody everywhere. */
export interface LockScope {
  readonly user: string;
  readonly role: RoleName | "";
  readonly target: string;
}

export interface Lock extends LockScope {
  readonly id: string;
  /** Shown to whom it bars; free of control characters. */
  readonly reason: string;
  readonly by: string;
  /** Wall clock, ms. */
  readonly setAtMs: number;
  /** Wall clock, ms; undefined: when it is lifted. */
  readonly untilMs: number | undefined;
}

/** A lock as it is kept, and as nodes tell it to each other: once lifted, for good. */
export interface LockRecord extends Lock {
  readonly lifted: { readonly by: string; readonly atMs: number } | undefined;
}

export function inForce({ lifted, untilMs }: LockRecord, wallMs: number): boolean {
  return lifted === undefined && (untilMs === undefined || wallMs < untilMs);
}

export function bars(
  { user, role, target }: LockScope,
  who: { readonly name: string; readonly roles: Caller["roles"] },
  onTarget: string,
): boolean {
  return (
    (user === "" || user === who.name) && (role === "" || who.roles.has(role)) && (target === "" || target === onTarget)
  );
}

/** Of two records of one lock the one that counts: lifting is final. Takes the first when there is no difference. */
export function newer(one: LockRecord, other: LockRecord): LockRecord {
  if (one.lifted === undefined) return other.lifted === undefined ? one : other;
  return other.lifted !== undefined && other.lifted.atMs < one.lifted.atMs ? other : one;
}
