/** The command line of bartizan: reads the arguments, runs one command, and ends the process with its exit code. */

import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { type ApiFlags, defaultServer, serverAddress, surroundings } from "./api.ts";
import { auditCommand } from "./audit.ts";
import { commandsCommand } from "./commands.ts";
import { complaintLines } from "./complaint.ts";
import { doctorCommand } from "./doctor.ts";
import { exitCodes } from "./exit-codes.ts";
import { exportCommand } from "./export.ts";
import { createFrame, type Frame } from "./frame.ts";
import { freezeCommand, unfreezeCommand } from "./freeze.ts";
import { kickCommand } from "./kick.ts";
import { linkCommand } from "./link.ts";
import { lockCommand, locksCommand, unlockCommand } from "./locks.ts";
import { loginCommand, logoutCommand } from "./login.ts";
import { complaintAfterLook } from "./other-scheme.ts";
import { playCommand } from "./play.ts";
import { recordingsCommand } from "./recordings.ts";
import { sessionsCommand } from "./sessions.ts";
import { shellCommand } from "./shell.ts";
import { targetsCommand } from "./targets.ts";
import { tokenCommand } from "./token.ts";
import { verifyCommand } from "./verify.ts";
import { watchCommand } from "./watch.ts";

const program = new Command("bartizan");
const frame = createFrame(surroundings(), () => program.opts<ApiFlags>());
// A reader of stderr that is gone (`2>&1 | head -1`) must not end the command before it has cleaned up.
process.stderr.on("error", () => {});
const code = await run(process.argv.slice(2));
// A terminal that takes nothing would hold an exit up for ever; a signal's own end does not wait for it.
if (frame.output.busy && code > 128 && code < 160) process.kill(process.pid, code - 128);
await frame.output.drained();
process.exit(code);

/** The exit code of the command in `args`. */
async function run(args: readonly string[]): Promise<number> {
  let code: number = exitCodes.ok;
  build(program, frame, (result) => {
    code = result;
  });
  try {
    await program.parseAsync(args.length === 0 ? ["help"] : args, { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    // `bartizan sessions | head`: the reader has seen enough.
    if ((error as NodeJS.ErrnoException).code === "EPIPE") return exitCodes.ok;
    const complaint = await complaintAfterLook(error, whichServer(frame));
    process.stderr.write(complaintLines(complaint));
    return complaint.exitCode;
  }
}

function whichServer(frame: Frame): string {
  try {
    return serverAddress(frame.flags(), frame.around);
  } catch {
    return "";
  }
}

function build(program: Command, frame: Frame, done: (code: number) => void): void {
  program
    .description(
      "An SSH bastion: shells that others can watch live, that admins can end for certain, and that survive a lost connection.",
    )
    .version(version(), "-V, --version", "print the version")
    .option("--server <url>", `the server to call (else BARTIZAN_SERVER, else ${defaultServer})`)
    .option("--ca <file>", "trust the certificates in this PEM file")
    .option("--token-file <file>", "read the token here (else BARTIZAN_TOKEN, else the state directory's)")
    .helpCommand("help [command]", "tell about a command")
    .showHelpAfterError("(`bartizan help` tells what there is)")
    .exitOverride()
    .addHelpText(
      "after",
      `
Examples:
  bartizan serve                          start a server here, with a demo target
  bartizan link                           open its page in a browser
  bartizan targets                        what can I open?
  bartizan shell demo                     open it
  bartizan sessions                       who is on what?
  bartizan watch n1-7f3a                  look over somebody's shoulder
  bartizan kick n1-7f3a --reason "..."    end it
  bartizan recordings                     what was recorded?
  bartizan play n1-7f3a                   see it again
  bartizan commands --search "rm rf"      who typed that?
  bartizan audit --follow                 what happens, as it is noted

Exit codes: 0 all well, 1 refused or failed, 2 wrong usage, 254 kicked, 255 no connection;
\`shell\` exits as the remote shell does. NO_COLOR switches colours off.`,
    );
  // These two start the server: the launcher runs them before this file is read. Here they are only told about.
  program.addCommand(elsewhere("serve", "start the server"));
  program.addCommand(elsewhere("config", "check a configuration file (`config check`)"));
  program.addCommand(elsewhere("policy", "explain what a configuration file's policies mean (`policy test`)"));
  for (const make of [
    linkCommand,
    targetsCommand,
    shellCommand,
    sessionsCommand,
    watchCommand,
    kickCommand,
    freezeCommand,
    unfreezeCommand,
    lockCommand,
    unlockCommand,
    locksCommand,
    recordingsCommand,
    playCommand,
    exportCommand,
    verifyCommand,
    commandsCommand,
    loginCommand,
    logoutCommand,
    tokenCommand,
    auditCommand,
    doctorCommand,
  ]) {
    program.addCommand(make(frame, done).exitOverride().showHelpAfterError("(`bartizan help` tells what there is)"));
  }
}

function elsewhere(name: string, summary: string): Command {
  return new Command(name)
    .summary(summary)
    .description(`Run \`bartizan ${name} --help\`.`)
    .allowUnknownOption()
    .argument("[words...]")
    .action(() => {
      process.stderr.write(`bartizan: "${name}" is run by the launcher \`bartizan\`, not by this file.\n`);
      throw new CommanderError(exitCodes.usage, "elsewhere", name);
    });
}

/** Of the package: two levels up from the compiled file, one from the source. */
function version(): string {
  for (const up of ["../package.json", "../../package.json"]) {
    try {
      const found = JSON.parse(readFileSync(new URL(up, import.meta.url), "utf8")) as {
        name?: string;
        version?: string;
      };
      if (found.name === "bartizan" && found.version !== undefined) return found.version;
    } catch {
      // Not here.
    }
  }
  return "unknown";
}
