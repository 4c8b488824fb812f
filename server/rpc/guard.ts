/** Who calls, and may he: asked before a byte of the body is read, of every RPC; a method without a row stops the start. */
import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError, type ContextKey, createContextKey, type HandlerContext } from "@connectrpc/connect";
import { AuditService } from "../../proto/gen/bartizan/v1/audit_pb.ts";
import { SessionService } from "../../proto/gen/bartizan/v1/session_pb.ts";
import type { AccessChanges } from "../access/changes.ts";
import type { LoginMeter } from "../access/login-meter.ts";
import { anyone, type Caller, policyTable } from "../access/policy.ts";
import type { Credential } from "../access/principals.ts";
import type { Rights } from "../access/rights.ts";
import type { SignInNotes } from "../access/sign-in-notes.ts";
import type { Throttle } from "../access/throttle.ts";
import type { Actor, Audit } from "../audit.ts";
import { BartizanFault } from "../errors.ts";
import type { Clock } from "../flow/clock.ts";
import type { Log } from "../log.ts";
import { connectErrorFrom } from "./errors.ts";
import { createViewFold } from "./view-fold.ts";

/** The connection a call came in on, for the front: told when a caller on it has shown a valid token. */
export interface Peer {
  readonly address: string;
  readonly authenticated: () => void;
}

export const peerKey: ContextKey<Peer | undefined> = createContextKey<Peer | undefined>(undefined, {
  description: "peer",
});
/** The sign-in cookie of a call that proved to be from this server's own page; the front sets it, and nobody else. */
export const cookieKey: ContextKey<string | undefined> = createContextKey<string | undefined>(undefined, {
  description: "cookie",
});
const callKey: ContextKey<Call | undefined> = createContextKey<Call | undefined>(undefined, { description: "call" });

/** One call that the guard let in, for as long as it lasts. */
export interface Call {
  /** As the guard last found him: what he may now, not what he might when he came. */
  readonly caller: Caller;
  /** What he came by. */
  readonly credential: Credential;
  /**
   * A further question, to be asked again with the guard's own. It throws when what is done here may not go on, and that
   * ends the call's signal. Not asked at once.
   */
  ask(question: (caller: Caller) => void): void;
}

/** Throws unless every method has a row in the policy table. */
export function assertEveryMethodHasARow(requestPaths: readonly string[]): void {
  const missing = requestPaths.map((path) => path.slice(1)).filter((method) => !Object.hasOwn(policyTable, method));
  if (missing.length > 0) throw new Error(`no row in the policy table for ${missing.join(", ")}`);
}

/** What a call brought to say who it is from: a token, else a cookie. */
export interface Proof {
  readonly token: string | undefined;
  readonly cookie: string | undefined;
  readonly address: string;
  /** The call is none that a person makes: pages keep it open by themselves, whether or not somebody is there. */
  readonly byItself: boolean;
}

/**
 * A page sets it on calls that it makes though nobody has touched it. Whoever else sets it only shortens his own sign-in:
 * such a call is no use of it. Also in web/attendance.ts.
 */
const byItselfHeader = "bartizan-by-itself";
/** Lists that pages follow as long as they are open. */
const byItself: ReadonlySet<DescMethod> = new Set([
  SessionService.method.watchSessions,
  AuditService.method.followAudit,
]);

/** What a proof is worth; `call` is the signal of the call that brought it. Undefined for one that is worth nothing. */
export type CredentialOf = (proof: Proof, call: AbortSignal) => Credential | undefined;

/** Open streams are asked again this often, and at once when rights change. */
const askAgainMs = 5000;

export interface GuardNeeds {
  readonly credentialOf: CredentialOf;
  readonly rights: Rights;
  readonly changes: AccessChanges;
  readonly throttle: Pick<Throttle, "admit">;
  readonly clock: Clock;
  readonly log: Log;
  readonly audit: Pick<Audit, "note">;
  readonly signIns: SignInNotes;
  readonly linkMeter: Pick<LoginMeter, "tokenRefused">;
}

/** The `requestGate` of every handler. A stream that it let in ends as soon as it would not be let in any more. */
export function createGuard(needs: GuardNeeds) {
  const { rights, log, audit, signIns, clock } = needs;
  const foldRefusal = createViewFold(clock);
  return (context: HandlerContext): void => {
    try {
      const method = `${context.service.typeName}/${context.method.name}`;
      const action = policyTable[method];
      if (action === anyone) return;
      const credential = authenticated(context, needs);
      context.values.get(peerKey)?.authenticated();
      const check = (caller: Caller) => {
        if (action === undefined || !rights.mayEver(caller, action)) throw mayNot();
      };
      const actor = actorOf(context, credential.caller);
      signIns.called(actor);
      try {
        check(credential.caller);
      } catch (error) {
        foldRefusal(actor, method, () => audit.note({ event: "call-refused", actor, method, cause: "forbidden" }));
        throw error;
      }
      const call =
        context.method.methodKind === "unary"
          ? { caller: credential.caller, credential, ask: () => {} }
          : askedAgain(context, credential, check, needs);
      context.values.set(callKey, call);
    } catch (error) {
      throw connectErrorFrom(error, log);
    }
  };
}

/** The caller that the guard let in. */
export function callerOfCall(context: HandlerContext): Caller {
  return callOf(context).caller;
}

/** The address that a call came from. */
export function addressOfCall(context: HandlerContext): string {
  return context.values.get(peerKey)?.address ?? "";
}

/** The caller as the audit log names him: who, from where, and how he signed in. */
export function actorOfCall(context: HandlerContext): Actor {
  return actorOf(context, callerOfCall(context));
}

function actorOf(context: HandlerContext, { name, signedIn, byToken }: Caller): Actor {
  return { name, address: addressOfCall(context), signedIn, byToken };
}

/** The call that the guard let in. */
export function callOf(context: HandlerContext): Call {
  const call = context.values.get(callKey);
  if (call === undefined) throw new ConnectError("no caller", Code.Internal);
  return call;
}

function mayNot(): BartizanFault {
  return new BartizanFault("forbidden", "You may not do this.", "Ask an admin for the role that may.");
}

/** Asks a stream's questions again until its signal aborts, which the first question that throws brings about. */
function askedAgain(
  context: HandlerContext,
  credential: Credential,
  check: (caller: Caller) => void,
  { changes, clock, log }: GuardNeeds,
): Call {
  const questions = [check];
  let caller = credential.caller;
  const end = (reason: unknown) => {
    // The library's type hides it; both ways into a handler make their context by the library's own function.
    (context as HandlerContext & { abort(reason: unknown): void }).abort(connectErrorFrom(reason, log));
  };
  const again = () => {
    try {
      const now = credential.again();
      if (now === undefined)
        throw new BartizanFault("unauthenticated", "You are signed out, or your access was ended.", "Sign in again.");
      caller = now;
      for (const question of questions) question(now);
    } catch (reason) {
      end(reason);
    }
  };
  if (!context.signal.aborted) {
    const timer = clock.every(askAgainMs, again);
    const told = changes.onChange(({ name }) => {
      if (name === undefined || name === credential.caller.name) again();
    });
    const over = () => {
      timer[Symbol.dispose]();
      told[Symbol.dispose]();
    };
    context.signal.addEventListener("abort", over, { once: true });
  }
  return {
    credential,
    get caller() {
      return caller;
    },
    ask: (question) => void questions.push(question),
  };
}

function authenticated(
  context: HandlerContext,
  { credentialOf, throttle, signIns, linkMeter }: GuardNeeds,
): Credential {
  const header = context.requestHeader.get("authorization") ?? "";
  const token = /^Bearer ([\x21-\x7e]{1,512})$/i.exec(header)?.[1];
  const cookie = context.values.get(cookieKey);
  const address = context.values.get(peerKey)?.address ?? "";
  const proof = {
    token,
    cookie: token === undefined ? cookie : undefined,
    address,
    byItself: byItself.has(context.method) || context.requestHeader.has(byItselfHeader),
  };
  const credential = credentialOf(proof, context.signal);
  // A call without any token guesses nothing, and a cookie may simply be over.
  if (token !== undefined) {
    try {
      throttle.admit({ address, claims: idOf(token), unguessable: isUnguessable(token) }, credential?.caller.name);
    } catch (error) {
      signIns.throttled(address, "token");
      throw error;
    }
    if (credential === undefined) signIns.failed(address, "token");
  }
  if (credential !== undefined) return credential;
  linkMeter.tokenRefused();
  throw new BartizanFault(
    "unauthenticated",
    token === undefined
      ? cookie === undefined
        ? "This call needs a token."
        : "This sign-in is over."
      : "This token is not known here.",
    "Send it as `authorization: Bearer TOKEN`; on the server's own machine the CLI finds it by itself.",
  );
}

/** 256 bits in base64 at least; docs/config.md tells how tokens of the config are made. */
function isUnguessable(token: string): boolean {
  return token.length >= 43;
}

/** The public part of an API token: whom it claims to come from. */
function idOf(token: string): string | undefined {
  return /^bzt_([A-Za-z0-9]{1,40})_/.exec(token)?.[1];
}
