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
  if (fault.word === "connection") {
    const known = knownTrouble(fault.message, server);
    if (known !== undefined) return known;
  }
  const message = printable(fault.message) || fault.word;
  const hint = [printable(fault.hint) || hintFor(fault, server), whereWords(fault)].filter(Boolean).join(" ");
  return new Complaint(message, hint, faultExitCode(fault));
}

/**
 * A session that was there before the line was lost, and is not there now; undefined for any other error. The server's own
 * sentence says why, where it knows more than that there is none.
 */
export function goneComplaint(error: unknown): Complaint | undefined {
  const { word, message } = faultOf(error);
  if (word !== "not-found") return undefined;
  const plain = message === "" || message === "There is no such session.";
  return new Complaint(
    plain ? "The server was restarted, or your shell has ended; it is gone." : printable(message),
    "`bartizan sessions --all` shows what there is, and what ended lately.",
    exitCodes.connection,
  );
}

/** What Node says about connections, in words that say what to do. */
function knownTrouble(message: string, server: string): Complaint | undefined {
  const trouble = (what: string, todo: string) => new Complaint(what, todo, exitCodes.connection);
  if (/self-signed certificate|unable to (verify the first|get (local )?issuer) certificate/.test(message)) {
    return trouble(
      `The certificate of ${server} is signed by nobody whom this machine knows.`,
      "--ca FILE names a PEM file with the certificate to trust; ask this bastion's admin for it.",
    );
  }
  if (message.includes("does not match certificate's altnames")) {
    return trouble(
      `The certificate of ${server} is for other names.`,
      "Write the server's address with a name that its certificate has.",
    );
  }
  if (/wrong version number|packet length too long/i.test(message)) return trouble(...wrongScheme(server));
  if (message === "Protocol error") {
    return trouble(
      `What listens at ${server} is no bartizan: it does not speak HTTP/2.`,
      "Look at the address; a proxy in between has to pass HTTP/2 on.",
    );
  }
  if (/stream closed with error code (CANCEL|NGHTTP2_(CANCEL|REFUSED_STREAM|ENHANCE_YOUR_CALM))/i.test(message)) {
    return trouble(
      `The server at ${server} is busy or refused the connection.`,
      "Try again in a moment; if it stays so, its log or `bartizan doctor` has the cause.",
    );
  }
  return undefined;
}

/** What to say where a server speaks TLS and was asked without, or the other way round: what happened, and what to do. */
export function wrongScheme(server: string): [what: string, todo: string] {
  const { protocol, host } = new URL(server);
  return protocol === "https:"
    ? [`The server at ${host} speaks no TLS.`, `Write http://${host} (--server or BARTIZAN_SERVER).`]
    : [
        `The server at ${host} speaks only TLS.`,
        `Write https://${host} (--server or BARTIZAN_SERVER), with --ca FILE for a certificate of its own.`,
      ];
}

/** Where what was asked for can be had, as an option of the same command. */
function whereWords({ word, address, hint }: CallFault): string {
  if (word !== "not-here" || address === "" || hint.includes("--server")) return "";
  return `The same command with --server ${printable(address)} asks there.`;
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
        return `The server does not go by the name in ${server}: it belongs into listen.names of its config, or as the address of a balancer into group.url.`;
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
