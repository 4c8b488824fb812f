/** Who calls, and may he: asked before a byte of the body is read, of every RPC; a method without a row stops the start. */
import { Code, ConnectError, type ContextKey, createContextKey, type HandlerContext } from "@connectrpc/connect";
import { anyone, type Caller, mayEver, policyTable } from "../access/policy.ts";
import type { Throttle } from "../access/throttle.ts";
import { BartizanFault } from "../errors.ts";
import type { Log } from "../log.ts";
import { connectErrorFrom } from "./errors.ts";

/** The connection a call came in on, for the front: told when a caller on it has shown a valid token. */
export interface Peer {
  readonly address: string;
  readonly authenticated: () => void;
}

export const peerKey: ContextKey<Peer | undefined> = createContextKey<Peer | undefined>(undefined, {
  description: "peer",
});
const callerKey: ContextKey<Caller | undefined> = createContextKey<Caller | undefined>(undefined, {
  description: "caller",
});

/** Throws unless every method has a row in the policy table. */
export function assertEveryMethodHasARow(requestPaths: readonly string[]): void {
  const missing = requestPaths.map((path) => path.slice(1)).filter((method) => !Object.hasOwn(policyTable, method));
  if (missing.length > 0) throw new Error(`no row in the policy table for ${missing.join(", ")}`);
}

/** Who a token stands for; `call` is the signal of the call that brought it. */
export type CallerOf = (token: string, call: AbortSignal) => Caller | undefined;

/** The `requestGate` of every handler. */
export function createGuard(callerOf: CallerOf, throttle: Throttle, log: Log) {
  return (context: HandlerContext): void => {
    try {
      const action = policyTable[`${context.service.typeName}/${context.method.name}`];
      if (action === anyone) return;
      const caller = authenticated(context, callerOf, throttle);
      context.values.get(peerKey)?.authenticated();
      if (action === undefined || !mayEver(caller, action))
        throw new BartizanFault("forbidden", "You may not do this.", "Ask an admin for the role that may.");
      context.values.set(callerKey, caller);
    } catch (error) {
      throw connectErrorFrom(error, log);
    }
  };
}

/** The caller that the guard let in. */
export function callerOfCall(context: HandlerContext): Caller {
  const caller = context.values.get(callerKey);
  if (caller === undefined) throw new ConnectError("no caller", Code.Internal);
  return caller;
}

function authenticated(context: HandlerContext, callerOf: CallerOf, throttle: Throttle): Caller {
  const header = context.requestHeader.get("authorization") ?? "";
  const token = /^Bearer ([\x21-\x7e]{1,512})$/i.exec(header)?.[1];
  const caller = token === undefined ? undefined : callerOf(token, context.signal);
  // A call without any token guesses nothing.
  if (token !== undefined)
    throttle.admit({ address: context.values.get(peerKey)?.address ?? "", claims: idOf(token) }, caller?.name);
  if (caller === undefined)
    throw new BartizanFault(
      "unauthenticated",
      token === undefined ? "This call needs a token." : "This token is not known here.",
      "Send it as `authorization: Bearer TOKEN`; on the server's own machine the CLI finds it by itself.",
    );
  return caller;
}

/** The public part of an API token: whom it claims to come from. */
function idOf(token: string): string | undefined {
  return /^bzt_([A-Za-z0-9]{1,40})_/.exec(token)?.[1];
}
