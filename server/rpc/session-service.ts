/** SessionService: Shell, Watch, Kick and the lists, each a thin translation onto the session room. */
import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import {
  KickOutcome,
  KickResponseSchema,
  type SessionService,
  type WatchResponse,
  WatchResponseSchema,
  type WatchSessionsResponse,
  WatchSessionsResponseSchema,
} from "../../proto/gen/bartizan/v1/session_pb.ts";
import { type Caller, may } from "../access/policy.ts";
import type { SessionId, SessionInfo, View } from "../events.ts";
import type { LiveList } from "../session/sessions.ts";
import { liveSession, noSuchSession } from "./errors.ts";
import { callerOfCall } from "./guard.ts";
import type { Kicks } from "./kicks.ts";
import { type ShellNeeds, shell } from "./shell.ts";
import type { StreamImplementations } from "./stream-method.ts";
import { type Sight, sightOf } from "./watching.ts";
import {
  commandToWire,
  endedToWire,
  infoToWire,
  keyFrameToWire,
  positionFromWire,
  viewItemToWire,
  wireReach,
} from "./wire.ts";

export interface SessionServiceNeeds extends ShellNeeds {
  readonly kicks: Kicks;
}

const wireOutcome = {
  ended: KickOutcome.ENDED,
  "already-ended": KickOutcome.ALREADY_ENDED,
  unreachable: KickOutcome.UNREACHABLE,
} as const;

export function createSessionService(
  needs: SessionServiceNeeds,
): ServiceImpl<typeof SessionService> & StreamImplementations {
  const { sessions, kicks } = needs;
  const sightFor = (caller: Caller) => sightOf(caller, needs.watchersVisible);
  return {
    shell: (requests, context) => shell(requests, context, needs),

    async *watch(request, context) {
      const caller = callerOfCall(context);
      const session = await liveSession(sessions, request.sessionId);
      if (!may(caller, "watch", session.info)) throw noSuchSession();
      const from = positionFromWire(request.from);
      const attachment = await session.attach({ name: caller.name }, "watcher", { from }, context.signal);
      const { info, self, start, resumed, view } = attachment;
      const sight = sightFor(caller);
      yield* watched(info.id, view, sight, resumed, (keyFrame) => ({
        session: infoToWire(sight.info(info)),
        attachmentId: self.id,
        position: { epoch: start.epoch, offset: BigInt(start.offset) },
        ...keyFrame,
      }));
    },

    async kick(request, context) {
      const caller = callerOfCall(context);
      const { result, tookMs } = await kicks.kick(caller, request);
      return create(KickResponseSchema, {
        outcome: wireOutcome[result.outcome],
        tookMs,
        watchersTold: sightFor(caller).whole ? result.watchersTold : 0,
        orderLeft: result.orderLeft ?? false,
        ...(result.ended === undefined ? {} : { ended: endedToWire(result.ended) }),
      });
    },

    async listSessions(request, context) {
      const caller = callerOfCall(context);
      const live = await sessions.list();
      const ended = request.includeEnded ? sessions.listEnded() : [];
      const sight = sightFor(caller);
      return { sessions: seen(caller, [...live, ...ended]).map((info) => infoToWire(sight.info(info))) };
    },

    async *watchSessions(_request, context) {
      const caller = callerOfCall(context);
      await using list = await sessions.follow(context.signal);
      yield* liveList(list, (info) => may(caller, "see", info), sightFor(caller), context.signal);
    },
  };
}

function seen(caller: Caller, sessions: readonly SessionInfo[]): SessionInfo[] {
  return sessions.filter((info) => may(caller, "see", info));
}

type StateInit = NonNullable<Parameters<typeof create<typeof WatchResponseSchema>>[1]>;

/** The state goes first, with the key frame inside when the view begins with one. */
async function* watched(
  sessionId: SessionId,
  view: View,
  sight: Sight,
  resumed: boolean,
  state: (part: { keyFrame?: ReturnType<typeof keyFrameToWire> }) => object,
): AsyncGenerator<WatchResponse> {
  let first = true;
  const opening = (keyFrame?: ReturnType<typeof keyFrameToWire>) =>
    create(WatchResponseSchema, {
      event: { case: "state", value: state(keyFrame === undefined ? {} : { keyFrame }) },
    } as StateInit);
  if (resumed) {
    first = false;
    yield opening();
  }
  for await (const item of view) {
    if (item.kind === "input-taken" || item.kind === "pong" || !sight.tells(item)) continue;
    if (first && item.kind === "key-frame") yield opening(keyFrameToWire(item));
    else {
      if (first) yield opening();
      const event =
        item.kind === "command"
          ? { case: "command" as const, value: commandToWire(sessionId, item.command) }
          : item.kind === "reach"
            ? { case: "reach" as const, value: { reach: wireReach[item.reach], text: item.text } }
            : viewItemToWire(item);
      yield create(WatchResponseSchema, { event });
    }
    first = false;
  }
}

/** What a person would see of a change: for who must not notice the rest. Output moves its count once a second. */
function gist({ state, size, attachments, outputBytes, unreachable }: SessionInfo): string {
  return JSON.stringify([state, size, attachments.map(({ id }) => id), outputBytes, unreachable]);
}

/** News of more sessions than this are not kept for one reader. */
const maxNews = 1000;

/** The newest news of each session; a slow reader misses steps in between, never the last one. */
async function* liveList(
  list: LiveList,
  visible: (info: SessionInfo) => boolean,
  sight: Sight,
  signal: AbortSignal,
): AsyncGenerator<WatchSessionsResponse> {
  const news = new Map<SessionId, SessionInfo>();
  let stale = true;
  const told = new Map<SessionId, string>();
  let wake: (() => void) | undefined;
  const rouse = () => wake?.();
  using _subscription = list.onChange((whole) => {
    if (!visible(whole)) return;
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
      const seen = list.list().filter(visible).map(sight.info);
      for (const info of seen) told.set(info.id, gist(info));
      const sessions = seen.map(infoToWire);
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
    yield create(WatchSessionsResponseSchema, { event: { case: "changed", value: infoToWire(next) } });
  }
}
