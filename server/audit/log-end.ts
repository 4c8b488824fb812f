/** How the log that is there ends, and whether the key's owner wrote it: asked once, before anything is signed behind it. */
import type { Log } from "../log.ts";
import { hashOf, parseLine } from "./audit-lines.ts";
import type { ChainFile } from "./chain-file.ts";
import {
  checkpointPath,
  checkpointText,
  type KeptCheckpoint,
  mostUnsigned,
  readKeptCheckpoint,
  type Signer,
} from "./checkpoint.ts";

/**
 * "cut": lines are missing, or the kept checkpoint is. "altered": its last lines have no checkpoint where there was one, or are
 * not bound to each other, or what is kept beside it is none.
 */
export type LogEnd = "none" | "closed" | "crashed" | "cut" | "altered";

export interface LogEndNeeds {
  readonly path: string;
  readonly signer: Signer;
  readonly log: Log;
}

/** What is wrong is told in the server's log. */
export function howItEnded(file: ChainFile, { path, signer, log }: LogEndNeeds): LogEnd {
  const { lastLine, next } = file;
  const bad = (found: "cut" | "altered", what: string): LogEnd => {
    log.error({ path, lines: next.n - 1 }, what);
    return found;
  };
  let kept: KeptCheckpoint | undefined;
  try {
    kept = readKeptCheckpoint(checkpointPath(path));
  } catch (error) {
    log.error({ err: error }, "the checkpoint of the audit log cannot be read");
    return bad("altered", "what is kept beside the audit log is no checkpoint of it");
  }
  if (kept !== undefined) {
    if (!isOwn(kept.line, signer))
      return bad("altered", "the kept checkpoint of the audit log is not signed by this server");
    if (kept.line.n >= next.n) return bad("cut", "lines are missing at the end of the audit log");
  }
  if (lastLine === undefined) return "none";
  const tail = walkBack(file, signer, kept);
  if (tail.bad !== undefined) return bad("altered", tail.bad);
  // A first life that ended before its first lines were on the disk has kept none yet.
  if (kept === undefined && !tail.isFirstLife) return bad("cut", "the kept checkpoint of the audit log is missing");
  return lastLine.last === true ? "closed" : "crashed";
}

/** From the end to the newest checkpoint. `isFirstLife`: the whole log is one start, and no more lines than one checkpoint covers. */
function walkBack(
  file: ChainFile,
  signer: Signer,
  kept: KeptCheckpoint | undefined,
): { readonly bad?: string; readonly isFirstLife: boolean } {
  let { n, prev } = file.next;
  let [starts, signed, seen] = [0, false, 0];
  for (const text of file.tail(mostUnsigned + 1)) {
    const line = parseLine(text);
    const hash = hashOf(`${text}\n`);
    if (line === undefined || line.n !== n - 1 || hash !== prev)
      return { bad: `line ${n - 1} of the audit log is not the one that line ${n} is bound to`, isFirstLife: false };
    if (kept?.line.n === line.n && kept.hash !== hash)
      return { bad: `line ${line.n} of the audit log is not the checkpoint that was kept`, isFirstLife: false };
    ({ n, prev } = line);
    seen += 1;
    if (line.event === "log-opened") starts += 1;
    if (line.event !== "checkpoint" || signed) continue;
    if (!isOwn(line, signer))
      return { bad: `the checkpoint in line ${n} of the audit log is not signed by this server`, isFirstLife: false };
    signed = true;
  }
  const isFirstLife = n === 1 && starts <= 1;
  // Nothing but a start: it ended before it could sign.
  if (signed || (isFirstLife && seen === starts)) return { isFirstLife };
  return { bad: `the last ${seen} lines of the audit log have no checkpoint`, isFirstLife };
}

/** Ed25519 signs the same text the same way each time: no public half is needed. */
function isOwn(line: Readonly<Record<string, unknown>>, signer: Signer): boolean {
  return line.key === signer.id && line.sig === signer.sign(checkpointText(line));
}
