/** What a viewing yields, as plain values: the wire's messages without their wrapping. */

import type { TypedCommand } from "../gen/bartizan/v1/command_pb.ts";
import type { ReplayResponse } from "../gen/bartizan/v1/recording_pb.ts";
import type { KeyFrame, Prompt, SessionInfo, ShellResponse, WatchResponse } from "../gen/bartizan/v1/session_pb.ts";
import {
  ClosedReason,
  type Ended,
  type Frozen,
  NoticeKind,
  Role,
  type TermSize,
} from "../gen/bartizan/v1/session_pb.ts";
import type { CallFault } from "./faults.ts";

export interface Size {
  readonly cols: number;
  readonly rows: number;
}

/** Output bytes before a point, and of which incarnation of the session. */
export interface ViewPosition {
  readonly epoch: string;
  readonly offset: number;
}

export type EndCause =
  | { readonly kind: "exited"; readonly code: number }
  | { readonly kind: "signalled"; readonly name: string }
  | { readonly kind: "lost"; readonly reason: string }
  | { readonly kind: "kicked"; readonly by: string; readonly reason: string }
  | {
      readonly kind: "closed";
      readonly why:
        | "operator"
        | "grace-expired"
        | "draining"
        | "taken-over"
        | "fault"
        | "unrecorded"
        | "access-ended"
        | "idle"
        | "too-long"
        | "unknown";
      /** One more line for people. */
      readonly detail?: string;
    };

/** Who stopped a session's input, and why. */
export interface Stopped {
  readonly by: string;
  readonly reason: string;
}

/** Where a viewing begins, or goes on after the connection was lost. */
export interface Beginning {
  readonly session: SessionInfo;
  readonly attachmentId: string;
  readonly position: ViewPosition;
  /** The shell is kept this long after its operator's connection is lost; 0 for a watcher. */
  readonly graceMs: number;
  /** True: the next output goes on exactly after the last. False: a key frame replaces the screen. */
  readonly resumed: boolean;
}

/** In the order of the session; `offset` counts output bytes, `atMs` from the session's opening. */
export type ViewEvent =
  | { readonly kind: "output"; readonly offset: number; readonly bytes: Uint8Array; readonly atMs: number }
  | {
      /** The whole screen: replaces whatever is shown. The bytes begin with a full reset. */
      readonly kind: "key-frame";
      readonly offset: number;
      readonly size: Size;
      readonly bytes: Uint8Array;
      readonly skippedBytes: number;
      readonly approximate: boolean;
      readonly atMs: number;
    }
  | { readonly kind: "resized"; readonly offset: number; readonly size: Size; readonly atMs: number }
  | {
      readonly kind: "joined" | "left";
      readonly offset: number;
      readonly attachmentId: string;
      readonly name: string;
      readonly role: "operator" | "watcher";
      readonly atMs: number;
    }
  | {
      readonly kind: "notice";
      readonly about: "connecting" | "banner" | "draining" | "info" | "recording" | "monitored" | "limit";
      /** May be the target's own words: untrusted. */
      readonly text: string;
    }
  /** The session's input was stopped, or, without `frozen`, given back. `session.frozen` says how it was at the start. */
  | { readonly kind: "freeze"; readonly frozen: Stopped | undefined; readonly by: string }
  | { readonly kind: "prompt"; readonly prompt: Prompt }
  /** To watchers: a command was entered, or more is known of one: the same number replaces it. */
  | { readonly kind: "command"; readonly command: TypedCommand }
  | {
      /** A measured round trip; only with `latencyEveryMs`. */
      readonly kind: "latency";
      /** Between this program and the bastion. */
      readonly bastionMs: number;
      /** Between the bastion and the target; undefined while it is not known. */
      readonly targetMs: number | undefined;
    }
  | { readonly kind: "ended"; readonly offset: number; readonly cause: EndCause; readonly atMs: number };

export type AttachmentEvent =
  | ViewEvent
  /** Exactly once, before any output. */
  | ({ readonly kind: "started" } & Beginning)
  /** The connection is gone; another attempt begins after `waitMs`. */
  | { readonly kind: "reconnecting"; readonly attempt: number; readonly waitMs: number; readonly fault: CallFault }
  /** It is back. `discardedBytes` of input were typed meanwhile, or not yet sent, and were thrown away. */
  | ({ readonly kind: "reconnected"; readonly discardedBytes: number } & Beginning);

/** One message of a Shell call; `undefined` for one that this version does not know. */
export function fromShell(message: ShellResponse): ViewEvent | { readonly begin: Beginning } | undefined {
  const event = message.event;
  if (event.case === "inputTaken" || event.case === "pong") return undefined;
  if (event.case !== "started") return event.case === "prompt" ? { kind: "prompt", prompt: event.value } : view(event);
  const { session, position, attachmentId, graceSeconds, resumed } = event.value;
  if (session === undefined) return undefined;
  const at = { epoch: position?.epoch ?? session.epoch, offset: Number(position?.offset ?? 0n) };
  return { begin: { session, attachmentId, position: at, graceMs: graceSeconds * 1000, resumed } };
}

/** One message of a Watch call; the state's own key frame comes apart, as `frame`. */
export function fromWatch(
  message: WatchResponse,
): ViewEvent | { readonly begin: Beginning; readonly frame?: ViewEvent } | undefined {
  const event = message.event;
  if (event.case !== "state") return view(event);
  const { session, position, attachmentId, keyFrame } = event.value;
  if (session === undefined) return undefined;
  const at = { epoch: position?.epoch ?? session.epoch, offset: Number(position?.offset ?? keyFrame?.offset ?? 0n) };
  const begin = { session, attachmentId, position: at, graceMs: 0, resumed: keyFrame === undefined };
  return keyFrame === undefined ? { begin } : { begin, frame: frame(keyFrame) };
}

type Past = Exclude<ViewEvent, { kind: "prompt" | "latency" | "notice" | "command" | "freeze" }>;

/** One message of a Replay call; the state is its key frame. */
export function fromReplay({
  event,
}: ReplayResponse): Past | { readonly kind: "live-edge"; readonly offset: number; readonly atMs: number } | undefined {
  if (event.case === "state")
    return event.value.keyFrame === undefined ? undefined : (frame(event.value.keyFrame) as Past);
  if (event.case === "liveEdge")
    return { kind: "live-edge", offset: Number(event.value.offset), atMs: Number(event.value.atMs) };
  return view(event) as Past | undefined;
}

type Common = Exclude<ShellResponse["event"], { case: "started" | "prompt" | "inputTaken" | "pong" }>;

function view(event: Common | Exclude<WatchResponse["event"], { case: "state" }>): ViewEvent | undefined {
  switch (event.case) {
    case "output": {
      const { offset, data, atMs } = event.value;
      return { kind: "output", offset: Number(offset), bytes: data, atMs: Number(atMs) };
    }
    case "keyFrame":
      return frame(event.value);
    case "resized": {
      const { offset, size, atMs } = event.value;
      return { kind: "resized", offset: Number(offset), size: sizeOf(size), atMs: Number(atMs) };
    }
    case "joined":
    case "left": {
      const { offset, attachment, atMs } = event.value;
      return {
        kind: event.case,
        offset: Number(offset),
        attachmentId: attachment?.id ?? "",
        name: attachment?.principal?.name ?? "",
        role: attachment?.role === Role.OPERATOR ? "operator" : "watcher",
        atMs: Number(atMs),
      };
    }
    case "notice":
      return { kind: "notice", about: noticeKinds[event.value.kind] ?? "info", text: event.value.text };
    case "ended": {
      const { offset, atMs } = event.value;
      return { kind: "ended", offset: Number(offset), cause: endCause(event.value), atMs: Number(atMs) };
    }
    case "command":
      return { kind: "command", command: event.value };
    case "freeze": {
      const { frozen, by } = event.value;
      return { kind: "freeze", frozen: stopped(frozen), by: by?.name ?? "" };
    }
    case undefined:
      return undefined;
  }
}

/** As `SessionInfo.frozen` has it. */
export function stopped(frozen: Frozen | undefined): Stopped | undefined {
  return frozen && { by: frozen.by?.name ?? "", reason: frozen.reason };
}

function frame(wire: KeyFrame): ViewEvent {
  return {
    kind: "key-frame",
    offset: Number(wire.offset),
    size: sizeOf(wire.size),
    bytes: wire.data,
    skippedBytes: Number(wire.skippedBytes),
    approximate: wire.approximate,
    atMs: Number(wire.atMs),
  };
}

function sizeOf(size: TermSize | undefined): Size {
  return { cols: size?.cols ?? 80, rows: size?.rows ?? 24 };
}

const noticeKinds: Record<number, "connecting" | "banner" | "draining" | "recording" | "monitored" | "limit"> = {
  [NoticeKind.CONNECTING]: "connecting",
  [NoticeKind.BANNER]: "banner",
  [NoticeKind.DRAINING]: "draining",
  [NoticeKind.RECORDING]: "recording",
  [NoticeKind.MONITORED]: "monitored",
  [NoticeKind.LIMIT]: "limit",
};

const closedReasons: Record<number, Extract<EndCause, { kind: "closed" }>["why"]> = {
  [ClosedReason.OPERATOR]: "operator",
  [ClosedReason.GRACE_EXPIRED]: "grace-expired",
  [ClosedReason.ACCESS_ENDED]: "access-ended",
  [ClosedReason.IDLE]: "idle",
  [ClosedReason.TOO_LONG]: "too-long",
  [ClosedReason.DRAINING]: "draining",
  [ClosedReason.TAKEN_OVER]: "taken-over",
  [ClosedReason.FAULT]: "fault",
  [ClosedReason.UNRECORDED]: "unrecorded",
};

/** How a session ended; a cause that this version does not know reads as closed for an unknown reason. */
export function endCause(ended: Ended): EndCause {
  const cause = ended.cause;
  switch (cause.case) {
    case "exited":
      return { kind: "exited", code: cause.value.code };
    case "signalled":
      return { kind: "signalled", name: cause.value.name };
    case "lost":
      return { kind: "lost", reason: cause.value.reason };
    case "kicked":
      return { kind: "kicked", by: cause.value.by?.name ?? "", reason: cause.value.reason };
    case "closed": {
      const why = closedReasons[cause.value.reason] ?? "unknown";
      return { kind: "closed", why, ...(cause.value.detail === "" ? {} : { detail: cause.value.detail }) };
    }
    case undefined:
      return { kind: "closed", why: "unknown" };
  }
}
