/** `bartizan sessions`: who has a shell where, and who watches; once, or kept up to date. */

import { Command } from "commander";
import { endCause } from "../proto/client/events.ts";
import { isLostCall } from "../proto/client/faults.ts";
import { printable } from "../proto/client/printable.ts";
import {
  ListSessionsResponseSchema,
  Role,
  type SessionInfo,
  WatchSessionsResponseSchema,
} from "../proto/gen/bartizan/v1/session_pb.ts";
import { callTimeoutMs } from "./api.ts";
import { Complaint } from "./complaint.ts";
import { exitCodes } from "./exit-codes.ts";
import type { Frame } from "./frame.ts";
import { type Column, table } from "./table.ts";
import { onSignals } from "./tty.ts";
import { ageWords, amountWords, endWords, stateWord } from "./words.ts";

export interface SessionsOptions {
  readonly json?: boolean;
  readonly all?: boolean;
  readonly follow?: boolean;
}

const columns: readonly Column<SessionInfo>[] = [
  { head: "ID", cell: (session) => session.id },
  { head: "NODE", cell: (session) => session.node },
  { head: "TARGET", cell: (session) => session.target },
  { head: "USER", cell: (session) => session.targetUser },
  { head: "OPERATOR", cell: (session) => session.operator?.name ?? "" },
  { head: "STATE", cell: stateWords },
  { head: "SIZE", cell: (session) => (session.size ? `${session.size.cols}x${session.size.rows}` : "-") },
  { head: "WATCHED BY", cell: (session) => watchers(session).join(", ") || "-" },
  { head: "OPENED", cell: (session) => ageWords(session.openedAt, Date.now()), right: true },
  { head: "IDLE", cell: (session) => (session.ended ? "-" : ageWords(session.activeAt, Date.now())), right: true },
  { head: "OUTPUT", cell: (session) => amountWords(Number(session.outputBytes)), right: true },
];

function stateWords(session: SessionInfo): string {
  if (session.ended) return endWords(endCause(session.ended));
  const state = session.frozen === undefined ? stateWord(session.state) : `${stateWord(session.state)}, frozen`;
  return session.unreachable ? `${state}, node not heard` : state;
}

export function sessionsCommand(frame: Frame, done: (code: number) => void): Command {
  return new Command("sessions")
    .summary("list the sessions you may see")
    .description("Lists the live sessions that you may see, newest first.")
    .option("--all", "also those that ended lately")
    .option("--follow", "go on with one line for each change, until Ctrl-C")
    .option(
      "--json",
      "one JSON document (bartizan.v1.ListSessionsResponse); with --follow one per line (WatchSessionsResponse)",
    )
    .addHelpText(
      "after",
      `
Examples:
  bartizan sessions
  bartizan sessions --follow
  bartizan sessions --json | jq -r '.sessions[] | select(.state == "SESSION_STATE_DETACHED") | .id'`,
    )
    .action(async (options: SessionsOptions) =>
      done(options.follow ? await follow(frame, options) : await list(frame, options)),
    );
}

async function list(frame: Frame, options: SessionsOptions): Promise<number> {
  using api = frame.api();
  const includeEnded = options.all ?? false;
  const answer = await api.clients.sessions.listSessions({ includeEnded }, { timeoutMs: callTimeoutMs });
  if (options.json) await frame.printJson(ListSessionsResponseSchema, answer);
  else if (answer.sessions.length === 0) frame.tell("There is no session that you may see.");
  else await frame.print(table(columns, answer.sessions, frame.paint));
  return exitCodes.ok;
}

async function follow(frame: Frame, options: SessionsOptions): Promise<number> {
  using api = frame.api();
  const life = new AbortController();
  using _ = onSignals(() => life.abort());
  let answered = false;
  try {
    for await (const message of api.clients.sessions.watchSessions({}, { signal: life.signal, timeoutMs: 0 })) {
      answered = true;
      if (options.json) await frame.printJson(WatchSessionsResponseSchema, message);
      else if (message.event.case === "snapshot") {
        const { sessions } = message.event.value;
        await frame.print(table(columns, sessions, frame.paint));
      } else if (message.event.case === "changed") await frame.print(changeLine(message.event.value));
    }
  } catch (error) {
    if (!life.signal.aborted) throw answered && isLostCall(error) ? lostComplaint() : error;
  } finally {
    life.abort();
  }
  return exitCodes.ok;
}

function lostComplaint(): Complaint {
  return new Complaint(
    "The connection to the server was lost.",
    "The same command starts again.",
    exitCodes.connection,
  );
}

function changeLine(session: SessionInfo): string {
  const watched = watchers(session);
  const state = stateWords(session);
  const words = [
    new Date().toTimeString().slice(0, 8),
    printable(session.id),
    printable(session.target),
    printable(session.operator?.name ?? ""),
    state,
    watched.length > 0 ? `watched by ${watched.join(", ")}` : "",
  ];
  return `${words.filter((word) => word !== "").join("  ")}\n`;
}

/** Each once, in the order they came; who watches several times with how often. */
export function watchers(session: SessionInfo): string[] {
  const counts = new Map<string, number>();
  for (const { role, principal } of session.attachments) {
    if (role !== Role.WATCHER) continue;
    const name = printable(principal?.name ?? "?");
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts].map(([name, count]) => (count === 1 ? name : `${name} x${count}`));
}
