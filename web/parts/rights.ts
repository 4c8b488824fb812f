/** What the page offers to whom. The server decides anew at each call; this only keeps dead buttons off the page. */

import { type SessionInfo, SessionState } from "../../proto/client/index.ts";
import type { Who } from "../access.ts";

export function isOwn(who: Who, session: SessionInfo): boolean {
  return session.operator?.name === who.name;
}

export function mayOpen(who: Who): boolean {
  return who.roles.includes("operator");
}

export function mayWatch(who: Who, session: SessionInfo): boolean {
  return session.state !== SessionState.ENDED && (isOwn(who, session) || has(who, "auditor", "admin"));
}

export function mayKick(who: Who, session: SessionInfo): boolean {
  if (session.state === SessionState.ENDED) return false;
  return has(who, "admin") || (has(who, "operator") && isOwn(who, session));
}

/** One's own shell whose connection is gone: it can be taken up again. */
export function mayReopen(who: Who, session: SessionInfo): boolean {
  return session.state === SessionState.DETACHED && mayOpen(who) && isOwn(who, session);
}

/** Whether the caller sees what others opened. */
export function seesAll(who: Who): boolean {
  return has(who, "auditor", "admin");
}

export function mayDeleteRecordings(who: Who): boolean {
  return has(who, "admin");
}

export function mayReadAudit(who: Who): boolean {
  return has(who, "auditor", "admin");
}

/** Whether he sees and ends what tokens others have. */
export function mayManageTokens(who: Who): boolean {
  return has(who, "admin");
}

/** Whether all watchers are told to the caller whatever the server's config hides from operators. */
export function knowsWatchers(who: Who): boolean {
  return has(who, "auditor", "admin");
}

function has(who: Who, ...roles: string[]): boolean {
  return roles.some((role) => who.roles.includes(role));
}
