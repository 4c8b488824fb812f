/** `bartizan recordings`: what was recorded, newest first. */

import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import { Command, InvalidArgumentError } from "commander";
import { endCause } from "../proto/client/events.ts";
import { ListRecordingsResponseSchema, type Recording, RecordingState } from "../proto/gen/bartizan/v1/recording_pb.ts";
import { callTimeoutMs } from "./api.ts";
import { exitCodes } from "./exit-codes.ts";
import type { Frame } from "./frame.ts";
import { type Column, table } from "./table.ts";
import { count, localTime, time } from "./time-option.ts";
import { amountWords, endWords, timeWords } from "./words.ts";

interface RecordingsOptions {
  readonly operator?: string;
  readonly target?: string;
  readonly label?: Readonly<Record<string, string>>;
  readonly from?: Timestamp;
  readonly until?: Timestamp;
  readonly cause?: string;
  readonly limit: number;
  readonly json?: boolean;
}

const columns: readonly Column<Recording>[] = [
  { head: "ID", cell: ({ id }) => id },
  { head: "SESSION", cell: ({ sessionId }) => sessionId },
  { head: "STARTED", cell: ({ startedAt }) => (startedAt ? localTime(timestampDate(startedAt)) : "-") },
  { head: "OPERATOR", cell: ({ operator }) => operator?.name ?? "" },
  { head: "TARGET", cell: ({ target }) => target },
  { head: "LENGTH", cell: ({ durationMs }) => timeWords(Number(durationMs)), right: true },
  { head: "OUTPUT", cell: ({ outputBytes }) => amountWords(Number(outputBytes)), right: true },
  { head: "STATE", cell: stateWords },
];

function stateWords({ state, ended }: Recording): string {
  const end = ended === undefined ? "" : endWords(endCause(ended));
  switch (state) {
    case RecordingState.LIVE:
      return "live";
    case RecordingState.SEALED:
      return end || "sealed";
    case RecordingState.INCOMPLETE:
      return "incomplete: the server died";
    case RecordingState.DAMAGED:
      return end === "" ? "damaged" : `damaged; ${end}`;
    case RecordingState.MISSING:
      return "missing";
    default:
      return "?";
  }
}

export function recordingsCommand(frame: Frame, done: (code: number) => void): Command {
  return new Command("recordings")
    .summary("list what was recorded")
    .description("Lists the recordings that you may see, by their start, newest first.")
    .option("--operator <name>", "of sessions that this one opened")
    .option("--target <name>", "of sessions on this target")
    .option("--label <key=value>", "of targets with this label; may be given several times", label)
    .option("--from <time>", "started then or later: 2026-01-31, 2026-01-31T08:00Z, or 30m, 2h, 7d ago", time)
    .option("--until <time>", "started before, written as --from", time)
    .option("--cause <cause>", "ended so: exited, signalled, lost, kicked, closed, incomplete")
    .option("--limit <number>", "at most so many", count, 50)
    .option("--json", "one JSON document (bartizan.v1.ListRecordingsResponse)")
    .addHelpText(
      "after",
      `
Examples:
  bartizan recordings --target web1 --from 2026-01-31
  bartizan recordings --cause kicked --json | jq -r '.recordings[].id'`,
    )
    .action(async (options: RecordingsOptions) => done(await list(frame, options)));
}

async function list(frame: Frame, options: RecordingsOptions): Promise<number> {
  using api = frame.api();
  const { operator = "", target = "", cause = "", label: labels = {}, from, until, limit } = options;
  const request = {
    ...{ operator, target, cause, labels: { ...labels } },
    ...(from === undefined ? {} : { from }),
    ...(until === undefined ? {} : { until }),
  };
  const found: Recording[] = [];
  let pageToken = "";
  let answer: Awaited<ReturnType<typeof api.clients.recordings.listRecordings>>;
  do {
    const pageSize = Math.min(limit - found.length, mostOnPage);
    answer = await api.clients.recordings.listRecordings(
      { ...request, pageSize, pageToken },
      { timeoutMs: callTimeoutMs },
    );
    found.push(...answer.recordings);
    pageToken = answer.nextPageToken;
  } while (pageToken !== "" && found.length < limit);
  if (options.json) await frame.printJson(ListRecordingsResponseSchema, { ...answer, recordings: found });
  else if (found.length === 0) frame.tell("There is no such recording that you may see.");
  else await frame.print(table(columns, found, frame.paint));
  if (!options.json && pageToken !== "") frame.tell(`There are more; --limit ${limit * 2} shows some of them.`);
  return exitCodes.ok;
}

const mostOnPage = 500;

function label(text: string, before: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> {
  const at = text.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("Write it as key=value.");
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}
