/** What an audit log holds about recordings: which began, how they were sealed, which were deleted. */
import { openLog, parseLine, readLines } from "./audit-lines.ts";

/** What the log knows of one recording; the newest of each. */
export interface AuditedRecording {
  readonly opened: boolean;
  readonly seal?: string;
  /** It was deleted, or expired. */
  readonly deleted: boolean;
}

/**
 * What the log at `path` holds about every recording; nothing when there is no log. Reads it once from its start, in
 * bounded memory. For readers beside the server.
 */
export async function readAudited(path: string): Promise<Map<string, AuditedRecording>> {
  const found = new Map<string, AuditedRecording>();
  try {
    await using file = await openLog(path);
    for await (const { text } of readLines(file)) take(found, text);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  return found;
}

function take(found: Map<string, AuditedRecording>, text: string): void {
  // Cheaper than to parse every line: an id stands in a line as it is.
  const id = /"recording":"([0-9a-f]{32})"/.exec(text)?.[1];
  if (id === undefined) return;
  const line = parseLine(text);
  const before = found.get(id) ?? { opened: false, deleted: false };
  if (line === undefined || line.recording !== id) return;
  if (line.event === "recording-opened") found.set(id, { ...before, opened: true });
  else if (line.event === "recording-sealed" || line.event === "recording-reconciled")
    found.set(id, { ...before, seal: String(line.seal) });
  else if (line.event === "recording-expired" || line.event === "recording-deleted")
    found.set(id, { ...before, deleted: true });
}
