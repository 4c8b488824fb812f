/** What reading, keeping and removing recordings says to the audit log, and asks of it. Types only. */
import type { RecordingId, SessionId } from "../events.ts";

interface About {
  readonly recording: RecordingId;
  readonly session: SessionId;
  /** Who did it; nobody for what the server does by itself. */
  readonly who?: string;
}

export type ReadingNote = About &
  (
    | { readonly kind: "recording-viewed"; readonly fromMs: number }
    | { readonly kind: "recording-exported"; readonly format: string }
    | { readonly kind: "recording-verified"; readonly verdict: string }
    | { readonly kind: "recording-verify-failed"; readonly verdict: string; readonly detail: string }
    | { readonly kind: "recording-expired" | "recording-deleted"; readonly seal?: string; readonly reason: string }
  );

/** What the log knows of one recording. */
export interface AuditedRecording {
  readonly opened: boolean;
  readonly seal?: string;
  /** It was deleted, or expired. */
  readonly deleted: boolean;
}

export interface ReadingAudit {
  /** Written when it returns. Throws `recorder-lost` when it cannot be: then nothing is shown either. */
  note(event: ReadingNote): void;
  lookUp(recordings: ReadonlySet<string>): Promise<Map<string, AuditedRecording>>;
}
