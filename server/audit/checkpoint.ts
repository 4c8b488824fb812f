/** Checkpoints: what is signed every few lines, so that nobody without the key can write the log anew; kept beside it, too. */
import { type KeyObject, verify } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { type AuditLine, hashOf, parseLine } from "./audit-lines.ts";

/** A checkpoint comes after so many lines, or so long after the first that none covers; and right behind each start. */
export const checkpointLines = 100;
export const checkpointMs = 30_000;
/** A log never has more lines in a row without one: what starts, lost events and jumps of the clock add is in it. */
export const mostUnsigned = checkpointLines + 28;
/** What may stand between a start and its checkpoint. */
export const besidesStart: ReadonlySet<string> = new Set(["log-opened", "events-lost", "clock-jumped"]);

/** What the checkpoints are signed with: the key of the recordings. */
export interface Signer {
  readonly id: string;
  sign(text: string): string;
}

/** A checkpoint as it is kept elsewhere: its line, and what follows from it. */
export interface KeptCheckpoint {
  readonly line: AuditLine;
  /** Its own hash: what the line behind it is bound to. */
  readonly hash: string;
}

/** What the signature of the checkpoint in this line is over: its place, and by `prev` every line before it. */
export function checkpointText(line: Readonly<Record<string, unknown>>): string {
  const { node, n, prev, atMs, last = false } = line;
  return ["bartizan audit checkpoint", node, n, prev, atMs, last].join("\n");
}

/** "unknown": signed by a key that is not among these. */
export function judgeCheckpoint(
  line: AuditLine,
  keyOf: (id: string) => KeyObject | undefined,
): "good" | "bad" | "unknown" {
  const { key, sig } = line;
  if (typeof key !== "string" || typeof sig !== "string") return "bad";
  const known = keyOf(key);
  if (known === undefined) return "unknown";
  return verify(null, Buffer.from(checkpointText(line)), known, Buffer.from(sig, "base64")) ? "good" : "bad";
}

/** The file beside the log that holds its newest checkpoint. */
export function checkpointPath(logPath: string): string {
  return logPath.replace(/(\.jsonl)?$/, "-checkpoint.json");
}

/** `line`: as it stands in the log, with its line feed. */
export function keepCheckpoint(path: string, line: Uint8Array): void {
  const fresh = `${path}.new`;
  writeFileSync(fresh, line, { mode: 0o600 });
  renameSync(fresh, path);
}

/** The checkpoint in the file, undefined when there is none. Throws what reading throws, and Error for what is none. */
export function readKeptCheckpoint(path: string): KeptCheckpoint | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const line = parseLine(text.trim());
  if (line?.event !== "checkpoint") throw new Error(`${path} holds no checkpoint`);
  return { line, hash: hashOf(`${text.trim()}\n`) };
}
