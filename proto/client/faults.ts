/** What went wrong with a call, as plain values that a person or a program can use. */

import { Code, ConnectError } from "@connectrpc/connect";
import { FaultSchema } from "../gen/bartizan/v1/access_pb.ts";

/** `word` is the server's, from the closed list, or "connection" when the call did not get an answer of the server. */
export interface CallFault {
  readonly word: string;
  /** One sentence: what happened. As untrusted as the network; make it printable before showing it. */
  readonly message: string;
  /** What to do about it; may be empty. */
  readonly hint: string;
  readonly code: Code;
  /** Names the entry in the server's log; only with "internal". */
  readonly logId: string;
  /** Where to go instead; only with "not-here", and empty when that node cannot be reached directly. */
  readonly address: string;
  /** The node that answered; only with "not-here". As untrusted as `message`. */
  readonly answeredBy: string;
}

/** Never throws. Anything that is not an error of a call comes back as "connection" with code Unknown. */
export function faultOf(error: unknown): CallFault {
  const wire = ConnectError.from(error);
  const fault = wire.findDetails(FaultSchema)[0];
  return {
    word: fault?.word || wordOf(wire.code),
    message: wire.rawMessage,
    hint: fault?.hint ?? "",
    code: wire.code,
    logId: fault?.logId ?? "",
    address: fault?.address ?? "",
    answeredBy: fault?.answeredBy ?? "",
  };
}

/** Servers attach the word; a proxy in between does not, but its code still says the gist. */
function wordOf(code: Code): string {
  switch (code) {
    case Code.Unauthenticated:
      return "unauthenticated";
    case Code.PermissionDenied:
      return "forbidden";
    case Code.NotFound:
      return "not-found";
    case Code.InvalidArgument:
      return "invalid";
    default:
      return "connection";
  }
}

/**
 * Whether the call was lost on the way and may be made again. Decided by whether the server itself spoke: an error with
 * a fault attached is an answer, final unless its code is Unavailable. A connection that dies shows as Canceled,
 * Aborted, Internal or Unknown, depending on how it died; ask this only when the caller did not abort.
 */
export function isLostCall(error: unknown): boolean {
  const wire = ConnectError.from(error);
  const spoken = wire.findDetails(FaultSchema).length > 0;
  switch (wire.code) {
    case Code.Unavailable:
    case Code.DeadlineExceeded:
      return true;
    case Code.Canceled:
    case Code.Aborted:
    case Code.Internal:
    case Code.Unknown:
    case Code.ResourceExhausted:
      return !spoken;
    default:
      return false;
  }
}
