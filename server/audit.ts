/** The audit log: who did what to what, one JSON line each, every line bound to the one before it. Written, never changed. */
import { createHash } from "node:crypto";
import { closeSync, constants, fdatasync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import { open } from "node:fs/promises";
import { promisify } from "node:util";
import { BartizanFault } from "./errors.ts";
import type { RecordingId, SessionId } from "./events.ts";
import type { Clock } from "./flow/clock.ts";

interface AboutRecording {
  readonly recording: RecordingId;
  readonly session?: SessionId;
  /** The name of the principal who did it, or whose session it is. */
  readonly who?: string;
}

/** Everything that is noted: a closed list. */
export type AuditEvent =
  | (AboutRecording & { readonly kind: "recording-opened"; readonly target: string; readonly mode: string })
  | (AboutRecording & {
      readonly kind: "recording-degraded" | "recording-failed" | "recording-recovered";
      readonly detail: string;
    })
  /** `seal`: the hash of the final seal. */
  | (AboutRecording & {
      readonly kind: "recording-sealed" | "recording-reconciled";
      readonly seal: string;
      readonly cause: string;
    })
  | (AboutRecording & { readonly kind: "recording-missing" })
  | (AboutRecording & { readonly kind: "recording-viewed"; readonly fromMs?: number })
  | (AboutRecording & { readonly kind: "recording-exported"; readonly format: string })
  | (AboutRecording & { readonly kind: "recording-verified"; readonly verdict: string })
  | (AboutRecording & { readonly kind: "recording-verify-failed"; readonly verdict: string; readonly detail: string })
  | (AboutRecording & {
      readonly kind: "recording-expired" | "recording-deleted";
      readonly seal?: string;
      readonly reason: string;
    })
  | { readonly kind: "reserve-hit"; readonly freeBytes: number };

/** What the log knows of one recording; the newest of each. */
export interface AuditedRecording {
  readonly opened: boolean;
  readonly seal?: string;
  /** It was deleted, or expired. */
  readonly deleted: boolean;
}

export interface Audit extends AsyncDisposable {
  /** Written when it returns, on the disk within a second. Throws `recorder-lost` when it cannot be written. */
  note(event: AuditEvent): void;
  /** Resolves when all that was noted is on the disk. */
  synced(): Promise<void>;
  /** What the log holds about these recordings; reads it once from its start, in bounded memory. */
  lookUp(recordings: ReadonlySet<string>): Promise<Map<string, AuditedRecording>>;
}

/** A line is never longer; texts in it are cut long before. */
const maxLineBytes = 16 * 1024;
const maxTextLength = 1000;
const readBytes = 64 * 1024;
const datasync = promisify(fdatasync);

/**
 * Opens or begins the log. A line that a crash left unfinished is cut off: nobody was told that it was written. Throws
 * `config` when the file cannot be used. One opener at a time: the caller holds the folder's lock.
 */
export function openAudit(path: string, clock: Clock): Audit {
  const { O_RDWR, O_APPEND, O_CREAT, O_NOFOLLOW } = constants;
  let fd: number;
  let end: { lengthBytes: number; lines: number; hash: string };
  try {
    fd = openSync(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600);
    end = endOf(fd);
    ftruncateSync(fd, end.lengthBytes);
  } catch (error) {
    const { code = "it is no audit log" } = error as NodeJS.ErrnoException;
    throw new BartizanFault("config", `Cannot use ${path} (${code}).`, "Look after the data folder.", error);
  }
  let torn = false;
  let syncing: Promise<void> | undefined;
  let dirty = false;
  const sync = async () => {
    while (dirty) {
      dirty = false;
      await datasync(fd);
    }
  };
  const syncSoon = () => {
    syncing ??= sync().finally(() => {
      syncing = undefined;
    });
    syncing.catch(() => {});
  };
  return {
    note(event) {
      const { kind, ...rest } = event;
      const line = JSON.stringify(
        { n: end.lines + 1, atMs: clock.wallMs(), prev: end.hash, kind, ...rest },
        (_key, value) => (typeof value === "string" ? value.slice(0, maxTextLength) : value),
      );
      const bytes = Buffer.from(`${line}\n`);
      try {
        if (torn) ftruncateSync(fd, end.lengthBytes);
        torn = true;
        for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
        torn = false;
      } catch (error) {
        throw new BartizanFault(
          "recorder-lost",
          "The audit log cannot be written.",
          "Look after the data folder.",
          error,
        );
      }
      end = { lengthBytes: end.lengthBytes + bytes.length, lines: end.lines + 1, hash: hashOf(bytes) };
      dirty = true;
      syncSoon();
    },
    async synced() {
      if (dirty) syncSoon();
      await syncing;
    },
    async lookUp(recordings) {
      const found = new Map<string, AuditedRecording>();
      const until = end.lengthBytes;
      for await (const line of linesOf(path, until)) note(found, recordings, line);
      return found;
    },
    async [Symbol.asyncDispose]() {
      await syncing?.catch(() => {});
      closeSync(fd);
    },
  };
}

/** What the log at `path` holds about every recording; nothing when there is no log. For readers beside the server. */
export async function readAudit(path: string): Promise<Map<string, AuditedRecording>> {
  const found = new Map<string, AuditedRecording>();
  try {
    for await (const line of linesOf(path, Number.POSITIVE_INFINITY)) note(found, undefined, line);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  return found;
}

/** `wanted` undefined: all. */
function note(found: Map<string, AuditedRecording>, wanted: ReadonlySet<string> | undefined, line: string): void {
  // Cheaper than to parse every line: an id stands in a line as it is.
  const id = /"recording":"([0-9a-f]{32})"/.exec(line)?.[1];
  if (id === undefined || wanted?.has(id) === false) return;
  const event = JSON.parse(line) as AuditEvent;
  const before = found.get(id) ?? { opened: false, deleted: false };
  if (event.kind === "recording-opened") found.set(id, { ...before, opened: true });
  else if (event.kind === "recording-sealed" || event.kind === "recording-reconciled")
    found.set(id, { ...before, seal: event.seal });
  else if (event.kind === "recording-expired" || event.kind === "recording-deleted")
    found.set(id, { ...before, deleted: true });
}

/** Whole lines from the first `until` bytes; one that is too long is left out. */
async function* linesOf(path: string, until: number): AsyncIterable<string> {
  await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  let rest = "";
  for await (const piece of file.createReadStream({
    end: Math.max(0, until - 1),
    encoding: "utf8",
    autoClose: false,
  })) {
    const lines = `${rest}${piece}`.split("\n");
    rest = (lines.pop() ?? "").slice(-maxLineBytes);
    yield* lines;
  }
}

function hashOf(line: Uint8Array): string {
  return createHash("sha256").update(line).digest("hex");
}

/** Where the last whole line ends, how many there are, and the hash of the last. */
function endOf(fd: number): { lengthBytes: number; lines: number; hash: string } {
  const size = fstatSync(fd).size;
  const first = Math.max(0, size - 2 * maxLineBytes);
  const tail = Buffer.alloc(size - first);
  for (let at = 0; at < tail.length; ) {
    const got = readSync(fd, tail, at, Math.min(readBytes, tail.length - at), first + at);
    if (got === 0) break;
    at += got;
  }
  const end = tail.lastIndexOf(0x0a) + 1;
  if (end === 0) return { lengthBytes: 0, lines: 0, hash: "0".repeat(64) };
  const line = tail.subarray(tail.lastIndexOf(0x0a, end - 2) + 1, end);
  const { n } = JSON.parse(line.toString("utf8")) as { n: number };
  return { lengthBytes: first + end, lines: n, hash: hashOf(line) };
}
