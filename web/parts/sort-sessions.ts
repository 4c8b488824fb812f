/** The order of the session list: by the column chosen, ended ones always below the live ones. */

import { timestampMs } from "@bufbuild/protobuf/wkt";
import { type SessionInfo, SessionState } from "../../proto/client/index.ts";
import { openedAtMs } from "../session-feed.ts";
import { operatorOf } from "./phrases.ts";

export type SessionColumn = "operator" | "target" | "since" | "idle" | "watchers" | "node";
export interface SessionSort {
  readonly by: SessionColumn;
  readonly descending: boolean;
}

/** When output or input last moved, in milliseconds since 1970. */
export function activeAtMs(session: SessionInfo): number {
  return session.activeAt === undefined ? openedAtMs(session) : timestampMs(session.activeAt);
}

/** A new array, ended sessions last; those keep the order of their ends. */
export function sortSessions(sessions: readonly SessionInfo[], { by, descending }: SessionSort): SessionInfo[] {
  const key: Record<SessionColumn, (session: SessionInfo) => number | string> = {
    operator: operatorOf,
    target: ({ target }) => target,
    since: openedAtMs,
    idle: (session) => -activeAtMs(session),
    watchers: ({ attachments }) => attachments.length,
    node: ({ node }) => node,
  };
  const of = key[by];
  const live = sessions.filter(({ state }) => state !== SessionState.ENDED);
  const ended = sessions.filter(({ state }) => state === SessionState.ENDED);
  live.sort((a, b) => {
    const [x, y] = [of(a), of(b)];
    const order = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y));
    return descending ? -order : order;
  });
  return [...live, ...ended];
}
