/** The one table of exit codes; docs/cli.md shows the same. */

import { constants } from "node:os";
import type { EndCause } from "../proto/client/events.ts";
import type { CallFault } from "../proto/client/faults.ts";

export const exitCodes = {
  ok: 0,
  /** The server refused, or a check failed. */
  failed: 1,
  /** The command line is wrong. */
  usage: 2,
  /** kick: the session had ended before. */
  alreadyEnded: 3,
  /** kick: the holder of the session did not answer; the order stands. */
  unreachable: 4,
  /** verify: no final seal; output missing; not what was written; no seal of a known key; no file. As docs/recording.md has it. */
  incomplete: 3,
  gap: 4,
  altered: 5,
  unsigned: 6,
  missing: 7,
  /** shell, watch: an admin ended it. */
  kicked: 254,
  /** No connection, or the shell could not be had, or its end is unknown. As ssh has it. */
  connection: 255,
} as const;

/** 128 + n, as shells have it; 255 for a name this system does not know. `name` without SIG. */
export function signalExitCode(name: string): number {
  const number = (constants.signals as Record<string, number>)[`SIG${name}`];
  return number === undefined ? exitCodes.connection : 128 + number;
}

/** For commands that are one call: the server answered "no", or there was no answer. */
export function faultExitCode(fault: CallFault): number {
  return fault.word === "connection" ? exitCodes.connection : exitCodes.failed;
}

/** For `shell`: the remote status as one's own. */
export function shellExitCode(cause: EndCause): number {
  switch (cause.kind) {
    case "exited":
      return cause.code;
    case "signalled":
      return signalExitCode(cause.name);
    case "kicked":
      return exitCodes.kicked;
    case "lost":
    case "closed":
      return exitCodes.connection;
  }
}

/** For `watch`: the session's own status is not the watcher's. */
export function watchExitCode(cause: EndCause): number {
  return cause.kind === "kicked" ? exitCodes.kicked : exitCodes.ok;
}
