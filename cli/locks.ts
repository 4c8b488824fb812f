/** `bartizan lock`, `unlock` and `locks`: who may not open shells, until when, and why. */

import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import { Command } from "commander";
import { printable } from "../proto/client/printable.ts";
import {
  ListLocksResponseSchema,
  type Lock,
  type SetLockResponse,
  SetLockResponseSchema,
} from "../proto/gen/bartizan/v1/lock_pb.ts";
import { callTimeoutMs } from "./api.ts";
import { Complaint } from "./complaint.ts";
import { exitCodes } from "./exit-codes.ts";
import type { Frame } from "./frame.ts";
import { type Column, table } from "./table.ts";
import { untilHelp, untilTime } from "./until-time.ts";

interface LockOptions {
  readonly user?: string;
  readonly role?: string;
  readonly target?: string;
  readonly everybody?: boolean;
  readonly reason: string;
  readonly until?: Timestamp;
  readonly endSessions?: boolean;
  readonly json?: boolean;
}

/** As long as a kick: sessions may have to be ended on other nodes. */
const lockTimeoutMs = 20_000;

const columns: readonly Column<Lock>[] = [
  { head: "ID", cell: ({ id }) => id },
  { head: "WHO", cell: ({ user, role }) => whoWords(user, role) },
  { head: "TARGET", cell: ({ target }) => target || "all" },
  { head: "UNTIL", cell: ({ until }) => (until === undefined ? "until lifted" : timeWords(until)) },
  { head: "BY", cell: ({ by }) => by },
  { head: "REASON", cell: ({ reason }) => reason, most: 500 },
];

export function lockCommand(frame: Frame, done: (code: number) => void): Command {
  return new Command("lock")
    .summary("keep people from opening shells")
    .description(
      "Sets a lock: no shell that it bars is opened or taken up again until it ends or is lifted. Several of --user, --role and --target hold together; --everybody bars all of them everywhere. Watching and replaying go on.",
    )
    .option("--user <name>", "only this principal")
    .option("--role <role>", "only who has this role: operator, auditor, admin")
    .option("--target <name>", "only shells on this target")
    .option("--everybody", "nobody on anything: for an emergency")
    .requiredOption("--reason <text>", "why; shown to whom it bars (1 to 500 characters)")
    .option("--until <time>", `when it ends by itself: ${untilHelp}`, untilTime)
    .option("--end-sessions", "also end the sessions that could not be begun any more")
    .option("--json", "one JSON document (bartizan.v1.SetLockResponse)")
    .addHelpText(
      "after",
      `
Exits with 4 when another node could not be told, or did not answer (it takes the lock over when it is back).

Examples:
  bartizan lock --target db1 --reason "being repaired" --until 2h
  bartizan lock --user alice --reason "token lost" --end-sessions
  bartizan lock --everybody --reason "break-in" --end-sessions`,
    )
    .action(async (options: LockOptions) => done(await lock(frame, options)));
}

export function unlockCommand(frame: Frame, done: (code: number) => void): Command {
  return new Command("unlock")
    .summary("lift a lock")
    .description("Lifts a lock before its time.")
    .argument("<lock>", "its id, or the beginning of it (`bartizan locks`)")
    .addHelpText("after", "\nExample:\n  bartizan unlock q3Zf")
    .action(async (given: string) => done(await unlock(frame, given)));
}

export function locksCommand(frame: Frame, done: (code: number) => void): Command {
  return new Command("locks")
    .summary("list the locks in force")
    .description("Lists the locks in force, newest first: those that you may lift, and those that bar you.")
    .option("--json", "one JSON document (bartizan.v1.ListLocksResponse)")
    .addHelpText("after", "\nExamples:\n  bartizan locks\n  bartizan locks --json | jq -r '.locks[].id'")
    .action(async (options: { readonly json?: boolean }) => done(await locks(frame, options)));
}

async function lock(frame: Frame, options: LockOptions): Promise<number> {
  const { user = "", role = "", target = "", reason, until } = options;
  if ((options.everybody === true) === (user !== "" || role !== "" || target !== ""))
    throw new Complaint(
      "Say whom it bars: --user, --role, --target, or --everybody.",
      "`bartizan lock --help` has examples.",
      exitCodes.usage,
    );
  using api = frame.api();
  const answer = await api.clients.locks.setLock(
    {
      ...{ user, role, target, reason, endSessions: options.endSessions ?? false },
      ...(until === undefined ? {} : { until }),
    },
    { timeoutMs: lockTimeoutMs },
  );
  if (options.json) await frame.printJson(SetLockResponseSchema, answer);
  else await frame.print(`${answerWords(answer, options.endSessions ?? false)}\n`);
  if (answer.unknownName) frame.tell("Nobody and nothing of that name is known here; the lock stands.");
  return answer.notEverywhere || answer.sessionsUnreachable > 0 ? exitCodes.unreachable : exitCodes.ok;
}

function answerWords(
  { lock, sessionsEnded, sessionsUnreachable, notEverywhere }: SetLockResponse,
  ends: boolean,
): string {
  return [
    `${printable(lock?.id ?? "")}: ${lock === undefined ? "locked" : lockWords(lock)}.`,
    ...(ends ? [`${sessionsEnded} ${sessionsEnded === 1 ? "session was" : "sessions were"} ended.`] : []),
    ...(sessionsUnreachable > 0 ? [`The nodes of ${sessionsUnreachable} more did not answer; the orders stand.`] : []),
    ...(notEverywhere ? ["Some nodes could not be told yet."] : []),
  ].join(" ");
}

async function unlock(frame: Frame, given: string): Promise<number> {
  using api = frame.api();
  const { locks: all } = await api.clients.locks.listLocks({}, { timeoutMs: callTimeoutMs });
  const fitting = all.filter(({ id }) => id.startsWith(given));
  if (given !== "" && fitting.length > 1)
    throw new Complaint(`"${printable(given)}" begins ${fitting.length} ids.`, "Give more of it.", exitCodes.usage);
  const id = fitting[0]?.id ?? given;
  const { notEverywhere } = await api.clients.locks.liftLock({ id }, { timeoutMs: callTimeoutMs });
  await frame.print(`${printable(id)} is lifted.${notEverywhere ? " Some nodes could not be told yet." : ""}\n`);
  return notEverywhere ? exitCodes.unreachable : exitCodes.ok;
}

async function locks(frame: Frame, { json }: { readonly json?: boolean }): Promise<number> {
  using api = frame.api();
  const answer = await api.clients.locks.listLocks({}, { timeoutMs: callTimeoutMs });
  if (json) await frame.printJson(ListLocksResponseSchema, answer);
  else if (answer.locks.length === 0) frame.tell("There is no lock that concerns you.");
  else await frame.print(table(columns, answer.locks, frame.paint));
  if (answer.stale) frame.tell("What other nodes have locked was not heard of for too long.");
  return exitCodes.ok;
}

/** "alice may open no shell on db1 until ..." */
export function lockWords({ user, role, target, until }: Lock): string {
  const who = whoWords(user, role);
  const where = target === "" ? "anywhere" : `on ${printable(target)}`;
  const end = until === undefined ? "until it is lifted" : `until ${timeWords(until)}`;
  return `${who === "everybody" ? "nobody may open a shell" : `${who} may open no shell`} ${where} ${end}`;
}

function whoWords(user: string, role: string): string {
  const name = printable(user, 100);
  if (role === "") return name || "everybody";
  return name === "" ? `every ${role}` : `${name} as ${role}`;
}

function timeWords(time: Timestamp): string {
  const date = timestampDate(time);
  const two = (value: number) => String(value).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`;
}
