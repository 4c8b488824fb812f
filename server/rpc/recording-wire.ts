/** Recordings to wire messages and back, and the limits of what is asked about them. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import {
  type ListRecordingsRequest,
  type Marker as MarkerMessage,
  MarkerSchema,
  type Recording,
  RecordingSchema,
  type ReplayResponseSchema,
  MarkerKind as WireMarker,
  RecordingState as WireState,
  Verdict as WireVerdict,
} from "../../proto/gen/bartizan/v1/recording_pb.ts";
import { BartizanFault } from "../errors.ts";
import type { PagePoint, RecordingFilter } from "../recording/catalogue.ts";
import type { Marker } from "../recording/markers.ts";
import type { RecordedCause, RecordingInfo, RecordingState } from "../recording/recording.ts";
import { isRecordingId } from "../recording/recording-id.ts";
import type { ReplayItem } from "../recording/replay.ts";
import type { VerdictWord } from "../recording/verify.ts";
import { endedToWire, viewItemToWire } from "./wire.ts";

const wireState: Readonly<Record<RecordingState, WireState>> = {
  live: WireState.LIVE,
  sealed: WireState.SEALED,
  incomplete: WireState.INCOMPLETE,
  damaged: WireState.DAMAGED,
  missing: WireState.MISSING,
};

const wireMarker: Readonly<Record<Marker["kind"], WireMarker>> = {
  resize: WireMarker.RESIZE,
  kick: WireMarker.KICK,
  gap: WireMarker.GAP,
  watch: WireMarker.WATCH,
};

export const wireVerdict: Readonly<Record<VerdictWord, WireVerdict>> = {
  complete: WireVerdict.COMPLETE,
  incomplete: WireVerdict.INCOMPLETE,
  gap: WireVerdict.GAP,
  altered: WireVerdict.ALTERED,
  unsigned: WireVerdict.UNSIGNED,
  missing: WireVerdict.MISSING,
};

/** `may`: what whoever is told of it may do to it. */
export function recordingToWire(info: RecordingInfo, may: readonly string[] = []): Recording {
  const { cause } = info;
  const ended =
    cause === undefined || cause.kind === "incomplete"
      ? {}
      : { ended: endedToWire({ offset: info.outputBytes, atMs: info.durationMs, cause }) };
  return create(RecordingSchema, {
    ...{ id: info.id, sessionId: info.sessionId, target: info.target, targetUser: info.targetUser, node: info.node },
    ...{ labels: { ...info.labels }, operator: { name: info.operator.name }, size: info.size },
    ...{ startedAt: timestampFromMs(info.startedAtMs), durationMs: BigInt(info.durationMs) },
    ...{ outputBytes: BigInt(info.outputBytes), fileBytes: BigInt(info.fileBytes) },
    ...{ state: wireState[info.state], commands: info.commands, seal: info.seal ?? "", may: [...may] },
    ...ended,
  });
}

export function markerToWire({ atMs, kind, text }: Marker): MarkerMessage {
  return create(MarkerSchema, { atMs: BigInt(atMs), kind: wireMarker[kind], text });
}

type ReplayEvent = NonNullable<MessageInitShape<typeof ReplayResponseSchema>["event"]>;

/** An item behind the first key frame. */
export function replayItemToWire(item: ReplayItem): ReplayEvent {
  if (item.kind === "live-edge")
    return { case: "liveEdge", value: { offset: BigInt(item.offset), atMs: BigInt(item.atMs) } };
  const event = viewItemToWire(item);
  if (event.case === "notice" || event.case === "freeze") throw new TypeError("a replay has no notices");
  return event;
}

const causeKinds = ["exited", "signalled", "lost", "kicked", "closed", "incomplete"] as const;

/** Throws `invalid` for a cause that is none, and times that are none. */
export function filterFromWire(request: ListRecordingsRequest): RecordingFilter {
  const causeKind = causeKinds.find((kind): kind is RecordedCause["kind"] => kind === request.cause);
  if (request.cause !== "" && causeKind === undefined)
    throw new BartizanFault("invalid", "No recording ends like that.", `A cause is ${causeKinds.join(", ")}.`);
  return {
    ...(request.operator === "" ? {} : { operator: request.operator }),
    ...(request.target === "" ? {} : { target: request.target }),
    ...(request.from === undefined ? {} : { fromMs: timestampMs(request.from) }),
    ...(request.until === undefined ? {} : { untilMs: timestampMs(request.until) }),
    ...(causeKind === undefined ? {} : { causeKind }),
    labels: request.labels,
  };
}

const usualPage = 50;
const mostOnPage = 500;

/** Throws `invalid` for more than 500. */
export function pageSizeFromWire(size: number): number {
  if (size > mostOnPage) throw new BartizanFault("invalid", `A page has at most ${mostOnPage} recordings.`);
  return size === 0 ? usualPage : size;
}

export function pageTokenOf({ startedAtMs, id }: RecordingInfo): string {
  return `${startedAtMs}.${id}`;
}

/** undefined for none; throws `invalid` for what no page gave. */
export function pagePointFromWire(token: string): PagePoint | undefined {
  if (token === "") return undefined;
  const [at = "", id = "", ...more] = token.split(".");
  if (!/^\d{1,15}$/.test(at) || !isRecordingId(id) || more.length > 0)
    throw new BartizanFault("invalid", "This page token is of no page.", "Take `next_page_token` as it is.");
  return { startedAtMs: Number(at), id };
}

/** Throws `invalid` unless the reason has 1 to 500 characters. */
export function reasonToDelete(reason: string): string {
  const trimmed = reason.trim();
  if (trimmed === "" || trimmed.length > 500)
    throw new BartizanFault(
      "invalid",
      "Deleting needs a reason of 1 to 500 characters.",
      "It goes into the audit log.",
    );
  return trimmed;
}
