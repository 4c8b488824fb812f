/** The list of sessions, kept up to date by one WatchSessions call that is made again whenever it is lost. */

import { timestampMs } from "@bufbuild/protobuf/wkt";
import { type CallFault, faultOf, type SessionClient, type SessionInfo, SessionState } from "../proto/client/index.ts";
import { backOffMs, pauseFor } from "../proto/client/pause.ts";

export interface FeedState {
  /** "loading": nothing known yet. "live": as it is now. "stale": as it was before the connection was lost. */
  readonly kind: "loading" | "live" | "stale";
  /** Live ones first, newest first; then those that ended, the last one first, at most 200. */
  readonly sessions: readonly SessionInfo[];
  /** When the connection was lost, by the page's clock; only with "stale". */
  readonly lostAtMs?: number;
  /** The last failure; not with "live". */
  readonly fault?: CallFault;
}

export interface SessionFeed {
  readonly state: FeedState;
  /** Tries to come back now, if it waits to do so. */
  hurry(): void;
  subscribe(listener: () => void): () => void;
}

const endedKept = 200;
/** A message at least this often is not promised; this only bounds how fast listeners are told. */
const tellEveryMs = 100;
/** A call that held this long starts the back-off anew. */
const steadyMs = 5000;

/** Runs until the signal aborts. Listeners are told at most ten times a second, and at once when the kind changes. */
export function openSessionFeed(client: SessionClient, signal: AbortSignal): SessionFeed {
  const listeners = new Set<() => void>();
  let live = new Map<string, SessionInfo>();
  let ended = new Map<string, SessionInfo>();
  let state: FeedState = { kind: "loading", sessions: [] };
  let due: ReturnType<typeof setTimeout> | undefined;
  let early = new AbortController();

  const tell = () => {
    clearTimeout(due);
    due = undefined;
    for (const listener of listeners) listener();
  };
  const become = (next: Omit<FeedState, "sessions">) => {
    const changed = next.kind !== state.kind;
    state = { ...next, sessions: sorted(live, ended) };
    if (changed) tell();
    else due ??= setTimeout(tell, tellEveryMs);
  };
  const take = (info: SessionInfo) => {
    if (info.state !== SessionState.ENDED) {
      if (!ended.has(info.id)) live.set(info.id, info);
      return;
    }
    live.delete(info.id);
    ended.set(info.id, info);
    const oldest =
      ended.size > endedKept ? [...ended.values()].sort((a, b) => endedAtMs(a) - endedAtMs(b))[0] : undefined;
    if (oldest !== undefined) ended.delete(oldest.id);
  };

  async function listEnded(callSignal: AbortSignal) {
    const { sessions } = await client.listSessions({ includeEnded: true }, { signal: callSignal, timeoutMs: 15_000 });
    ended = new Map();
    for (const info of sessions) if (info.state === SessionState.ENDED) take(info);
  }

  async function follow() {
    const call = new AbortController();
    const stop = () => call.abort(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    try {
      for await (const { event } of client.watchSessions({}, { signal: call.signal, timeoutMs: 0 })) {
        if (event.case === "snapshot") {
          live = new Map(event.value.sessions.map((info) => [info.id, info]));
          await listEnded(call.signal);
          for (const id of ended.keys()) live.delete(id);
        } else if (event.case === "changed") take(event.value);
        become({ kind: "live" });
      }
    } finally {
      signal.removeEventListener("abort", stop);
      call.abort(); // leaving the loop does not end the call
    }
  }

  async function run() {
    for (let attempt = 1; !signal.aborted; attempt += 1) {
      const begunAtMs = performance.now();
      let fault: CallFault | undefined;
      await follow().catch((error) => {
        fault = faultOf(error);
      });
      if (signal.aborted) break;
      if (state.kind === "live" && performance.now() - begunAtMs >= steadyMs) attempt = 1;
      const lostAtMs = state.lostAtMs ?? Date.now();
      become({
        kind: state.kind === "loading" ? "loading" : "stale",
        ...(state.kind === "loading" ? {} : { lostAtMs }),
        ...(fault === undefined ? {} : { fault }),
      });
      early = new AbortController();
      await pauseFor(backOffMs(attempt + 1), AbortSignal.any([signal, early.signal]));
    }
    clearTimeout(due);
  }

  void run();
  return {
    get state() {
      return state;
    },
    hurry: () => early.abort(),
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** When it was opened, in milliseconds since 1970. */
export function openedAtMs(info: SessionInfo): number {
  return info.openedAt === undefined ? 0 : timestampMs(info.openedAt);
}

/** When it ended, in milliseconds since 1970. */
export function endedAtMs(info: SessionInfo): number {
  return openedAtMs(info) + Number(info.ended?.atMs ?? 0n);
}

function sorted(live: ReadonlyMap<string, SessionInfo>, ended: ReadonlyMap<string, SessionInfo>): SessionInfo[] {
  return [
    ...[...live.values()].sort((a, b) => openedAtMs(b) - openedAtMs(a)),
    ...[...ended.values()].sort((a, b) => endedAtMs(b) - endedAtMs(a)),
  ];
}
