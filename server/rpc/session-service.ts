/** SessionService: Shell, Watch, Kick and the lists, each a thin translation onto the session room. */
import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import {
  FreezeResponseSchema,
  KickOutcome,
  KickResponseSchema,
  type SessionService,
  type WatchResponse,
  WatchResponseSchema,
} from "../../proto/gen/bartizan/v1/session_pb.ts";
import type { Caller } from "../access/policy.ts";
import { resourceOf } from "../access/rights.ts";
import type { Audit } from "../audit.ts";
import { BartizanFault } from "../errors.ts";
import type { SessionId, SessionInfo, View } from "../events.ts";
import { printable } from "../flow/printable.ts";
import { liveSession, noSuchSession } from "./errors.ts";
import { actorOfCall, callerOfCall, callOf } from "./guard.ts";
import type { Kicks } from "./kicks.ts";
import { liveList } from "./live-list.ts";
import { lockToWire } from "./lock-wire.ts";
import { createSessionNotes } from "./session-notes.ts";
import { type ShellNeeds, shell } from "./shell.ts";
import type { StreamImplementations } from "./stream-method.ts";
import type { Sight } from "./watching.ts";
import {
  commandToWire,
  endedToWire,
  frozenToWire,
  keyFrameToWire,
  positionFromWire,
  reasonFromWire,
  viewItemToWire,
  wireReach,
} from "./wire.ts";

export interface SessionServiceNeeds extends ShellNeeds {
  readonly kicks: Kicks;
  readonly audit: Audit;
}

const wireOutcome = {
  ended: KickOutcome.ENDED,
  "already-ended": KickOutcome.ALREADY_ENDED,
  unreachable: KickOutcome.UNREACHABLE,
} as const;

export function createSessionService(
  needs: SessionServiceNeeds,
): ServiceImpl<typeof SessionService> & StreamImplementations {
  const { sessions, kicks, rights, watching, audit } = needs;
  const freezable = async (caller: Caller, id: string) => {
    const session = await liveSession(sessions, id);
    if (!maySee(caller, session.info)) throw noSuchSession();
    if (!rights.may(caller, "freeze", resourceOf(session.info)))
      throw new BartizanFault("forbidden", "You may see this session, but not stop its input.", "Ask an admin.");
    return session;
  };
  const maySee = (caller: Caller, info: SessionInfo) => rights.may(caller, "see", resourceOf(info));
  return {
    shell: (requests, context) => shell(requests, context, needs),

    async *watch(request, context) {
      const call = callOf(context);
      const { caller } = call;
      const session = await liveSession(sessions, request.sessionId);
      const resource = resourceOf(session.info);
      if (!maySee(caller, session.info)) throw noSuchSession();
      if (!rights.may(caller, "watch", resource))
        throw new BartizanFault("forbidden", "You may see this session, but not watch it.", "Ask an admin.");
      call.ask((who) => {
        if (!rights.may(who, "watch", resource))
          throw new BartizanFault("forbidden", "The right to watch this session was taken away.", "Ask an admin.");
      });
      const from = positionFromWire(request.from);
      const hidden = watching.hides(caller);
      const attachment = await session.attach({ name: caller.name }, "watcher", { from, hidden }, context.signal);
      const { info, self, start, resumed, view } = attachment;
      const notes = createSessionNotes(needs.audit, actorOfCall(context));
      notes.watchStarted(info, self.id);
      using _stopped = { [Symbol.dispose]: () => notes.watchStopped(info, self.id) };
      const sight = watching.sightOf(caller, resource);
      yield* watched(info.id, view, sight, resumed, (keyFrame) => ({
        session: watching.shown(caller, info),
        attachmentId: self.id,
        position: { epoch: start.epoch, offset: BigInt(start.offset) },
        ...keyFrame,
      }));
    },

    async freeze(request, context) {
      const caller = callerOfCall(context);
      const session = await freezable(caller, request.sessionId);
      const reason = printable(reasonFromWire(request.reason));
      const { id, target } = session.info;
      audit.note({ event: "session-frozen", actor: actorOfCall(context), session: id, target, reason });
      const frozen = await session.freeze({ name: caller.name }, reason);
      return create(FreezeResponseSchema, { frozen: frozenToWire(frozen) });
    },

    async unfreeze(request, context) {
      const caller = callerOfCall(context);
      const session = await freezable(caller, request.sessionId);
      const { id, target } = session.info;
      audit.write({ event: "session-thawed", actor: actorOfCall(context), session: id, target });
      await session.unfreeze({ name: caller.name });
      return {};
    },

    async kick(request, context) {
      const caller = callerOfCall(context);
      const { result, tookMs, resource, locked } = await kicks.kick(caller, actorOfCall(context), request);
      return create(KickResponseSchema, {
        outcome: wireOutcome[result.outcome],
        tookMs,
        watchersTold: watching.sightOf(caller, resource).whole ? result.watchersTold : 0,
        orderLeft: result.orderLeft ?? false,
        ...(result.ended === undefined ? {} : { ended: endedToWire(result.ended) }),
        ...(locked === undefined ? {} : { lock: lockToWire(locked.lock), lockNotEverywhere: !locked.everywhere }),
      });
    },

    async listSessions(request, context) {
      const caller = callerOfCall(context);
      const live = await sessions.list();
      const ended = request.includeEnded ? sessions.listEnded() : [];
      const seen = [...live, ...ended].filter((info) => maySee(caller, info));
      return { sessions: seen.map((info) => watching.shown(caller, info)) };
    },

    async *watchSessions(_request, context) {
      await using list = await sessions.follow(context.signal);
      yield* liveList(list, needs, callOf(context), context.signal);
    },
  };
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
