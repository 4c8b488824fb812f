/** The way from a session that runs to what it has just shown. Pure. */

import type { SessionInfo } from "../../proto/client/index.ts";
import { openedAtMs } from "../session-feed.ts";
import { activeAtMs } from "./sort-sessions.ts";

const backMs = 10_000;

/** A recording stays on the node that held the session. */
export function hasRecordingHere(who: { readonly node: string }, session: SessionInfo): boolean {
  return session.recordingId !== "" && session.node === who.node;
}

/** The replay from so long before the newest sign of life; undefined for a session without a recording here. */
export function lookBackPath(who: { readonly node: string }, session: SessionInfo): string | undefined {
  if (!hasRecordingHere(who, session)) return undefined;
  const atMs = Math.max(0, activeAtMs(session) - openedAtMs(session) - backMs);
  return `/replay/${encodeURIComponent(session.recordingId)}?at=${Math.floor(atMs)}`;
}
