/** `bartizan commands`: who typed what, where; of one session, or found in all that you may replay. */

import { create } from "@bufbuild/protobuf";
import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import { Command } from "commander";
import {
  type FoundCommand,
  SearchCommandsRequestSchema,
  SearchCommandsResponseSchema,
} from "../proto/gen/bartizan/v1/recording_pb.ts";
import { callTimeoutMs } from "./api.ts";
import { exitCodes } from "./exit-codes.ts";
import type { Frame } from "./frame.ts";
import { resolvePastSession } from "./recording-id.ts";
import { type Column, table } from "./table.ts";
import { count, localTime, time } from "./time-option.ts";

interface CommandsOptions {
  readonly search?: string;
  readonly operator?: string;
  readonly target?: string;
  readonly from?: Timestamp;
  readonly until?: Timestamp;
  readonly limit: number;
  readonly json?: boolean;
}

const maxPage = 500;

const columns: readonly Column<FoundCommand>[] = [
  { head: "AT", cell: ({ at }) => (at === undefined ? "-" : localTime(timestampDate(at))) },
  { head: "SESSION", cell: ({ command }) => command?.sessionId ?? "" },
  { head: "OPERATOR", cell: ({ operator }) => operator?.name ?? "" },
  { head: "TARGET", cell: ({ target }) => target },
  { head: "EXIT", cell: ({ command }) => String(command?.exitCode ?? "-"), right: true },
  // One line each: what follows a line feed is told as such.
  { head: "COMMAND", cell: ({ command }) => (command?.text ?? "").replaceAll("\n", " ⏎ "), most: 2000 },
];

export function commandsCommand(frame: Frame, done: (code: number) => void): Command {
  return new Command("commands")
    .summary("find the commands that were typed")
    .description(
      "Lists commands that were typed, newest first; those of one session in the order they were typed. Operators find their own, auditors and admins everybody's. What was typed without being shown is never among them.",
    )
    .argument(
      "[session]",
      "only of this session: its id or its recording's, or the beginning of one (`bartizan recordings`)",
    )
    .option("--search <text>", 'words that the command holds, each as the beginning of one; "in quotes" together')
    .option("--operator <name>", "typed by this principal")
    .option("--target <name>", "on this target")
    .option("--from <time>", "typed then or later: 2026-01-31, 2026-01-31T12:00, or 30m, 2h, 7d ago", time)
    .option("--until <time>", "typed before, written as --from", time)
    .option("--limit <count>", "at most so many", count, 50)
    .option("--json", "one JSON document (bartizan.v1.SearchCommandsResponse)")
    .addHelpText(
      "after",
      `
Examples:
  bartizan commands n1-7f3a
  bartizan commands --search "rm rf" --from 7d
  bartizan commands --search '"systemctl restart"' --target web1 --json | jq -r '.commands[].command.text'`,
    )
    .action(async (session: string | undefined, options: CommandsOptions) =>
      done(await commands(frame, session, options)),
    );
}

async function commands(frame: Frame, session: string | undefined, options: CommandsOptions): Promise<number> {
  using api = frame.api();
  const { search = "", operator = "", target = "", from, until, limit } = options;
  const sessionId = session === undefined ? "" : await resolvePastSession(api.clients, session);
  const found: FoundCommand[] = [];
  let pageToken = "";
  do {
    const page = await api.clients.commands.searchCommands(
      create(SearchCommandsRequestSchema, {
        ...{ text: search, operator, target, sessionId, pageToken },
        pageSize: Math.min(maxPage, limit - found.length),
        ...(from === undefined ? {} : { from }),
        ...(until === undefined ? {} : { until }),
      }),
      { timeoutMs: callTimeoutMs },
    );
    found.push(...page.commands);
    pageToken = page.nextPageToken;
  } while (pageToken !== "" && found.length < limit);
  const answer = create(SearchCommandsResponseSchema, { commands: found, nextPageToken: pageToken });
  if (options.json) await frame.printJson(SearchCommandsResponseSchema, answer);
  else if (found.length === 0) frame.tell("There is no such command that you may see.");
  else await frame.print(table(columns, found, frame.paint));
  if (pageToken !== "" && !options.json) frame.tell(`There are more; --limit ${limit * 2} shows some of them.`);
  return exitCodes.ok;
}
