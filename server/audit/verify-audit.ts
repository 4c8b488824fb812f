/** Tells whether an audit log is what was written, and names the first line that is not. Streaming; bears anything. */
import type { KeyObject } from "node:crypto";
import { type AuditLine, noHash, openLog, parseLine, type RawLine, readLines } from "./audit-lines.ts";
import { besidesStart, judgeCheckpoint, type KeptCheckpoint, mostUnsigned } from "./checkpoint.ts";

export type AuditVerdictWord = "complete" | "incomplete" | "gap" | "altered" | "unsigned" | "missing";

export interface AuditVerdict {
  readonly verdict: AuditVerdictWord;
  /** One line for people: what is wrong, and where. */
  readonly detail: string;
  /** The first line that is not as it was written, or is not there. */
  readonly line?: number;
  /** Whole lines that were read. */
  readonly lines: number;
}

export interface VerifyAuditOptions {
  readonly path: string;
  readonly keyOf: (id: string) => KeyObject | undefined;
  /** Kept beside the log, or better elsewhere: the log has to hold it, and one that was ever signed has to have one. */
  readonly checkpoint?: KeptCheckpoint | undefined;
  /** How recordings ended, by their own last seals: the log has to know each. */
  readonly seals?: ReadonlyMap<string, string>;
  readonly signal: AbortSignal;
}

/** Never throws for what the file holds; throws what reading throws, and the signal's reason. */
export async function verifyAudit(options: VerifyAuditOptions): Promise<AuditVerdict> {
  const { path, signal } = options;
  const chain = new Chain(options);
  await using file = await openLog(path);
  let end = 0;
  for await (const raw of readLines(file)) {
    signal.throwIfAborted();
    const bad = chain.take(raw);
    if (bad !== undefined) return bad;
    end = raw.to;
  }
  const { size } = await file.stat();
  return chain.result(size - end);
}

interface BadCheckpoint {
  readonly line: AuditLine;
  readonly hash: string;
  readonly what: string;
}

class Chain {
  readonly #options: VerifyAuditOptions;
  #n = 0;
  #hash = noHash;
  /** The line whose `prev` does not fit: the one behind it tells which of the two was changed. */
  #doubtful: { readonly n: number; readonly hash: string } | undefined;
  /** A checkpoint that is not what it should be: it was changed itself, or what it covers was. */
  #bad: BadCheckpoint | undefined;
  #signedTo = 0;
  /** The first line that is signed with a key that is not known. */
  #unknownKeyAt: number | undefined;
  /** So many lines before the first checkpoint: more than there may be. */
  #unsignedFirst = 0;
  /** A start whose checkpoint has not come. */
  #openStart: number | undefined;
  #lost = 0;
  #starts = 0;
  #wrongAt: { readonly n: number; readonly previous: "cut" | "altered" } | undefined;
  readonly #seals = new Map<string, string>();

  constructor(options: VerifyAuditOptions) {
    this.#options = options;
  }

  /** The verdict, when there is one already. */
  take(raw: RawLine): AuditVerdict | undefined {
    const line = parseLine(raw.text);
    if (this.#doubtful !== undefined) return this.#unbound(line);
    if (this.#bad !== undefined) return this.#anew(this.#bad, line);
    const at = this.#n + 1;
    if (line === undefined) return this.#altered(at, `line ${at} is no line of an audit log`);
    if (line.n !== at)
      return this.#altered(at, `line ${at} is missing or out of its place: line ${line.n} stands there`);
    this.#n = at;
    if (line.prev !== this.#hash) {
      this.#doubtful = { n: at, hash: raw.hash };
      return undefined;
    }
    this.#hash = raw.hash;
    this.#takeEvent(line, raw.hash);
    return this.#bad === undefined ? this.#uncovered(line) : undefined;
  }

  /** Whoever cannot sign leaves checkpoints out: one that was due and did not come tells of him. */
  #uncovered({ n, event }: AuditLine): AuditVerdict | undefined {
    const start = this.#openStart;
    const startOnly = start !== undefined && !besidesStart.has(event);
    if (!startOnly && n - this.#signedTo <= mostUnsigned) return undefined;
    if (this.#signedTo === 0) this.#unsignedFirst = n;
    else if (startOnly)
      return this.#altered(start, `line ${start} is no start of the server: no checkpoint follows it`);
    else {
      const from = this.#signedTo + 1;
      return this.#altered(from, `lines from ${from} on were written anew: ${mostUnsigned} lines have no checkpoint`);
    }
    return undefined;
  }

  /** After the last line; `tornBytes`: what stands behind it. */
  result(tornBytes: number): AuditVerdict {
    if (this.#doubtful !== undefined) return this.#unbound(undefined);
    if (this.#bad !== undefined) return this.#anew(this.#bad, undefined);
    const { checkpoint } = this.#options;
    const n = this.#n;
    const found = (verdict: AuditVerdictWord, detail: string, line?: number): AuditVerdict => ({
      ...{ verdict, detail, lines: n, ...(line === undefined ? {} : { line }) },
    });
    const kept = checkpoint === undefined ? "good" : judgeCheckpoint(checkpoint.line, this.#options.keyOf);
    if (kept === "bad") return found("altered", "the checkpoint that was kept does not have the signature it should");
    if (checkpoint !== undefined && checkpoint.line.n > n)
      return found("missing", `lines ${n + 1} to ${checkpoint.line.n} are missing: the checkpoint knows them`, n + 1);
    if (this.#wrongAt?.previous === "altered")
      return found(
        "altered",
        `it was altered when the server started: line ${this.#wrongAt.n} says so`,
        this.#wrongAt.n,
      );
    if (this.#wrongAt !== undefined)
      return found(
        "missing",
        `lines were missing when the server started: line ${this.#wrongAt.n} says so`,
        this.#wrongAt.n,
      );
    for (const [recording, seal] of this.#options.seals ?? [])
      if (this.#seals.get(recording) !== seal)
        return found(
          "missing",
          `no line tells how recording ${recording} ended: lines are missing behind line ${n}`,
          n + 1,
        );
    if (n === 0) return found("missing", "there is no line in it", 1);
    if (this.#unknownKeyAt !== undefined)
      return found("unsigned", `line ${this.#unknownKeyAt} is signed with a key that is not known`, this.#unknownKeyAt);
    if (this.#signedTo === 0) return found("unsigned", "no line is signed", 1);
    if (this.#unsignedFirst > 0)
      return found("unsigned", `lines 1 to ${this.#unsignedFirst} were signed by nobody when they were written`, 1);
    if (checkpoint === undefined)
      return found("missing", "its newest checkpoint, which is kept beside it, is missing: so may be lines at its end");
    const open = n - this.#signedTo;
    const summary = `${n} lines, ${this.#starts} starts, signed up to line ${this.#signedTo}`;
    const whole = open === 0 ? summary : `${summary}; ${open} at the end not yet`;
    if (this.#lost > 0) return found("gap", `${this.#lost} events could not be noted; ${whole}`);
    if (tornBytes > 0) return found("incomplete", `a line at the end is unfinished (${tornBytes} bytes); ${whole}`);
    return found("complete", whole);
  }

  #takeEvent(line: AuditLine, hash: string): void {
    const { checkpoint, seals } = this.#options;
    const { n, event, recording, seal } = line;
    if (checkpoint !== undefined && checkpoint.line.n === n && checkpoint.hash !== hash)
      this.#bad = { line, hash, what: "is not the one that was kept" };
    else if (event === "checkpoint") {
      const judged = judgeCheckpoint(line, this.#options.keyOf);
      if (judged === "bad") this.#bad = { line, hash, what: "does not have the signature it should" };
      else if (judged === "good") this.#signedTo = n;
      else this.#unknownKeyAt ??= n;
      this.#openStart = undefined;
    } else if (event === "events-lost") this.#lost += Number(line.lost) || 0;
    else if (event === "log-opened") {
      this.#starts += 1;
      this.#openStart ??= n;
      const { previous } = line;
      if (previous === "cut" || previous === "altered") this.#wrongAt ??= { n, previous };
    } else if (typeof recording === "string" && typeof seal === "string" && seals?.has(recording) === true)
      this.#seals.set(recording, seal);
  }

  /** `behind`: the line after the one that is not bound to what stands before it. */
  #unbound(behind: AuditLine | undefined): AuditVerdict {
    const { n = 0, hash } = this.#doubtful ?? {};
    if (n > 1 && (behind === undefined || behind.prev === hash))
      return this.#altered(n - 1, `line ${n - 1} was changed: line ${n} is bound to another one`);
    return this.#altered(n, `line ${n} was changed: it is not bound to the line before it`);
  }

  /** `behind`: the line after the checkpoint. */
  #anew({ line, hash, what }: BadCheckpoint, behind: AuditLine | undefined): AuditVerdict {
    const { n } = line;
    const kept = this.#options.checkpoint?.line;
    const alone = behind === undefined ? kept?.n === n && kept.prev === line.prev : behind.prev !== hash;
    if (alone) return this.#altered(n, `line ${n} was changed: it ${what}`);
    const from = this.#signedTo + 1;
    return this.#altered(from, `lines from ${from} on were written anew: the checkpoint in line ${n} ${what}`);
  }

  #altered(line: number, detail: string): AuditVerdict {
    return { verdict: "altered", detail, line, lines: this.#n };
  }
}
