/** Errors as the CLI tells them: one line what happened, one line what to do, and an exit code. */

import { type CallFault, faultOf } from "../proto/client/faults.ts";
import { printable } from "../proto/client/printable.ts";
import { exitCodes, faultExitCode } from "./exit-codes.ts";

/** Something that ends the command. `message` says what happened, `hint` what to do; both fit for a terminal. */
export class Complaint extends Error {
  override readonly name = "Complaint";
  readonly hint: string;
  readonly exitCode: number;
  constructor(message: string, hint = "", exitCode: number = exitCodes.failed) {
    super(message);
    this.hint = hint;
    this.exitCode = exitCode;
  }
}

/** A failed call in the CLI's words; `server` is the address that was tried. A Complaint passes unchanged. */
export function complaintOf(error: unknown, server: string): Complaint {
  if (error instanceof Complaint) return error;
  const fault = faultOf(error);
  const message = printable(fault.message) || fault.word;
  const hint = printable(fault.hint) || hintFor(fault, server);
  return new Complaint(message, hint, faultExitCode(fault));
}

function hintFor(fault: CallFault, server: string): string {
  switch (fault.word) {
    case "unauthenticated":
      return "The server does not know this token. `bartizan doctor` shows which one is used and where it is from.";
    case "forbidden":
      return "Ask an admin of this bastion for the right to do this.";
    case "not-found":
      return "`bartizan sessions` and `bartizan targets` show what there is.";
    case "connection":
      // The server guards against names that are not its own (DNS rebinding).
      if (fault.message === "HTTP 421")
        return `The server at ${server} does not go by this name; see listen.names in its config.`;
      return `Is the server running at ${server}? \`bartizan doctor\` looks for the cause; --server names another one.`;
    case "internal":
      return fault.logId === "" ? "The server's log has the details." : `The server's log has it as ${fault.logId}.`;
    default:
      return "";
  }
}

/** Two lines for stderr, the second only when there is something to do. */
export function complaintLines(complaint: Complaint): string {
  const hint = complaint.hint === "" ? "" : `  ${complaint.hint}\n`;
  return `bartizan: ${complaint.message}\n${hint}`;
}
