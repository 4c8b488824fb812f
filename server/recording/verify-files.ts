/** Verifies files without a server: given ones, or everything that the data folder has or should have. */
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { type AuditedRecording, readAudited } from "../audit/audited-recordings.ts";
import { BartizanFault } from "../errors.ts";
import { type Clock, systemClock } from "../flow/clock.ts";
import { printable } from "../flow/printable.ts";
import { DamagedRecording } from "./damaged-recording.ts";
import { keyRing } from "./public-key.ts";
import { openRecordingFile } from "./recording-file.ts";
import { recordingIdOf } from "./recording-id.ts";
import { UnknownFormatError, type VerdictWord, type Verification, verifyRecording } from "./verify.ts";

export interface VerifyFilesOptions {
  /** Paths; or everything in `folder`, and what the audit log says was there. */
  readonly what: readonly string[] | "all";
  /** A public key in PEM; by default the one in `data`. */
  readonly keyFile?: string | undefined;
  /** Has key and audit log. */
  readonly data: string;
  readonly folder: string;
  /** One result each, when it is known. */
  readonly tell: (
    path: string,
    result: Pick<Verification, "verdict" | "detail"> | { readonly failure: string },
  ) => void;
  /** From a second on, some times a second. */
  readonly onProgress?: (path: string, bytes: number) => void;
  readonly signal: AbortSignal;
  readonly clock?: Clock;
}

/** docs/recording.md, "Verifying". */
export const verdictExitCode: Readonly<Record<VerdictWord, number>> = {
  ...{ complete: 0, incomplete: 3, gap: 4, altered: 5, unsigned: 6, missing: 7 },
};
const failedExitCode = 1;
/** Exit codes from the least to the gravest. */
const gravity = [0, 3, 4, 1, 6, 7, 5];
const progressMs = 200;

/** The gravest of the exit codes. Throws `config` for a key that cannot be read, and the signal's reason. */
export async function verifyFiles(options: VerifyFilesOptions): Promise<number> {
  const { what, data, folder, tell, signal } = options;
  const keyOf = readKeys(options.keyFile, join(data, "recording-key.pub"));
  const audited = await readAudited(join(data, "audit.jsonl"));
  const sealOf = (recording: string) => audited.get(recording)?.seal;
  const onProgress = paced(options);
  let worst = 0;
  for (const path of what === "all" ? everything(folder, audited) : what) {
    signal.throwIfAborted();
    let code = failedExitCode;
    try {
      await using file = await openRecordingFile(path);
      const result = await verifyRecording(file, {
        keyOf,
        sealOf,
        signal,
        onProgress: (bytes) => onProgress(path, bytes),
      });
      code = verdictExitCode[result.verdict];
      tell(path, result);
    } catch (error) {
      signal.throwIfAborted();
      const known = knownFailure(error, path, audited);
      if ("verdict" in known) code = verdictExitCode[known.verdict];
      tell(path, known);
    }
    if (gravity.indexOf(code) > gravity.indexOf(worst)) worst = code;
  }
  return worst;
}

function knownFailure(error: unknown, path: string, audited: ReadonlyMap<string, AuditedRecording>) {
  const { code = "", message } = error as NodeJS.ErrnoException;
  if (error instanceof DamagedRecording) return { verdict: "altered" as const, detail: error.what };
  if (error instanceof UnknownFormatError) return { failure: message };
  if (code !== "ENOENT") return { failure: `it cannot be read (${code || printable(message)})` };
  const { opened = false, deleted = false } = audited.get(recordingIdOf(basename(path)) ?? "") ?? {};
  if (deleted) return { failure: "it was deleted, and the audit log says by whom" };
  if (!opened) return { failure: "there is no such file" };
  return { verdict: "missing" as const, detail: "the audit log knows it, and the file is gone" };
}

/** The key of `keyFile`, else the one at `own`, where none is no fault. Throws `config` for what is no public key. */
export function readKeys(keyFile: string | undefined, own: string) {
  try {
    return keyRing([readFileSync(keyFile ?? own, "utf8")]);
  } catch (error) {
    if (keyFile === undefined && (error as NodeJS.ErrnoException).code === "ENOENT") return keyRing([]);
    const path = keyFile ?? own;
    throw new BartizanFault(
      "config",
      `${path} is no public key that can be read.`,
      "It has to be Ed25519 in PEM.",
      error,
    );
  }
}

/** What is there, and what should be: each path once, in order. */
function everything(folder: string, audited: ReadonlyMap<string, AuditedRecording>): string[] {
  const there = new Map<string, string>();
  for (const name of namesIn(folder)) {
    const id = recordingIdOf(name);
    // The plain one counts where both are: packing was cut short.
    if (id !== undefined && !(there.has(id) && name.endsWith(".zst"))) there.set(id, name);
  }
  for (const [id, { opened, deleted }] of audited)
    if (opened && !deleted && !there.has(id)) there.set(id, `${id}.cast`);
  return [...there.values()].sort().map((name) => join(folder, name));
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    const { code = "unknown error" } = error as NodeJS.ErrnoException;
    throw new BartizanFault("config", `Cannot read ${folder} (${code}).`, "Run this as the server's user.", error);
  }
}

function paced({ onProgress, clock = systemClock }: VerifyFilesOptions): (path: string, bytes: number) => void {
  let nextMs = clock.monotonicMs() + 1000;
  return (path, bytes) => {
    const nowMs = clock.monotonicMs();
    if (nowMs < nextMs) return;
    nextMs = nowMs + progressMs;
    onProgress?.(path, bytes);
  };
}
