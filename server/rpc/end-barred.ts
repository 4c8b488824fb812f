/** Ends the sessions that a lock would not have let begin, on every node; what it answers is what became of them. */
import { randomUUID } from "node:crypto";
import { bars, type Lock } from "../access/lock.ts";
import { type RoleName, roleNames } from "../access/policy.ts";
import type { Actor, Audit } from "../audit.ts";
import type { SessionId, SessionInfo } from "../events.ts";
import type { KickResult } from "../session/live-session.ts";
import type { Sessions } from "../session/sessions.ts";
import { createSessionNotes } from "./session-notes.ts";

export interface EndBarredNeeds {
  readonly sessions: Sessions;
  /** The roles that a name has now. */
  readonly rolesOf: (name: string) => ReadonlySet<RoleName> | undefined;
  readonly audit: Audit;
}

export interface Barred {
  /** Known to have ended by this. */
  readonly ended: number;
  /** Of which it is not known: their nodes did not answer in time. */
  readonly unreachable: number;
}

const everyRole: ReadonlySet<RoleName> = new Set(roleNames);

/**
 * Resolves when it is known what became of them, or that this cannot be known. Whoever slipped in on a node that had not
 * heard of the lock yet is ended too: `everywhere` resolves when all have, or will not.
 */
export async function endBarred(
  { sessions, rolesOf, audit }: EndBarredNeeds,
  actor: Actor,
  lock: Lock,
  everywhere: Promise<boolean>,
): Promise<Barred> {
  const notes = createSessionNotes(audit, actor);
  // A name that is known on its own node alone may have any role.
  const barred = ({ operator: { name }, target, state }: SessionInfo) =>
    state !== "ended" && bars(lock, { name, roles: rolesOf(name) ?? everyRole }, target);
  const outcomes = new Map<SessionId, Promise<KickResult["outcome"]>>();

  async function end(info: SessionInfo): Promise<KickResult["outcome"]> {
    const found = await sessions.find(info.id);
    if (found.kind === "none" || found.kind === "ended") return "already-ended";
    notes.kickRequested(info, lock.reason, "");
    const kicked = found.kind === "live" ? found.session : found;
    // A node that fails to answer leaves as much unknown as one that does not.
    const outcome = await kicked.kick("everyone", { name: lock.by }, lock.reason, randomUUID()).then(
      (result) => result.outcome,
      () => "unreachable" as const,
    );
    notes.kickAnswered(info, outcome);
    return outcome;
  }

  async function round(): Promise<void> {
    for (const info of await sessions.list())
      if (barred(info) && !outcomes.has(info.id)) outcomes.set(info.id, end(info));
    await Promise.all(outcomes.values());
  }

  await round();
  await everywhere;
  await round();
  const all = await Promise.all(outcomes.values());
  const count = (outcome: string) => all.filter((each) => each === outcome).length;
  return { ended: count("ended"), unreachable: count("unreachable") };
}
