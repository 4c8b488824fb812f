/** The part of AccessService by which people and programs come in, and leave. */
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { type AccessService, LoginState } from "../../proto/gen/bartizan/v1/access_pb.ts";
import type { AccessChanges } from "../access/changes.ts";
import type { Logins } from "../access/logins.ts";
import { BartizanFault } from "../errors.ts";
import type { Clock } from "../flow/clock.ts";
import type { Log } from "../log.ts";
import { clearingCookie, signInCookie } from "./cookies.ts";
import { callerOfCall, callOf, peerKey } from "./guard.ts";

export interface LoginMethodsNeeds {
  readonly logins: Logins;
  /** How the page names the identity provider; empty: there is none. */
  readonly provider: string;
  readonly loginEnabled: boolean;
  readonly loginMs: number;
  /** The page's address for this code of a login. */
  readonly loginUrl: (code: string) => string;
  readonly changes: AccessChanges;
  readonly clock: Clock;
  readonly log: Log;
}

type LoginMethods = Pick<
  ServiceImpl<typeof AccessService>,
  "getSignInWays" | "beginLogin" | "pollLogin" | "getLogin" | "answerLogin" | "logout"
>;

/** Longer ones are nobody's. */
const maxIdLength = 100;

export function createLoginMethods(needs: LoginMethodsNeeds): LoginMethods {
  const { logins, clock, log, changes } = needs;
  return {
    getSignInWays: () => ({ provider: needs.provider, login: needs.loginEnabled }),

    beginLogin({ host }, context) {
      const address = addressOf(context);
      const { id, code, everyMs, forMs } = logins.begin(host, address);
      log.info({ address }, "login begun");
      return {
        ...{ id, code, url: needs.loginUrl(code), every: durationFromMs(everyMs) },
        expiresAt: timestampFromMs(clock.wallMs() + forMs),
      };
    },

    pollLogin({ id }) {
      const answer = logins.poll(short(id));
      if (answer.kind === "pending") return { state: LoginState.PENDING, every: durationFromMs(answer.everyMs) };
      if (answer.kind === "denied") return { state: LoginState.DENIED };
      const { token, name, expiresAtMs } = answer;
      log.info({ by: name }, "logged in");
      return { state: LoginState.ALLOWED, token, name, expiresAt: timestampFromMs(expiresAtMs) };
    },

    getLogin({ code }, context) {
      const { host, address, atMs, ...asked } = logins.find(short(code), callerOfCall(context));
      return {
        ...{ code: asked.code, host, address, askedAt: timestampFromMs(atMs) },
        lasts: durationFromMs(needs.loginMs),
      };
    },

    answerLogin({ code, allow }, context) {
      const caller = callerOfCall(context);
      const { host, address } = logins.answer(short(code), caller, allow);
      log.info({ by: caller.name, host, address }, allow ? "login allowed" : "login denied");
      return {};
    },

    logout(_request, context) {
      const { caller, credential } = callOf(context);
      credential.end?.();
      if (caller.bySignIn === true) context.responseHeader.set("set-cookie", clearingCookie(signInCookie));
      log.info({ by: caller.name }, "logged out");
      changes.tell({ why: "signed-out", name: caller.name });
      return { ended: credential.end !== undefined };
    },
  };
}

function addressOf(context: HandlerContext): string {
  return context.values.get(peerKey)?.address ?? "";
}

function short(text: string): string {
  if (text.length <= maxIdLength) return text;
  throw new BartizanFault("invalid", "This is too long for a login.");
}
