/** `bartizan doctor`: looks at everything between this user and a shell, and says what to do about what is wrong. */

import { accessSync, constants, existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { Command } from "commander";
import { printable } from "../proto/client/printable.ts";
import { callTimeoutMs, findToken, serverAddress, tokenFile } from "./api.ts";
import { complaintOf } from "./complaint.ts";
import { exitCodes } from "./exit-codes.ts";
import type { Frame } from "./frame.ts";
import { complaintAfterLook } from "./other-scheme.ts";
import { table } from "./table.ts";
import { stdinIsTty, stdoutIsTty } from "./tty.ts";

export interface Finding {
  readonly what: string;
  readonly state: "ok" | "warn" | "fail";
  readonly found: string;
  /** What to do; empty when all is well. */
  readonly advice: string;
}

export function doctorCommand(frame: Frame, done: (code: number) => void): Command {
  return new Command("doctor")
    .summary("look for what is wrong, and say what to do")
    .description("Checks this machine, the token and the server. Exits with 1 when a check fails.")
    .option("--json", "one JSON document: a list of {what, state, found, advice}")
    .addHelpText("after", "\nExample:\n  bartizan doctor --server https://bastion.example.org")
    .action(async (options: { readonly json?: boolean }) => done(await doctor(frame, options)));
}

async function doctor(frame: Frame, options: { readonly json?: boolean }): Promise<number> {
  const findings = [node(), terminal(), stateDir(frame), sshConfig(frame), token(frame), ...(await server(frame))];
  if (options.json) await frame.print(`${JSON.stringify(findings)}\n`);
  else {
    const columns = [
      { head: "", cell: (each: Finding) => each.state },
      { head: "CHECK", cell: (each: Finding) => each.what },
      { head: "FOUND", cell: (each: Finding) => each.found, most: 300 },
    ];
    await frame.print(table(columns, findings, frame.paint));
    const todo = findings.filter((each) => each.advice !== "");
    await frame.print(todo.map((each) => `\n${each.what}: ${each.advice}\n`).join(""));
  }
  return findings.some((each) => each.state === "fail") ? exitCodes.failed : exitCodes.ok;
}

const ok = (what: string, found: string): Finding => ({ what, state: "ok", found, advice: "" });
const warn = (what: string, found: string, advice: string): Finding => ({ what, state: "warn", found, advice });
const fail = (what: string, found: string, advice: string): Finding => ({ what, state: "fail", found, advice });

function node(): Finding {
  const version = process.versions.node;
  if (Number.parseInt(version, 10) >= 24) return ok("Node", version);
  return fail("Node", version, "bartizan needs Node 24 or newer.");
}

function terminal(): Finding {
  if (stdinIsTty() && stdoutIsTty()) return ok("terminal", "yes");
  return warn("terminal", "no", "`shell` works with pipes too, but keys, sizes and questions need a terminal.");
}

function stateDir(frame: Frame): Finding {
  const dir = frame.around.stateDir;
  let existing = dir;
  while (!existsSync(existing) && dirname(existing) !== existing) existing = dirname(existing);
  try {
    accessSync(existing, constants.W_OK | constants.X_OK);
    return ok("state directory", existing === dir ? dir : `${dir} (not there yet)`);
  } catch {
    return fail("state directory", `${existing} is not writable`, `Make ${dir} a directory of your own.`);
  }
}

function sshConfig(frame: Frame): Finding {
  const file = join(frame.around.home, ".ssh", "config");
  if (!existsSync(file)) return ok("ssh config", `${file} is not there; only configured targets are served`);
  try {
    readFileSync(file);
    return ok("ssh config", file);
  } catch {
    return warn("ssh config", `${file} cannot be read`, `Its hosts are not offered as targets: \`chmod u+r ${file}\`.`);
  }
}

function token(frame: Frame): Finding {
  const flags = frame.flags();
  try {
    const from = tokenFile(flags, frame.around) ?? "BARTIZAN_TOKEN";
    findToken(flags, frame.around);
    const mode = from === "BARTIZAN_TOKEN" ? "" : ` (mode ${(statSync(from).mode & 0o777).toString(8)})`;
    return ok("token", `${from}${mode}`);
  } catch (error) {
    const { message, hint } = complaintOf(error, "");
    return fail("token", message, hint);
  }
}

async function server(frame: Frame): Promise<Finding[]> {
  let address = "";
  try {
    address = serverAddress(frame.flags(), frame.around);
    using api = frame.api();
    const me = await api.clients.access.whoAmI({}, { timeoutMs: callTimeoutMs });
    const roles = me.roles.map((role) => printable(role)).join(", ");
    return [
      ok("server", `${address}, version ${printable(me.serverVersion)}, node ${printable(me.node)}`),
      ok("you", `${printable(me.name)} (${roles})`),
      me.nativeCrypto
        ? ok("native cryptography", "yes")
        : warn(
            "native cryptography",
            "no",
            "The server takes twice the time for SSH; what it prints at its start says why, and the line that helps.",
          ),
      ok("sessions", String(me.sessions)),
    ];
  } catch (error) {
    const { message, hint } = await complaintAfterLook(error, address);
    return [fail("server", `${address} ${message}`.trim(), hint)];
  }
}
