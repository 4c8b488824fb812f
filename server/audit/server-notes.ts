/** What the server itself has to say to the audit log: how a session ended, and with which config it runs. */
import type { AuditEvent } from "../audit.ts";
import type { EndCause, SessionInfo } from "../events.ts";
import { hashOf } from "./audit-lines.ts";

export function sessionEnded({ id, target, operator, recordingId, ended, outputBytes }: SessionInfo): AuditEvent {
  return {
    ...{ event: "session-ended", who: operator.name, session: id, target, recording: recordingId, outputBytes },
    cause: ended === undefined ? "unknown" : causeWords(ended.cause),
  };
}

/** Tells one config from another, and nothing of what is in it. */
export function configDigest(config: object): string {
  return hashOf(JSON.stringify(config)).slice(0, 16);
}

function causeWords(cause: EndCause): string {
  switch (cause.kind) {
    case "exited":
      return `exited ${cause.code}`;
    case "signalled":
      return `signalled ${cause.name}`;
    case "lost":
      return `lost: ${cause.reason}`;
    case "kicked":
      return `kicked by ${cause.by.name}: ${cause.reason}`;
    case "closed":
      return cause.detail === undefined ? `closed ${cause.why}` : `closed ${cause.why}: ${cause.detail}`;
  }
}
