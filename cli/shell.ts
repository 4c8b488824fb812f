/** `bartizan shell`: opens a shell on a target, or takes up one's own session again, and feels like ssh. */

import { Command } from "commander";
import type { EndCause } from "../proto/client/events.ts";
import type { ShellOptions } from "../proto/client/shell.ts";
import { Complaint } from "./complaint.ts";
import { exitCodes, shellExitCode } from "./exit-codes.ts";
import type { Frame } from "./frame.ts";
import { complaintAfterLook } from "./other-scheme.ts";
import { resolveSession } from "./session-id.ts";
import { pipeShell } from "./shell-pipe.ts";
import { terminalShell } from "./shell-terminal.ts";
import { stdinIsTty } from "./tty.ts";
import { endWords } from "./words.ts";

export interface ShellFlags {
  readonly session?: string;
}

/** How the command is over: the session's end, or the user's own way out with its exit code. */
export type ShellEnd =
  | { readonly kind: "ended"; readonly cause: EndCause }
  | { readonly kind: "left"; readonly exitCode: number; readonly words?: string };

export function shellCommand(frame: Frame, done: (code: number) => void): Command {
  return new Command("shell")
    .summary("open a shell on a target")
    .description(
      "Opens a shell on a target and gives you its terminal. When the connection is lost it comes back by itself, to the same shell and the same screen; what you type meanwhile is thrown away, and you are told.",
    )
    .argument("[target]", "its name (`bartizan targets`)")
    .option("--session <id>", "take up your own session again instead (its id, or the beginning of it)")
    .addHelpText(
      "after",
      `
Right after Enter:  ~. ends the session   ~d leaves and keeps it   ~? tells more

Exits with the shell's own status (128 + n when it died of a signal), 254 when it was kicked, 255 when the connection
or the login failed. With its input from a pipe it types that, then end of file, and writes the output exactly.

Examples:
  bartizan shell demo
  bartizan shell --session n1-7f3a
  echo 'uname -a' | bartizan shell demo`,
    )
    .action(async (target: string | undefined, flags: ShellFlags) => done(await shell(frame, target, flags)));
}

async function shell(frame: Frame, target: string | undefined, flags: ShellFlags): Promise<number> {
  if ((target === undefined) === (flags.session === undefined)) {
    throw new Complaint(
      "A shell needs a target, or a session to take up.",
      "`bartizan targets` and `bartizan sessions` show what there is.",
      exitCodes.usage,
    );
  }
  using api = frame.api();
  try {
    const open: ShellOptions["open"] =
      flags.session === undefined
        ? { target: target ?? "" }
        : { sessionId: await resolveSession(api.clients, flags.session) };
    const run = stdinIsTty() ? terminalShell : pipeShell;
    const end = await run(frame, api.clients.sessions, open, (address) => api.at(address)?.sessions);
    if (end.kind === "left") {
      if (end.words !== undefined) frame.tell(end.words);
      return end.exitCode;
    }
    if (end.cause.kind !== "exited") frame.tell(endWords(end.cause));
    return shellExitCode(end.cause);
  } catch (error) {
    // As with ssh, 255 is: no shell could be had, whoever said so.
    const { message, hint, exitCode } = await complaintAfterLook(error, api.server);
    throw new Complaint(message, hint, exitCode === exitCodes.usage ? exitCode : exitCodes.connection);
  }
}
