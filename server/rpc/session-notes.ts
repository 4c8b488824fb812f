/** What the audit log is told of sessions by the calls about them: asked, refused, begun, seen, left, kicked. */
import type { Actor, Audit } from "../audit.ts";
import { type FaultWord, faultFrom } from "../errors.ts";
import type { AttachmentId, SessionInfo } from "../events.ts";
import type { KickResult } from "../session/live-session.ts";
import type { Agreed } from "../target/target.ts";

type AboutSession = Pick<SessionInfo, "id" | "target" | "recordingId">;

/** Of one call. What is written may throw `recorder-lost`, and then must not happen; what is noted never does. */
export interface SessionNotes {
  /** Written: nothing is dialled that could not be accounted for. */
  requested(target: string): void;
  refused(target: string, error: unknown): void;
  /** `agreed`: with its target; undefined where there was nothing to agree on. */
  started(info: AboutSession, agreed: Agreed | undefined): void;
  /** An operator has the session; `resumed`: again. */
  attached(info: AboutSession, attachment: AttachmentId, resumed: boolean): void;
  detached(info: AboutSession, attachment: AttachmentId): void;
  /** He was asked whether this is the host's key, and answered. */
  hostKey(target: string, fingerprint: string, accepted: boolean): void;
  /** Written: nobody is watched unnoted. */
  watchStarted(info: AboutSession, attachment: AttachmentId): void;
  watchStopped(info: AboutSession, attachment: AttachmentId): void;
  /** A kick is never held up by the log. */
  kickRequested(info: AboutSession, reason: string, attachment: string): void;
  kickAnswered(info: AboutSession, outcome: KickResult["outcome"]): void;
  kickRefused(info: AboutSession): void;
}

/** Refusals that are events of their own, too. */
const ownEvents: Readonly<Partial<Record<FaultWord, "host-key-changed" | "host-key-refused" | "address-refused">>> = {
  "host-key-changed": "host-key-changed",
  "host-key-revoked": "host-key-refused",
  "host-key-unproven": "host-key-refused",
  "target-address": "address-refused",
};

export function createSessionNotes(audit: Audit, actor: Actor): SessionNotes {
  const about = ({ id, target, recordingId: recording }: AboutSession) => ({ actor, session: id, target, recording });
  return {
    requested(target) {
      audit.assertWritable();
      audit.write({ event: "session-requested", actor, target });
    },
    refused(target, error) {
      const { word, message } = faultFrom(error);
      const event = ownEvents[word];
      if (event !== undefined) audit.note({ event, actor, target, cause: message });
      audit.note({ event: "session-refused", actor, target, cause: word });
    },
    started: (info, agreed) => audit.note({ event: "session-started", ...about(info), ...agreed }),
    attached: (info, attachment, resumed) =>
      audit.note({ event: resumed ? "session-resumed" : "session-attached", ...about(info), attachment }),
    detached: (info, attachment) => audit.note({ event: "session-detached", ...about(info), attachment }),
    hostKey: (target, fingerprint, accepted) =>
      audit.note(
        accepted
          ? { event: "host-key-new", actor, target, fingerprint }
          : { event: "host-key-refused", actor, target, cause: `not accepted: ${fingerprint}` },
      ),
    watchStarted: (info, attachment) => audit.write({ event: "watch-started", ...about(info), attachment }),
    watchStopped: (info, attachment) => audit.note({ event: "watch-stopped", ...about(info), attachment }),
    kickRequested: (info, reason, attachment) =>
      audit.note({
        ...{ event: "kick-requested", ...about(info), reason },
        ...(attachment === "" ? {} : { attachment }),
      }),
    kickAnswered(info, outcome) {
      if (outcome === "unreachable") audit.note({ event: "kick-unconfirmed", ...about(info), cause: outcome });
      else audit.note({ event: "kick-confirmed", ...about(info), cause: outcome });
    },
    kickRefused: (info) =>
      audit.note({
        event: "call-refused",
        ...about(info),
        method: "bartizan.v1.SessionService/Kick",
        cause: "forbidden",
      }),
  };
}
