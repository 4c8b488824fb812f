/** `bartizan audit`: what happened, who did it and how it came out; found in the audit log, or followed as it is noted. */

import { create } from "@bufbuild/protobuf";
import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import { Command, InvalidArgumentError } from "commander";
import { isLostCall } from "../proto/client/faults.ts";
import { printable } from "../proto/client/printable.ts";
import {
  type AuditEntry,
  AuditEntrySchema,
  AuditFilterSchema,
  AuditOutcome,
  SearchAuditResponseSchema,
} from "../proto/gen/bartizan/v1/audit_pb.ts";
import { callTimeoutMs } from "./api.ts";
import { Complaint } from "./complaint.ts";
import { exitCodes } from "./exit-codes.ts";
import type { Frame } from "./frame.ts";
import { type Column, table } from "./table.ts";
import { count, localTime, time } from "./time-option.ts";
import { onSignals } from "./tty.ts";

interface AuditOptions {
  readonly event?: string[];
  readonly principal?: string;
  readonly target?: string;
  readonly session?: string;
  readonly recording?: string;
  readonly outcome?: AuditOutcome;
  readonly from?: Timestamp;
  readonly until?: Timestamp;
  readonly limit?: number;
  readonly follow?: boolean;
  readonly json?: boolean;
}

const maxPage = 500;
const usualLimit = 50;
const usualLast = 10;

const outcomeWords: Readonly<Record<number, string>> = {
  [AuditOutcome.OK]: "ok",
  [AuditOutcome.ASKED]: "asked",
  [AuditOutcome.REFUSED]: "refused",
  [AuditOutcome.FAILED]: "failed",
  [AuditOutcome.UNKNOWN]: "unknown",
};

const columns: readonly Column<AuditEntry>[] = [
  { head: "AT", cell: ({ at }) => (at === undefined ? "-" : localTime(timestampDate(at))) },
  { head: "EVENT", cell: ({ event }) => event },
  { head: "OUTCOME", cell: ({ outcome }) => outcomeWords[outcome] ?? "-" },
  { head: "WHO", cell: ({ principal }) => principal || "-" },
  { head: "FROM", cell: ({ source }) => source || "-" },
  { head: "TARGET", cell: ({ target }) => target || "-" },
  { head: "ABOUT", cell: aboutWords, most: 200 },
];

export function auditCommand(frame: Frame, done: (code: number) => void): Command {
  return new Command("audit")
    .summary("what happened, and who did it")
    .description(
      "Lists what was noted in the audit log, newest first; for auditors and admins. `bartizan verify --audit` tells whether it is what was written.",
    )
    .option("--follow", "the newest first, and then go on with one line each as it is noted, until Ctrl-C")
    .option("--event <words...>", 'one of these (docs/audit.md); "kick-" stands for all that begin so')
    .option("--principal <name>", "done by this principal, or in his session")
    .option("--target <name>", "on this target")
    .option("--session <id>", "in this session (the whole id)")
    .option("--recording <id>", "with this recording (the whole id)")
    .option("--outcome <word>", "ok, asked, refused, failed, unknown", outcome)
    .option("--from <time>", "then or later: 2026-01-31, 2026-01-31T12:00, or 30m, 2h, 7d ago", time)
    .option("--until <time>", "before, written as --from", time)
    .option("--limit <count>", `at most so many (${usualLimit}; with --follow ${usualLast} of those there are)`, count)
    .option("--json", "one JSON document (bartizan.v1.SearchAuditResponse); with --follow one per line (AuditEntry)")
    .addHelpText(
      "after",
      `
Examples:
  bartizan audit --event login- --outcome refused --from 1d
  bartizan audit --follow
  bartizan audit --session n1-7f3aQxJ2kLmN --json | jq -r '.entries[].line'
  bartizan audit --event checkpoint --limit 1 --json | jq -r '.entries[0].line' > kept-elsewhere.json`,
    )
    .action(async (options: AuditOptions) =>
      done(options.follow ? await follow(frame, options) : await search(frame, options)),
    );
}

async function search(frame: Frame, options: AuditOptions): Promise<number> {
  using api = frame.api();
  const { limit = usualLimit } = options;
  const entries: AuditEntry[] = [];
  let pageToken = "";
  do {
    const pageSize = Math.min(maxPage, limit - entries.length);
    const request = { filter: filterOf(options), pageSize, pageToken };
    const page = await api.clients.audit.searchAudit(request, { timeoutMs: callTimeoutMs });
    entries.push(...page.entries);
    pageToken = page.nextPageToken;
  } while (pageToken !== "" && entries.length < limit);
  const answer = create(SearchAuditResponseSchema, { entries, nextPageToken: pageToken });
  if (options.json) await frame.printJson(SearchAuditResponseSchema, answer);
  else if (entries.length === 0) frame.tell("Nothing like that was noted.");
  else await frame.print(table(columns, entries, frame.paint));
  if (pageToken !== "" && !options.json) frame.tell(`There are more; --limit ${limit * 2} shows some of them.`);
  return exitCodes.ok;
}

async function follow(frame: Frame, options: AuditOptions): Promise<number> {
  using api = frame.api();
  const life = new AbortController();
  using _ = onSignals(() => life.abort());
  let answered = false;
  try {
    const request = { filter: filterOf(options), last: Math.min(maxPage, options.limit ?? usualLast) };
    for await (const { entry } of api.clients.audit.followAudit(request, { signal: life.signal, timeoutMs: 0 })) {
      answered = true;
      if (entry === undefined) continue;
      if (options.json) await frame.printJson(AuditEntrySchema, entry);
      else await frame.print(entryLine(entry));
    }
  } catch (error) {
    if (life.signal.aborted) return exitCodes.ok;
    if (!answered || !isLostCall(error)) throw error;
    throw new Complaint(
      "The connection to the server was lost.",
      "The same command starts again.",
      exitCodes.connection,
    );
  } finally {
    life.abort();
  }
  return exitCodes.ok;
}

function filterOf(options: AuditOptions) {
  const { event = [], principal = "", target = "", session = "", recording = "", from, until } = options;
  return create(AuditFilterSchema, {
    ...{ events: event, principal, target, sessionId: session, recordingId: recording },
    outcome: options.outcome ?? AuditOutcome.UNSPECIFIED,
    ...(from === undefined ? {} : { from }),
    ...(until === undefined ? {} : { until }),
  });
}

function entryLine(entry: AuditEntry): string {
  const { at, event, outcome, principal, source, target } = entry;
  const words = [
    at === undefined ? "-" : localTime(timestampDate(at)),
    `${event} ${outcomeWords[outcome] ?? "-"}`,
    principal === "" ? "" : `${principal}${source === "" ? "" : ` (${source})`}`,
    target,
    aboutWords(entry),
  ];
  return `${words
    .filter((word) => word !== "")
    .map((word) => printable(word))
    .join("  ")}\n`;
}

/** What it was about, and why it came out so. */
function aboutWords({ sessionId, recordingId, source, principal, cause, details, event }: AuditEntry): string {
  // Signatures are for programs.
  const told = event === "checkpoint" ? [] : Object.entries(details).map(([name, value]) => `${name} ${value}`);
  const words = [
    sessionId,
    recordingId === "" ? "" : `recording ${recordingId.slice(0, 12)}`,
    principal === "" && source !== "" ? `from ${source}` : "",
    cause,
    ...told,
  ];
  return words.filter((word) => word !== "").join(", ");
}

function outcome(word: string): AuditOutcome {
  const found = Object.entries(outcomeWords).find(([, each]) => each === word);
  if (found === undefined) throw new InvalidArgumentError("It is one of ok, asked, refused, failed, unknown.");
  return Number(found[0]) as AuditOutcome;
}
