/** The one table from what ssh2 and Node report to the bastion's fault words, in sentences that tell what to do. */
import { BartizanFault } from "../errors.ts";

interface Reported {
  readonly message: string;
  readonly level?: unknown;
  readonly code?: unknown;
  readonly reason?: unknown;
}

/** A fault for an error of the TCP connection to `where` (host:port). */
export function faultFromNetwork(error: unknown, where: string): BartizanFault {
  if (error instanceof BartizanFault) return error;
  const code = codeOf(error);
  switch (code) {
    case "ENOTFOUND":
      return new BartizanFault(
        "target-name-unknown",
        `The name in ${where} does not exist.`,
        "Check the target's host.",
        error,
      );
    case "EAI_AGAIN":
      return new BartizanFault(
        "target-unreachable",
        `The name service does not answer for ${where}.`,
        "Try again soon.",
        error,
      );
    case "ECONNREFUSED":
      return new BartizanFault(
        "target-unreachable",
        `Nothing listens on ${where}.`,
        "Is its SSH server running, on this port?",
        error,
      );
    case "ETIMEDOUT":
      return new BartizanFault(
        "target-timeout",
        `${where} does not answer.`,
        "Is the host up, and does a firewall let us in?",
        error,
      );
    case "ECONNRESET":
    case "EPIPE":
    case "ECONNABORTED":
      return new BartizanFault(
        "target-unreachable",
        `${where} broke the connection off.`,
        "Try again; the target's log may say why.",
        error,
      );
    default:
      return new BartizanFault(
        "target-unreachable",
        `${where} cannot be reached (${code ?? "no reason given"}).`,
        "Check the network between the bastion and the target.",
        error,
      );
  }
}

/** A fault for an error of ssh2 before the shell was open. */
export function faultFromSsh(error: unknown, where: string): BartizanFault {
  if (error instanceof BartizanFault) return error;
  const { message, level, code } = reported(error);
  if (level === "client-socket") return faultFromNetwork(error, where);
  if (level === "agent") return agentFault(error);
  if (level === "client-authentication" || code === 2 || code === 14) {
    return new BartizanFault(
      "login-refused",
      `${where} refused the login.`,
      "Check the user name and the key or password.",
      error,
    );
  }
  if (code === 12) return fullFault(where, error);
  if (/no matching/i.test(message)) {
    const what = /no matching (?:C->S |S->C )?([a-z -]{1,40})/i.exec(message)?.[1]?.trim() ?? "algorithm";
    return new BartizanFault(
      "target-unsupported",
      `${where} and the bastion have no ${what} in common.`,
      "Its SSH server is too old or too narrow: bring it up to date.",
      error,
    );
  }
  if (/signature verification failed/i.test(message)) {
    return new BartizanFault(
      "host-key-unproven",
      `${where} could not prove that it owns its host key.`,
      "Somebody may be in between: do not log in, ask the target's administrator.",
      error,
    );
  }
  if (/connection lost before handshake/i.test(message)) return closedFault(where, error);
  if (/timed out|timeout/i.test(message)) {
    return new BartizanFault("target-timeout", `${where} stopped answering.`, "Try again; check the network.", error);
  }
  return new BartizanFault(
    "target-protocol",
    `${where} does not speak SSH 2 properly.`,
    "Its SSH server sent something that cannot be understood; the log has the details.",
    error,
  );
}

/** A fault for a shell that the server did not open. Reasons are those of RFC 4254 section 5.1. */
export function faultFromChannel(error: unknown, where: string): BartizanFault {
  if (error instanceof BartizanFault) return error;
  const { message, reason } = reported(error);
  if (/pseudo-terminal/i.test(message)) {
    return new BartizanFault(
      "target-no-terminal",
      `${where} gives no terminal.`,
      "Its settings forbid it (PermitTTY, or the key's no-pty).",
      error,
    );
  }
  // OpenSSH answers reason 2 to a session over MaxSessions.
  if (reason === 4 || reason === 2) return fullFault(where, error);
  if (reason === 3) {
    return new BartizanFault(
      "target-unsupported",
      `${where} offers no shells.`,
      "Its SSH server is made for something else.",
      error,
    );
  }
  if (/no response|not connected/i.test(message)) return closedFault(where, error);
  return new BartizanFault(
    "target-forbids",
    `${where} forbids a shell.`,
    "The login worked, but its settings allow no shell for this user.",
    error,
  );
}

/** The server went away between the connection and the shell, and said nothing. */
export function closedFault(where: string, cause?: unknown): BartizanFault {
  return new BartizanFault(
    "target-unreachable",
    `${where} closed the connection during the login.`,
    "Its log says why (login time over, too many connections, policy).",
    cause,
  );
}

export function agentFault(cause?: unknown): BartizanFault {
  return new BartizanFault(
    "target-agent",
    "The SSH agent cannot be reached or refused to sign.",
    "Is the agent running, and its key unlocked?",
    cause,
  );
}

function fullFault(where: string, cause: unknown): BartizanFault {
  return new BartizanFault(
    "target-full",
    `${where} takes no further session.`,
    "End another one there, or raise its MaxSessions.",
    cause,
  );
}

function reported(error: unknown): Reported {
  return error instanceof Error ? (error as Error & Reported) : { message: String(error) };
}

/** With several addresses Node reports an AggregateError that may carry only a code, or only its parts. */
function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if ("code" in error && typeof error.code === "string") return error.code;
  return error instanceof AggregateError ? codeOf(error.errors[0]) : undefined;
}
