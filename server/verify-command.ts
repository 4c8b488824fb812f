/** `bartizan verify` as far as it needs no server: files of recordings, the whole folder, the audit log. */
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { checkpointPath, readKeptCheckpoint } from "./audit/checkpoint.ts";
import { type AuditVerdict, verifyAudit } from "./audit/verify-audit.ts";
import { readConfig } from "./config.ts";
import { BartizanFault } from "./errors.ts";
import { printable } from "./flow/printable.ts";
import { finalSeals } from "./recording/final-seals.ts";
import { readKeys, type VerifyFilesOptions, verdictExitCode, verifyFiles } from "./recording/verify-files.ts";

const readFailed = 1;
const wrongUsage = 2;

/** Prints a verdict for each; the exit code. Throws `config` for what cannot be read. */
export async function verifyCommand(args: readonly string[]): Promise<number> {
  const flag = { type: "boolean" } as const;
  const text = { type: "string" } as const;
  const { values, positionals } = parseArgs({
    ...{ args: [...args], allowPositionals: true, strict: true },
    options: { all: flag, audit: flag, json: flag, key: text, config: text, checkpoint: text },
  });
  const { all = false, audit = false, json = false } = values;
  if (audit ? all || positionals.length > 1 : all === positionals.length > 0) {
    process.stderr.write("bartizan: verify takes files, or --all, or --audit with one file at most.\n");
    return wrongUsage;
  }
  if (audit) return await verifyLog(positionals[0], { ...values, json });
  const { data, recording } = readConfig(values.config);
  const progress = process.stderr.isTTY ? (line: string) => void process.stderr.write(`\r\x1b[K${line}`) : () => {};
  return await verifyFiles({
    ...{ what: all ? "all" : positionals, keyFile: values.key, data, folder: recording.folder },
    tell(path, result) {
      progress("");
      if (json) say(`${JSON.stringify({ file: path, ...wordsOf(result) })}\n`);
      else if ("failure" in result) process.stderr.write(`bartizan: ${printable(path)}: ${result.failure}\n`);
      else say(`${printable(path)}  ${result.verdict}: ${printable(result.detail)}\n`);
    },
    onProgress: (path, bytes) => progress(`${printable(path)}  ${(bytes / 1e6).toFixed(0)} MB …`),
    signal: new AbortController().signal,
  });
}

interface LogOptions {
  readonly key?: string | undefined;
  readonly config?: string | undefined;
  readonly checkpoint?: string | undefined;
  readonly json: boolean;
}

/** `given`: a copy of the log from elsewhere, judged with what lies beside it; by default the server's own. */
async function verifyLog(given: string | undefined, { key, config, checkpoint, json }: LogOptions): Promise<number> {
  const { data, recording } = readConfig(config);
  const path = given ?? join(data, "audit.jsonl");
  const keyFile = given === undefined ? join(data, "recording-key.pub") : join(dirname(given), "recording-key.pub");
  const { signal } = new AbortController();
  let result: AuditVerdict;
  try {
    // The recordings first: what a running server seals meanwhile, the log knows when it is read.
    const seals = given === undefined ? await finalSeals(recording.folder, signal) : new Map<string, string>();
    const keyOf = readKeys(key, keyFile);
    const kept = readKeptCheckpoint(checkpoint ?? checkpointPath(path));
    if (checkpoint !== undefined && kept === undefined) throw new Error(`there is no ${checkpoint}`);
    result = await verifyAudit({ path, keyOf, checkpoint: kept, seals, signal });
  } catch (error) {
    if (error instanceof BartizanFault) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") result = { verdict: "missing", detail: "there is no such file", lines: 0, line: 1 };
    else {
      process.stderr.write(`bartizan: ${printable(path)}: it cannot be read (${code ?? printable(message)})\n`);
      return readFailed;
    }
  }
  if (json) say(`${JSON.stringify({ file: path, ...result })}\n`);
  else say(`${printable(path)}  ${result.verdict}: ${printable(result.detail)}\n`);
  return verdictExitCode[result.verdict];
}

function wordsOf(result: Parameters<VerifyFilesOptions["tell"]>[1]): object {
  return "failure" in result ? { failure: result.failure } : { verdict: result.verdict, detail: result.detail };
}

function say(text: string): void {
  process.stdout.write(text);
}
