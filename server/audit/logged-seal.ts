/** The last seal that the audit log has of a recording, found by its index and read from the log itself. */
import { parseLine } from "./audit-lines.ts";
import type { AuditIndex } from "./audit-query.ts";

/** undefined: the log does not know that it was sealed. Rejects as the search does. */
export async function loggedSeal(
  index: AuditIndex,
  recording: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const events = ["recording-sealed", "recording-reconciled"];
  const { lines } = await index.search({ filter: { recording, events }, limit: 1 }, signal);
  const line = parseLine(lines[0] ?? "");
  // What the index points at was changed since: then it tells nothing of this recording.
  if (line === undefined || line.recording !== recording) return undefined;
  return typeof line.seal === "string" ? line.seal : undefined;
}
