/** How the CLI says things about sessions: ends, states, ages, amounts. */

import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import { nodeOf } from "../proto/client/elsewhere.ts";
import type { AttachmentEvent, EndCause } from "../proto/client/events.ts";
import type { CallFault } from "../proto/client/faults.ts";
import { printable } from "../proto/client/printable.ts";
import { SessionState } from "../proto/gen/bartizan/v1/session_pb.ts";

export function endWords(cause: EndCause): string {
  switch (cause.kind) {
    case "exited":
      return `exited with ${cause.code}`;
    case "signalled":
      return `killed by SIG${printable(cause.name, 20)}`;
    case "lost":
      return `connection to the target lost: ${printable(cause.reason)}`;
    case "kicked":
      return `disconnected by ${printable(cause.by)}: ${printable(cause.reason)}`;
    case "closed":
      return cause.detail === undefined
        ? closedWords[cause.why]
        : `${closedWords[cause.why]}: ${printable(cause.detail)}`;
  }
}

const closedWords: Record<Extract<EndCause, { kind: "closed" }>["why"], string> = {
  operator: "closed by its operator",
  "access-ended": "closed: its operator's access was ended",
  idle: "closed: nobody typed for too long",
  "too-long": "closed: it had lasted as long as a session may",
  "grace-expired": "closed: its operator did not come back in time",
  draining: "closed: the server was stopped",
  "taken-over": "taken up in another window; the session lives on there",
  fault: "closed by a failure of the bastion; its log has the reason",
  unrecorded: "closed: it could not be recorded any longer",
  unknown: "closed, for a reason that this version does not know",
};

/** A session's input was stopped, or given back. */
export function freezeWords({ frozen, by }: Extract<AttachmentEvent, { kind: "freeze" }>): string {
  return frozen === undefined
    ? `${printable(by, 100)} gave the keyboard back`
    : `${printable(frozen.by, 100)} stopped the input: ${printable(frozen.reason, 500)}; what you type goes nowhere`;
}

/** Why the shell is away, and where it is, as far as that is known. */
export function awayWords(fault: CallFault | undefined, sessionId: string): string {
  const node = nodeOf(sessionId);
  if (fault?.word === "not-here" && node !== undefined) {
    const here = fault.answeredBy === "" ? "another node" : printable(fault.answeredBy, 60);
    return `your shell is on ${node}, and the connection came to ${here}`;
  }
  if (fault?.word === "holder-unreachable")
    return `${printable(fault.message).replace(/\.$/, "")}; the shell may go on`;
  return "the connection is lost";
}

export function stateWord(state: SessionState): string {
  switch (state) {
    case SessionState.ATTACHED:
      return "attached";
    case SessionState.DETACHED:
      return "detached";
    case SessionState.ENDED:
      return "ended";
    default:
      return "?";
  }
}

/** "12s", "5m", "3h", "2d" before `nowMs`; "-" when unknown. */
export function ageWords(at: Timestamp | undefined, nowMs: number): string {
  if (at === undefined) return "-";
  const seconds = Math.max(0, Math.round((nowMs - timestampMs(at)) / 1000));
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  return seconds < 86_400 ? `${Math.floor(seconds / 3600)}h` : `${Math.floor(seconds / 86_400)}d`;
}

export function amountWords(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 999_500) return `${(bytes / 1000).toFixed(1)} kB`;
  return bytes < 999_500_000 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}

/** "0:07", "12:30", "1:02:03". */
export function timeWords(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const two = (value: number) => String(value).padStart(2, "0");
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** A line of `cols` columns at most: the middle is shortened, and its ends, the keys among them, stay. */
export function fitBetween(before: string, middle: string, after: string, cols: number): string {
  const room = cols - before.length - after.length;
  if (middle.length <= room) return before + middle + after;
  return room < 4 ? after.trim().replace(/^\| /, "") : `${before}${middle.slice(0, room - 1).trimEnd()}…${after}`;
}
