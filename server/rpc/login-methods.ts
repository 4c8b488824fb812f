/** The part of AccessService by which people and programs come in, and leave. */
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { type AccessService, LoginState } from "../../proto/gen/bartizan/v1/access_pb.ts";
import type { AccessChanges } from "../access/changes.ts";
import type { TellIdentity } from "../access/identity-events.ts";
import type { Logins } from "../access/logins.ts";
import { BartizanFault, faultFrom } from "../errors.ts";
import type { Clock } from "../flow/clock.ts";
import { clearingCookie, signInCookie } from "./cookies.ts";
import { actorOfCall, addressOfCall, callerOfCall, callOf } from "./guard.ts";

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
  readonly tell: TellIdentity;
}

type LoginMethods = Pick<
  ServiceImpl<typeof AccessService>,
  "getSignInWays" | "beginLogin" | "pollLogin" | "getLogin" | "answerLogin" | "logout"
>;

/** Longer ones are nobody's. */
const maxIdLength = 100;

export function createLoginMethods(needs: LoginMethodsNeeds): LoginMethods {
  const { logins, clock, tell, changes } = needs;
  const throttled = <T>(context: HandlerContext, attempt: () => T): T => {
    try {
      return attempt();
    } catch (error) {
      if (faultFrom(error).word === "limit") tell({ event: "login-throttled", address: addressOfCall(context) });
      throw error;
    }
  };
  return {
    getSignInWays: () => ({ provider: needs.provider, login: needs.loginEnabled }),

    beginLogin({ host }, context) {
      const address = addressOfCall(context);
      const { id, code, everyMs, forMs } = throttled(context, () => logins.begin(host, address));
      tell({ event: "device-code-issued", address });
      return {
        ...{ id, code, url: needs.loginUrl(code), every: durationFromMs(everyMs) },
        expiresAt: timestampFromMs(clock.wallMs() + forMs),
      };
    },

    pollLogin({ id }, context) {
      const address = addressOfCall(context);
      const answer = logins.poll(short(id), (name, byToken) =>
        tell({ event: "login-ok", actor: { name, address, signedIn: "device", byToken } }),
      );
      if (answer.kind === "pending") return { state: LoginState.PENDING, every: durationFromMs(answer.everyMs) };
      if (answer.kind === "denied") return { state: LoginState.DENIED };
      const { token, name, expiresAtMs } = answer;
      return { state: LoginState.ALLOWED, token, name, expiresAt: timestampFromMs(expiresAtMs) };
    },

    getLogin({ code }, context) {
      const { host, address, atMs, ...asked } = throttled(context, () =>
        logins.find(short(code), callerOfCall(context)),
      );
      return {
        ...{ code: asked.code, host, address, askedAt: timestampFromMs(atMs) },
        lasts: durationFromMs(needs.loginMs),
      };
    },

    answerLogin({ code, allow }, context) {
      const caller = callerOfCall(context);
      const event = allow ? "device-code-approved" : "device-code-denied";
      throttled(context, () =>
        logins.answer(short(code), caller, allow, ({ host, address }) =>
          tell({ event, actor: actorOfCall(context), cause: `for ${host} at ${address}` }),
        ),
      );
      return {};
    },

    logout(_request, context) {
      const { caller, credential } = callOf(context);
      if (caller.signedIn === "oidc") context.responseHeader.set("set-cookie", clearingCookie(signInCookie));
      // A token of the config goes on, and so the log says nothing else.
      if (credential.end === undefined) return { ended: false };
      credential.end();
      tell({ event: "logout", actor: actorOfCall(context) });
      changes.tell({ why: "signed-out", name: caller.name });
      return { ended: true };
    },
  };
}

function short(text: string): string {
  if (text.length <= maxIdLength) return text;
  throw new BartizanFault("invalid", "This is too long for a login.");
}
