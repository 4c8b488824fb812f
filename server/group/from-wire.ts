/** What other nodes say, as domain values. Told apart from nonsense only by its seal: who can seal is one of us. */
import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import { Confidence, type TypedCommand } from "../../proto/gen/bartizan/v1/command_pb.ts";
import {
  type Attachment as AttachmentMessage,
  type Ended,
  type Frozen as FrozenMessage,
  NoticeKind,
  type Notice as NoticeMessage,
  type SessionInfo as SessionInfoMessage,
  ClosedReason as WireClosedReason,
  Role as WireRole,
  SessionState as WireSessionState,
} from "../../proto/gen/bartizan/v1/session_pb.ts";
import type {
  Attached,
  AttachmentId,
  ClosedReason,
  CommandSeen,
  EndCause,
  Frozen,
  Notice,
  RecordingId,
  SessionId,
  SessionInfo,
  SessionState,
  TermSize,
} from "../events.ts";

const states: Readonly<Record<number, SessionState>> = {
  [WireSessionState.ATTACHED]: "attached",
  [WireSessionState.DETACHED]: "detached",
  [WireSessionState.ENDED]: "ended",
};

const closed: Readonly<Record<number, ClosedReason>> = {
  [WireClosedReason.OPERATOR]: "operator",
  [WireClosedReason.GRACE_EXPIRED]: "grace-expired",
  [WireClosedReason.DRAINING]: "draining",
  [WireClosedReason.TAKEN_OVER]: "taken-over",
  [WireClosedReason.UNRECORDED]: "unrecorded",
  [WireClosedReason.ACCESS_ENDED]: "access-ended",
  [WireClosedReason.IDLE]: "idle",
  [WireClosedReason.TOO_LONG]: "too-long",
};

const notices: Readonly<Record<number, Notice["about"]>> = {
  [NoticeKind.CONNECTING]: "connecting",
  [NoticeKind.BANNER]: "banner",
  [NoticeKind.DRAINING]: "draining",
  [NoticeKind.RECORDING]: "recording",
  [NoticeKind.MONITORED]: "monitored",
  [NoticeKind.LIMIT]: "limit",
};

const ms = (time: Timestamp | undefined) => (time === undefined ? 0 : timestampMs(time));

export function sizeOf(size: { readonly cols: number; readonly rows: number } | undefined): TermSize {
  const side = (cells: number | undefined) => Math.min(1000, Math.max(1, cells ?? 1));
  return { cols: side(size?.cols), rows: side(size?.rows) };
}

export function infoOf(message: SessionInfoMessage): SessionInfo {
  return {
    id: message.id as SessionId,
    epoch: message.epoch,
    target: message.target,
    targetUser: message.targetUser,
    labels: { ...message.labels },
    operator: { name: message.operator?.name ?? "" },
    node: message.node,
    openedAtMs: ms(message.openedAt),
    activeAtMs: ms(message.activeAt),
    size: sizeOf(message.size),
    state: states[message.state] ?? "detached",
    attachments: message.attachments.map(attachedOf),
    outputBytes: Number(message.outputBytes),
    recorded: message.recorded,
    ...(message.recordingId === "" ? {} : { recordingId: message.recordingId as RecordingId }),
    ...(message.frozen === undefined ? {} : { frozen: frozenOf(message.frozen) }),
    ...(message.ended === undefined ? {} : { ended: endedOf(message.ended) }),
  };
}

export function frozenOf({ by, reason, since }: FrozenMessage): Frozen {
  return { by: { name: by?.name ?? "" }, reason, sinceMs: ms(since) };
}

export function attachedOf(message: AttachmentMessage): Attached {
  return {
    id: message.id as AttachmentId,
    who: { name: message.principal?.name ?? "" },
    role: message.role === WireRole.OPERATOR ? "operator" : "watcher",
    sinceMs: ms(message.since),
    ...(message.hidden ? { hidden: true } : {}),
  };
}

export function endedOf(message: Ended): { offset: number; atMs: number; cause: EndCause } {
  return { offset: Number(message.offset), atMs: Number(message.atMs), cause: causeOf(message.cause) };
}

function causeOf(cause: Ended["cause"]): EndCause {
  switch (cause.case) {
    case "exited":
      return { kind: "exited", code: cause.value.code };
    case "signalled":
      return { kind: "signalled", name: cause.value.name };
    case "lost":
      return { kind: "lost", reason: cause.value.reason };
    case "kicked":
      return { kind: "kicked", by: { name: cause.value.by?.name ?? "" }, reason: cause.value.reason };
    case "closed": {
      const { reason, detail } = cause.value;
      return { kind: "closed", why: closed[reason] ?? "fault", ...(detail === "" ? {} : { detail }) };
    }
    default:
      return { kind: "lost", reason: "how it ended is not known" };
  }
}

export function noticeOf(message: NoticeMessage): Notice {
  return { kind: "notice", about: notices[message.kind] ?? "info", text: message.text };
}

export function commandOf(message: TypedCommand): CommandSeen {
  const { number, text, cwd, endedMs, exitCode } = message;
  return {
    ...{ number, text, cwd },
    startedMs: Number(message.startedMs),
    ...(endedMs === undefined ? {} : { endedMs: Number(endedMs) }),
    ...(exitCode === undefined ? {} : { exitCode }),
    outputFrom: Number(message.outputFrom),
    outputTo: Number(message.outputTo),
    confidence:
      message.confidence === Confidence.DECLARED
        ? "declared"
        : message.confidence === Confidence.OBSERVED
          ? "observed"
          : "typed",
  };
}
