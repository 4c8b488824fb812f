/** The list of live sessions, kept up to date for one caller: what he may see of it, also when that changes. */
import { create } from "@bufbuild/protobuf";
import { type WatchSessionsResponse, WatchSessionsResponseSchema } from "../../proto/gen/bartizan/v1/session_pb.ts";
import { type Rights, resourceOf } from "../access/rights.ts";
import type { SessionId, SessionInfo } from "../events.ts";
import type { Registry } from "../session/registry.ts";
import type { Call } from "./guard.ts";
import type { Watching } from "./watching.ts";

export interface LiveListNeeds {
  readonly registry: Registry;
  readonly rights: Rights;
  readonly watching: Watching;
}

/** What a person would see of a change: for who must not notice the rest. Output moves its count once a second. */
function gist({ state, size, attachments, outputBytes }: SessionInfo): string {
  return JSON.stringify([state, size, attachments.map(({ id }) => id), outputBytes]);
}

/** News of more sessions than this are not kept for one reader. */
const maxNews = 1000;

/** The newest news of each session; a slow reader misses steps in between, never the last one. */
export async function* liveList(
  { registry, rights, watching }: LiveListNeeds,
  call: Call,
  signal: AbortSignal,
): AsyncGenerator<WatchSessionsResponse> {
  const visible = (info: SessionInfo) => rights.may(call.caller, "see", resourceOf(info));
  const news = new Map<SessionId, SessionInfo>();
  let stale = true;
  const told = new Map<SessionId, string>();
  let wake: (() => void) | undefined;
  const rouse = () => wake?.();
  let allowed = call.caller;
  let rules = rights.rules;
  // What he may see has changed: he is told the whole list again, and nothing of what he may see no more.
  call.ask((caller) => {
    if (caller.roles === allowed.roles && rules === rights.rules) return;
    allowed = caller;
    rules = rights.rules;
    news.clear();
    told.clear();
    stale = true;
    rouse();
  });
  using _subscription = registry.onChange((whole) => {
    if (!visible(whole)) return;
    const sight = watching.sightOf(call.caller, resourceOf(whole));
    const info = sight.info(whole);
    // That something has changed of which he sees nothing would tell him that a hidden watcher came or went.
    if (!sight.whole && told.get(info.id) === gist(info)) return;
    told.set(info.id, gist(info));
    if (info.state === "ended") told.delete(info.id);
    news.delete(info.id);
    news.set(info.id, info);
    // A reader that sleeps through so much is told the whole list again.
    if (news.size > maxNews) stale = true;
    if (stale) news.clear();
    rouse();
  });
  signal.addEventListener("abort", rouse, { once: true });
  for (;;) {
    signal.throwIfAborted();
    if (stale) {
      stale = false;
      const seen = registry
        .list()
        .filter(visible)
        .map((info) => watching.seen(call.caller, info));
      for (const info of seen) told.set(info.id, gist(info));
      const sessions = seen.map((info) => watching.shown(call.caller, info));
      yield create(WatchSessionsResponseSchema, { event: { case: "snapshot", value: { sessions } } });
      continue;
    }
    const [next] = news.values();
    if (next === undefined) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
      continue;
    }
    news.delete(next.id);
    yield create(WatchSessionsResponseSchema, { event: { case: "changed", value: watching.shown(call.caller, next) } });
  }
}
