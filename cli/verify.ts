/** `bartizan verify ID`: asks the server. Files and everything at once are verified without it: see server/verify-command.ts. */

import { Command } from "commander";
import { printable } from "../proto/client/printable.ts";
import { Verdict, VerifyRecordingsResponseSchema } from "../proto/gen/bartizan/v1/recording_pb.ts";
import { exitCodes } from "./exit-codes.ts";
import type { Frame } from "./frame.ts";
import { resolveRecording } from "./recording-id.ts";
import { onSignals } from "./tty.ts";

const verdicts: Readonly<Record<number, readonly [word: string, code: number]>> = {
  [Verdict.COMPLETE]: ["complete", exitCodes.ok],
  [Verdict.INCOMPLETE]: ["incomplete", exitCodes.incomplete],
  [Verdict.GAP]: ["gap", exitCodes.gap],
  [Verdict.ALTERED]: ["altered", exitCodes.altered],
  [Verdict.UNSIGNED]: ["unsigned", exitCodes.unsigned],
  [Verdict.MISSING]: ["missing", exitCodes.missing],
};

export function verifyCommand(frame: Frame, done: (code: number) => void): Command {
  return new Command("verify")
    .summary("tell whether a recording is what was written")
    .description(
      "Verifies a recording: an id is asked of the server; files, and with --all everything in the data folder, are read here, without a server.",
    )
    .argument("<what...>", "FILE, or the beginning of an id (`bartizan recordings`)")
    .option("--json", "one JSON document each (bartizan.v1.VerifyRecordingsResponse)")
    .addHelpText(
      "after",
      `
For files: --key FILE names a public key from elsewhere, --config FILE the server's config (for its data folder).
With --audit [FILE] it is the audit log that is read, and the first line is named that is not as it was written;
--checkpoint FILE is one that was kept elsewhere (docs/audit.md).

Exit codes: 0 complete, 3 incomplete, 4 gap, 5 altered, 6 unsigned, 7 missing, 1 it could not be read; of several the
gravest. docs/recording.md says when.

Examples:
  bartizan verify 7f3a
  bartizan verify incident.cast --key recording-key.pub
  bartizan verify --all
  bartizan verify --audit --checkpoint kept-elsewhere.json`,
    )
    .action(async (what: string[], { json }: { json?: boolean }) => done(await verify(frame, what, json ?? false)));
}

async function verify(frame: Frame, what: readonly string[], json: boolean): Promise<number> {
  using api = frame.api();
  const life = new AbortController();
  using _ = onSignals(() => life.abort());
  let worst: number = exitCodes.ok;
  for (const given of what) {
    const id = await resolveRecording(api.clients, given);
    for await (const answer of api.clients.recordings.verifyRecordings({ id }, { signal: life.signal, timeoutMs: 0 })) {
      const [word, code] = verdicts[answer.verdict] ?? ["not known to this version", exitCodes.failed];
      worst = graver(worst, code);
      if (json) await frame.printJson(VerifyRecordingsResponseSchema, answer);
      else await frame.print(`${printable(answer.id)}  ${word}: ${printable(answer.detail)}\n`);
    }
  }
  return worst;
}

/** From the least to the gravest. */
const gravity: readonly number[] = [
  ...[exitCodes.ok, exitCodes.incomplete, exitCodes.gap, exitCodes.failed],
  ...[exitCodes.unsigned, exitCodes.missing, exitCodes.altered],
];

function graver(one: number, other: number): number {
  return gravity.indexOf(one) >= gravity.indexOf(other) ? one : other;
}
