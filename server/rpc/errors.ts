/** The one table from fault words to Connect codes, and the one place that makes Connect errors. */
import { randomBytes } from "node:crypto";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { FaultSchema } from "../../proto/gen/bartizan/v1/access_pb.ts";
import { BartizanFault, type FaultWord, faultFrom } from "../errors.ts";
import type { Log } from "../log.ts";
import type { LiveSession } from "../session/live-session.ts";
import type { Sessions } from "../session/sessions.ts";

/** What each fault is on the wire; documented in docs/errors.md. */
export const codeOf: Readonly<Record<FaultWord, Code>> = {
  unauthenticated: Code.Unauthenticated,
  forbidden: Code.PermissionDenied,
  "not-found": Code.NotFound,
  invalid: Code.InvalidArgument,
  limit: Code.ResourceExhausted,
  kicked: Code.PermissionDenied,
  "keyboard-taken": Code.Aborted,
  locked: Code.PermissionDenied,
  "locks-unknown": Code.Unavailable,
  "not-here": Code.FailedPrecondition,
  "target-unreachable": Code.Unavailable,
  "target-name-unknown": Code.NotFound,
  "target-address": Code.PermissionDenied,
  "target-timeout": Code.DeadlineExceeded,
  "target-protocol": Code.FailedPrecondition,
  "target-unsupported": Code.Unimplemented,
  "target-full": Code.ResourceExhausted,
  "target-forbids": Code.PermissionDenied,
  "target-no-terminal": Code.FailedPrecondition,
  "target-agent": Code.FailedPrecondition,
  "login-refused": Code.PermissionDenied,
  "login-abandoned": Code.Aborted,
  "host-key-unknown": Code.FailedPrecondition,
  "host-key-changed": Code.FailedPrecondition,
  "host-key-revoked": Code.FailedPrecondition,
  "host-key-unproven": Code.FailedPrecondition,
  "provider-unreachable": Code.Unavailable,
  "recorder-lost": Code.Unavailable,
  "holder-unreachable": Code.Unavailable,
  draining: Code.Unavailable,
  config: Code.Internal,
  internal: Code.Internal,
};

/**
 * A fault as a Connect error with a `bartizan.v1.Fault` detail. An internal one is logged under the id it carries; `node` is
 * told as the one that answers where another is meant.
 */
export function connectErrorFrom(error: unknown, log: Log, node = ""): ConnectError {
  if (error instanceof ConnectError) return error;
  if (isClientGone(error)) return new ConnectError("the client left", Code.Canceled);
  const fault = faultFrom(error);
  const logId = fault.word === "internal" ? randomBytes(6).toString("hex") : "";
  if (logId !== "") log.error({ err: fault.cause ?? fault, logId }, "internal fault");
  const answeredBy = fault.word === "not-here" ? node : "";
  const value = { word: fault.word, hint: fault.hint, logId, address: fault.address, answeredBy };
  const message = logId === "" ? fault.message : `${fault.message} (log id ${logId})`;
  return new ConnectError(message, codeOf[fault.word], undefined, [{ desc: FaultSchema, value }], fault);
}

/** What writing to a client who left in that moment ends with: no fault of ours, and nobody is there to be told. */
function isClientGone(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code ?? "";
  return ["ECANCELED", "EPIPE", "ECONNRESET", "ERR_HTTP2_INVALID_STREAM", "ERR_STREAM_WRITE_AFTER_END"].includes(code);
}

/**
 * Outermost interceptor: maps what handlers throw, also while the messages of a stream are consumed: the library's own
 * try/catch around `next` does not see those.
 */
export function errorInterceptor(log: Log, node: string): Interceptor {
  return (next) => async (request) => {
    try {
      const response = await next(request);
      return response.stream ? { ...response, message: mapped(response.message, log, node) } : response;
    } catch (error) {
      throw connectErrorFrom(error, log, node);
    }
  };
}

async function* mapped<T>(messages: AsyncIterable<T>, log: Log, node: string): AsyncIterable<T> {
  try {
    yield* messages;
  } catch (error) {
    throw connectErrorFrom(error, log, node);
  }
}

/** The same answer for a session that is not there and one that is not yours. */
export function noSuchSession(): BartizanFault {
  return new BartizanFault("not-found", "There is no such session.", "`bartizan sessions` lists those you may see.");
}

/** Throws `not-found`, also for one that has ended, and `holder-unreachable` when nothing is known of it. */
export async function liveSession(sessions: Sessions, id: string): Promise<LiveSession> {
  const found = await sessions.find(id);
  if (found.kind === "live") return found.session;
  throw (found.kind === "none" ? undefined : found.fault) ?? noSuchSession();
}

/** As `noSuchSession`, for recordings. */
export function noSuchRecording(): BartizanFault {
  return new BartizanFault(
    "not-found",
    "There is no such recording.",
    "`bartizan recordings` lists those you may see.",
  );
}
