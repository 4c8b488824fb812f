/** Domain values to wire messages and back; the limits that every incoming value must keep. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type Timestamp, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Confidence, type TypedCommand, TypedCommandSchema } from "../../proto/gen/bartizan/v1/command_pb.ts";
import {
  type Attachment as AttachmentMessage,
  AttachmentSchema,
  type Ended,
  EndedSchema,
  type KeyFrame as KeyFrameMessage,
  KeyFrameSchema,
  NoticeKind,
  type Position as PositionMessage,
  type SessionInfo as SessionInfoMessage,
  SessionInfoSchema,
  type ShellResponseSchema,
  type TermSize as TermSizeMessage,
  ClosedReason as WireClosedReason,
  Reach as WireReach,
  Role as WireRole,
  SessionState as WireSessionState,
} from "../../proto/gen/bartizan/v1/session_pb.ts";
import { BartizanFault } from "../errors.ts";
import type {
  Attached,
  ClosedReason,
  CommandConfidence,
  CommandSeen,
  CommandWord,
  EndCause,
  Frozen,
  InputTaken,
  KeyFrame,
  Notice,
  Pong,
  Position,
  Reach,
  ReachWord,
  SessionInfo,
  SessionState,
  TermSize,
  ViewItem,
} from "../events.ts";

const maxCells = 1000;

/** Throws `invalid` unless both sides are 1 to 1000. */
export function sizeFromWire(size: TermSizeMessage | undefined): TermSize {
  const { cols = 0, rows = 0 } = size ?? {};
  if (cols < 1 || rows < 1 || cols > maxCells || rows > maxCells)
    throw new BartizanFault(
      "invalid",
      `A terminal of ${cols} x ${rows} is not possible.`,
      `Columns and rows go from 1 to ${maxCells}.`,
    );
  return { cols, rows };
}

export function positionFromWire(position: PositionMessage | undefined): Position | undefined {
  return position === undefined ? undefined : { epoch: position.epoch, offset: Number(position.offset) };
}

/** Throws `invalid` unless the reason has 1 to 500 characters. */
export function reasonFromWire(reason: string): string {
  const trimmed = reason.trim();
  if (trimmed === "" || trimmed.length > 500)
    throw new BartizanFault(
      "invalid",
      "A kick needs a reason of 1 to 500 characters.",
      "It is told to everybody there.",
    );
  return trimmed;
}

const wireState: Readonly<Record<SessionState, WireSessionState>> = {
  attached: WireSessionState.ATTACHED,
  detached: WireSessionState.DETACHED,
  ended: WireSessionState.ENDED,
};

const wireClosed: Readonly<Record<ClosedReason, WireClosedReason>> = {
  operator: WireClosedReason.OPERATOR,
  "grace-expired": WireClosedReason.GRACE_EXPIRED,
  draining: WireClosedReason.DRAINING,
  "taken-over": WireClosedReason.TAKEN_OVER,
  fault: WireClosedReason.FAULT,
  unrecorded: WireClosedReason.UNRECORDED,
  "access-ended": WireClosedReason.ACCESS_ENDED,
  idle: WireClosedReason.IDLE,
  "too-long": WireClosedReason.TOO_LONG,
};

const wireNotice: Readonly<Record<Notice["about"], NoticeKind>> = {
  connecting: NoticeKind.CONNECTING,
  banner: NoticeKind.BANNER,
  draining: NoticeKind.DRAINING,
  info: NoticeKind.INFO,
  recording: NoticeKind.RECORDING,
  monitored: NoticeKind.MONITORED,
  limit: NoticeKind.LIMIT,
};

/** `may`: what whoever is told of it may do to it. */
export function infoToWire(info: SessionInfo, may: readonly string[] = []): SessionInfoMessage {
  return create(SessionInfoSchema, {
    id: info.id,
    epoch: info.epoch,
    target: info.target,
    targetUser: info.targetUser,
    operator: { name: info.operator.name },
    node: info.node,
    openedAt: timestampFromMs(info.openedAtMs),
    activeAt: toTheSecond(info.activeAtMs),
    size: info.size,
    state: wireState[info.state],
    attachments: info.attachments.map(attachedToWire),
    outputBytes: BigInt(info.outputBytes),
    recorded: info.recorded,
    recordingId: info.recordingId ?? "",
    labels: { ...info.labels },
    unreachable: info.unreachable ?? false,
    may: [...may],
    ...(info.frozen === undefined ? {} : { frozen: frozenToWire(info.frozen) }),
    ...(info.ended === undefined ? {} : { ended: endedToWire(info.ended) }),
  });
}

export function frozenToWire({ by, reason, sinceMs }: Frozen) {
  return { by: { name: by.name }, reason, since: timestampFromMs(sinceMs) };
}

function toTheSecond(ms: number): Timestamp {
  return timestampFromMs(Math.floor(ms / 1000) * 1000);
}

function attachedToWire(attached: Attached): AttachmentMessage {
  return create(AttachmentSchema, {
    id: attached.id,
    principal: { name: attached.who.name },
    role: attached.role === "operator" ? WireRole.OPERATOR : WireRole.WATCHER,
    since: timestampFromMs(attached.sinceMs),
  });
}

export function endedToWire(ended: { offset: number; atMs: number; cause: EndCause }): Ended {
  return create(EndedSchema, {
    offset: BigInt(ended.offset),
    atMs: BigInt(ended.atMs),
    cause: causeToWire(ended.cause),
  });
}

function causeToWire(cause: EndCause): NonNullable<MessageInitShape<typeof EndedSchema>["cause"]> {
  switch (cause.kind) {
    case "exited":
      return { case: "exited", value: { code: cause.code } };
    case "signalled":
      return { case: "signalled", value: { name: cause.name } };
    case "lost":
      return { case: "lost", value: { reason: cause.reason } };
    case "kicked":
      return { case: "kicked", value: { by: { name: cause.by.name }, reason: cause.reason } };
    case "closed":
      return { case: "closed", value: { reason: wireClosed[cause.why], detail: cause.detail ?? "" } };
  }
}

export function keyFrameToWire(frame: KeyFrame): KeyFrameMessage {
  return create(KeyFrameSchema, {
    offset: BigInt(frame.offset),
    size: frame.size,
    data: frame.bytes,
    atMs: BigInt(frame.atMs),
    skippedBytes: BigInt(frame.skippedBytes),
    approximate: frame.approximate,
  });
}

/** The events that Shell and Watch have in common. */
type SharedEvent = Extract<
  NonNullable<MessageInitShape<typeof ShellResponseSchema>["event"]>,
  { case: "output" | "keyFrame" | "resized" | "joined" | "left" | "notice" | "ended" | "freeze" }
>;

/** One item of an operator's view. */
export function shellItemToWire(
  item: Exclude<ViewItem, CommandWord | ReachWord>,
): NonNullable<MessageInitShape<typeof ShellResponseSchema>["event"]> {
  if (item.kind === "input-taken") return { case: "inputTaken", value: { bytes: BigInt(item.bytes) } };
  if (item.kind !== "pong") return viewItemToWire(item);
  const { id, targetMs } = item;
  return { case: "pong", value: { id, ...(targetMs === undefined ? {} : { targetMs }) } };
}

/** One item of a view as the oneof of either stream. */
export function viewItemToWire(item: Exclude<ViewItem, InputTaken | Pong | CommandWord | ReachWord>): SharedEvent {
  switch (item.kind) {
    case "output":
      return {
        case: "output",
        value: { offset: BigInt(item.offset), data: item.bytes, atMs: BigInt(item.atMs) },
      };
    case "key-frame":
      return { case: "keyFrame", value: keyFrameToWire(item) };
    case "resize":
      return { case: "resized", value: { offset: BigInt(item.offset), size: item.size, atMs: BigInt(item.atMs) } };
    case "joined":
    case "left": {
      const value = { offset: BigInt(item.offset), attachment: attachedToWire(item.who), atMs: BigInt(item.atMs) };
      return item.kind === "joined" ? { case: "joined", value } : { case: "left", value };
    }
    case "notice":
      return { case: "notice", value: { kind: wireNotice[item.about], text: item.text } };
    case "freeze": {
      const { frozen, by } = item;
      return { case: "freeze", value: { by, ...(frozen === undefined ? {} : { frozen: frozenToWire(frozen) }) } };
    }
    case "ended":
      return { case: "ended", value: endedToWire(item) };
  }
}

export const wireReach: Readonly<Record<Reach, WireReach>> = {
  live: WireReach.LIVE,
  stale: WireReach.STALE,
  unreachable: WireReach.UNREACHABLE,
};

const wireConfidence: Readonly<Record<CommandConfidence, Confidence>> = {
  declared: Confidence.DECLARED,
  observed: Confidence.OBSERVED,
  typed: Confidence.TYPED,
};

export function commandToWire(sessionId: string, command: CommandSeen): TypedCommand {
  const { number, text, cwd, confidence, endedMs, exitCode } = command;
  return create(TypedCommandSchema, {
    ...{ sessionId, number, text, cwd },
    startedMs: BigInt(command.startedMs),
    ...(endedMs === undefined ? {} : { endedMs: BigInt(endedMs) }),
    ...(exitCode === undefined ? {} : { exitCode }),
    outputFrom: BigInt(command.outputFrom),
    outputTo: BigInt(command.outputTo),
    confidence: wireConfidence[confidence],
  });
}
