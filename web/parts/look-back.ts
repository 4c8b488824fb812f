/** The way from a session that runs to what it has just shown. Pure. */

import type { SessionInfo } from "../../proto/client/index.ts";
import { openedAtMs } from "../session-feed.ts";
import { activeAtMs } from "./sort-sessions.ts";

const backMs = 10_000;

/** The replay from so long before the newest sign of life; undefined for a session without a recording. */
export function lookBackPath(session: SessionInfo): string | undefined {
  if (session.recordingId === "") return undefined;
  const atMs = Math.max(0, activeAtMs(session) - openedAtMs(session) - backMs);
  return `/replay/${encodeURIComponent(session.recordingId)}?at=${Math.floor(atMs)}`;
}
