/** RecordingService: lists, replays, verifies, exports and deletes what was recorded; every look is noted first. */
import type { KeyObject } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import {
  ExportFormat,
  ExportRecordingResponseSchema,
  type ListRecordingsRequest,
  type RecordingService,
  ReplayResponseSchema,
  VerifyRecordingsResponseSchema,
} from "../../proto/gen/bartizan/v1/recording_pb.ts";
import type { Action, Caller } from "../access/policy.ts";
import { type Rights, resourceOf } from "../access/rights.ts";
import type { Audit } from "../audit.ts";
import { BartizanFault } from "../errors.ts";
import type { Clock } from "../flow/clock.ts";
import { openRecording, readOwnHead } from "../recording/archive.ts";
import type { Catalogue, PagePoint, RecordingFilter } from "../recording/catalogue.ts";
import { DamagedRecording } from "../recording/damaged-recording.ts";
import type { Erase } from "../recording/erase.ts";
import { exportV2, exportV3 } from "../recording/export-cast.ts";
import { createKnownMarkers } from "../recording/known-markers.ts";
import type { RecordingInfo } from "../recording/recording.ts";
import { fileGone, type Replays } from "../recording/replays.ts";
import { type Verification, verifyRecording } from "../recording/verify.ts";
import { noSuchRecording } from "./errors.ts";
import { actorOfCall, callerOfCall, callOf } from "./guard.ts";
import { mayDo } from "./may.ts";
import {
  filterFromWire,
  markerToWire,
  pagePointFromWire,
  pageSizeFromWire,
  pageTokenOf,
  reasonToDelete,
  recordingToWire,
  replayItemToWire,
  wireVerdict,
} from "./recording-wire.ts";
import type { RecordingStreams } from "./stream-method.ts";
import { createViewFold } from "./view-fold.ts";
import type { Watching } from "./watching.ts";
import { keyFrameToWire } from "./wire.ts";

export interface RecordingServiceNeeds {
  readonly catalogue: Catalogue;
  readonly erase: Erase;
  readonly folder: string;
  readonly replays: Replays;
  readonly audit: Pick<Audit, "write">;
  /** The hash of the final seal that the audit log has for a recording. */
  readonly sealOf: (recording: string, signal: AbortSignal) => Promise<string | undefined>;
  /** This node's key, PEM and id, and any other that its recordings may be sealed with. */
  readonly key: { readonly publicKey: string; readonly id: string };
  readonly keyOf: (id: string) => KeyObject | undefined;
  readonly clock: Clock;
  readonly rights: Rights;
  readonly watching: Watching;
  /** What to say of a session that another node recorded, by the form of its id; undefined for all others. */
  readonly elsewhere: (id: string) => BartizanFault | undefined;
}

export function createRecordingService(
  needs: RecordingServiceNeeds,
): ServiceImpl<typeof RecordingService> & RecordingStreams {
  const { catalogue, erase, folder, replays, audit, key, rights, watching, elsewhere } = needs;
  const markersOf = createKnownMarkers(folder);
  const foldView = createViewFold(needs.clock);

  /** The one that is meant, when the caller may do this to it: missing and foreign look alike. */
  const found = (context: HandlerContext, action: Action, id: string): { info: RecordingInfo; caller: Caller } => {
    const call = callOf(context);
    const info = id.length > 200 ? undefined : catalogue.find(id);
    const check = (who: Caller) => {
      if (info === undefined || !rights.may(who, action, resourceOf(info))) throw elsewhere(id) ?? noSuchRecording();
    };
    check(call.caller);
    if (info === undefined) throw noSuchRecording();
    call.ask(check);
    return { info, caller: call.caller };
  };
  const toWire = (info: RecordingInfo, caller: Caller) =>
    recordingToWire(info, mayDo(rights, caller, "recording", resourceOf(info)));
  const about = ({ id, sessionId, target }: RecordingInfo, context: HandlerContext) => ({
    ...{ recording: id, session: sessionId, target, actor: actorOfCall(context) },
  });

  return {
    listRecordings(request, context) {
      const caller = callerOfCall(context);
      const recordings = list(needs, caller, request);
      const away = recordings.length === 0 ? elsewhere(request.sessionId) : undefined;
      if (away !== undefined) throw away;
      const limit = pageSizeFromWire(request.pageSize);
      const page = recordings.slice(0, limit);
      const last = page.at(-1);
      return {
        recordings: page.map((info) => toWire(info, caller)),
        nextPageToken: recordings.length > limit && last !== undefined ? pageTokenOf(last) : "",
      };
    },

    async getRecording(request, context) {
      const { info, caller } = found(context, "list-recordings", request.id);
      const sight = watching.sightOf(caller, resourceOf(info));
      const all = await markersOf(info, context.signal);
      const markers = all.filter(({ kind, text }) => kind !== "watch" || sight.whole || text === caller.name);
      return { recording: toWire(info, caller), markers: markers.map(markerToWire) };
    },

    async *replay(request, context) {
      const { info, caller } = found(context, "replay", request.id);
      const fromMs = Number(request.fromMs);
      const sight = watching.sightOf(caller, resourceOf(info));
      foldView(actorOfCall(context), info.id, () =>
        audit.write({ event: "recording-viewed", ...about(info, context), fromMs }),
      );
      // The screen that the rest begins with goes first; another key frame comes after a gap.
      let opening = true;
      for await (const item of replays.open(info, fromMs, context.signal)) {
        if ((item.kind === "joined" || item.kind === "left") && !sight.tells(item)) continue;
        yield create(ReplayResponseSchema, {
          event:
            opening && item.kind === "key-frame"
              ? { case: "state", value: { recording: toWire(info, caller), keyFrame: keyFrameToWire(item) } }
              : replayItemToWire(item),
        });
        opening = false;
      }
    },

    async *verifyRecordings(request, context) {
      const caller = callerOfCall(context);
      const one = request.id === "" ? undefined : found(context, "verify", request.id).info;
      for (const info of one === undefined ? allowed(needs, caller, "verify", {}) : [one]) {
        const { verdict, detail } = await verified(needs, info, context.signal);
        const bad = verdict === "altered" || verdict === "missing" || verdict === "unsigned";
        if (bad) audit.write({ event: "recording-verify-failed", ...about(info, context), verdict, detail });
        else audit.write({ event: "recording-verified", ...about(info, context), verdict });
        yield create(VerifyRecordingsResponseSchema, {
          ...{ id: info.id, sessionId: info.sessionId, verdict: wireVerdict[verdict], detail },
        });
      }
    },

    async *exportRecording(request, context) {
      const { info, caller } = found(context, "export", request.id);
      const old = request.format === ExportFormat.ASCIICAST_V2;
      if (!old && !watching.sightOf(caller, resourceOf(info)).whole) throw namesWatchers();
      audit.write({
        event: "recording-exported",
        ...about(info, context),
        format: old ? "asciicast-v2" : "asciicast-v3",
      });
      await using file = await openRecording(folder, info.id);
      if (file === undefined) throw fileGone();
      await readOwnHead(file, info.id, context.signal);
      for await (const data of (old ? exportV2 : exportV3)(file, context.signal))
        yield create(ExportRecordingResponseSchema, { data });
    },

    async deleteRecording(request, context) {
      const { info } = found(context, "delete-recording", request.id);
      const reason = reasonToDelete(request.reason);
      if (info.state === "live")
        throw new BartizanFault(
          "invalid",
          "The session of this recording still runs.",
          "End it first: `bartizan kick`.",
        );
      const { seal } = info;
      audit.write({
        event: "recording-deleted",
        ...about(info, context),
        reason,
        ...(seal === undefined ? {} : { seal }),
      });
      await erase(info);
      return {};
    },

    getRecordingKey: () => ({ publicKey: key.publicKey, keyId: key.id }),
  };
}

/** The very file cannot be had without the names in it: its chain would not fit any more. */
function namesWatchers(): BartizanFault {
  return new BartizanFault(
    "forbidden",
    "The very file says who watched, and here operators are not told that.",
    "asciicast v2 has what was shown alone: `bartizan export --format v2`.",
  );
}

/** Those that the caller may see, one more than fit on the page. */
function list(needs: RecordingServiceNeeds, caller: Caller, request: ListRecordingsRequest): RecordingInfo[] {
  const limit = pageSizeFromWire(request.pageSize) + 1;
  const after = pagePointFromWire(request.pageToken);
  const asked = filterFromWire(request);
  if (request.sessionId === "") return [...allowed(needs, caller, "list-recordings", asked, after).take(limit)];
  const one = needs.catalogue.find(request.sessionId);
  if (one?.sessionId !== request.sessionId) return [];
  const narrow = {
    ...asked,
    fromMs: Math.max(asked.fromMs ?? 0, one.startedAtMs),
    untilMs: asked.untilMs ?? one.startedAtMs + 1,
  };
  return [...allowed(needs, caller, "list-recordings", narrow, after)].filter(({ id }) => id === one.id);
}

const pageOfAll = 100;

/** Of those that fit the filter all to which the caller may do this, newest first. */
function* allowed(
  { catalogue, rights }: RecordingServiceNeeds,
  caller: Caller,
  action: Action,
  asked: RecordingFilter,
  after?: PagePoint,
): Generator<RecordingInfo, void, void> {
  const own = rights.mayReachOthers(caller, action) ? {} : { operator: caller.name };
  if (own.operator !== undefined && asked.operator !== undefined && asked.operator !== own.operator) return;
  const filter = { ...asked, ...own };
  for (let page = catalogue.list(filter, pageOfAll, after); ; ) {
    yield* page.filter((info) => rights.may(caller, action, resourceOf(info)));
    const last = page.at(-1);
    if (last === undefined || page.length < pageOfAll) return;
    page = catalogue.list(filter, pageOfAll, last);
  }
}

async function verified(
  { folder, keyOf, sealOf }: RecordingServiceNeeds,
  info: RecordingInfo,
  signal: AbortSignal,
): Promise<Pick<Verification, "verdict" | "detail">> {
  const opened = await openRecording(folder, info.id).catch((error: unknown) => {
    // A packed file that cannot be restored; it must not hide the verdicts on those behind it.
    if (error instanceof DamagedRecording) return error;
    throw error;
  });
  if (opened === undefined) return { verdict: "missing", detail: "the file is gone" };
  if (opened instanceof DamagedRecording) return { verdict: "altered", detail: opened.what };
  await using file = opened;
  const seal = await sealOf(info.id, signal);
  const result = await verifyRecording(file, { keyOf, sealOf: () => seal, signal });
  if (result.recording === undefined || result.recording === info.id) return result;
  return { verdict: "altered", detail: "the file is of another recording" };
}
