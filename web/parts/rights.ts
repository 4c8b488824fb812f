/** What the page offers to whom, as the server tells it of each thing. It decides anew at each call; this keeps dead buttons off. */

import { type SessionInfo, SessionState } from "../../proto/client/index.ts";
import type { Recording } from "../../proto/gen/bartizan/v1/recording_pb.ts";
import type { Target } from "../../proto/gen/bartizan/v1/target_pb.ts";
import type { Who } from "../access.ts";

export function isOwn(who: Who, session: SessionInfo): boolean {
  return session.operator?.name === who.name;
}

/** On any target at all. */
export function mayOpen(who: Who): boolean {
  return who.may.includes("open");
}

/** A shell on it, by right and because no lock keeps him from it. */
export function mayOpenOn(target: Target): boolean {
  return target.may.includes("open") && target.lock === undefined;
}

export function mayWatch({ state, may }: SessionInfo): boolean {
  return state !== SessionState.ENDED && may.includes("watch");
}

export function mayKick({ state, may }: SessionInfo): boolean {
  return state !== SessionState.ENDED && may.includes("kick");
}

export function mayFreeze({ state, may }: SessionInfo): boolean {
  return state !== SessionState.ENDED && may.includes("freeze");
}

/** Together with a kick. */
export function mayLockAfter({ may }: SessionInfo): boolean {
  return may.includes("lock");
}

export function mayLock(who: Who): boolean {
  return who.may.includes("lock");
}

/** One's own shell whose connection is gone: it can be taken up again. */
export function mayReopen({ state, may }: SessionInfo): boolean {
  return state === SessionState.DETACHED && may.includes("reattach");
}

/** Whether the caller sees what others opened. */
export function seesAll(who: Who): boolean {
  return who.may.includes("watch-others");
}

export function mayDeleteRecording({ may }: Recording): boolean {
  return may.includes("delete-recording");
}

export function mayReadAudit(who: Who): boolean {
  return who.may.includes("audit");
}

/** Whether he sees and ends what tokens others have. */
export function mayManageTokens(who: Who): boolean {
  return who.may.includes("tokens-of-others");
}

/** Whether all watchers are told to the caller whatever the server's config hides from operators. */
export function knowsWatchers(who: Who): boolean {
  return who.may.includes("know-watchers");
}
