/** The identity provider, spoken to as OpenID Connect has it. The one file that touches the library for that. */
import {
  allowInsecureRequests,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  ClientSecretBasic,
  type Configuration,
  calculatePKCECodeChallenge,
  discovery,
  enableNonRepudiationChecks,
  fetchUserInfo,
  None,
  randomNonce,
  randomPKCECodeVerifier,
  randomState,
} from "openid-client";
import { BartizanFault } from "../errors.ts";
import type { Clock } from "../flow/clock.ts";
import type { OidcSettings } from "./identity-settings.ts";
import { type Claims, identityFrom, type OidcIdentity, refusedSignIn } from "./oidc-identity.ts";

/** What the server keeps while somebody is away at the provider. All of it is secret but `redirectUri`. */
export interface OidcAttempt {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
  readonly redirectUri: string;
}

export interface Oidc {
  /** Where to send the browser. Throws `provider-unreachable` when the provider does not answer. */
  begin(redirectUri: string): Promise<{ readonly url: string; readonly attempt: OidcAttempt }>;
  /**
   * What came back: the query of the callback. Checks state, nonce, issuer, audience, times, algorithm and signature
   * before it believes anything. Throws a refusal, or `provider-unreachable` when the provider does not answer.
   */
  finish(query: string, attempt: OidcAttempt): Promise<OidcIdentity>;
}

const timeoutSeconds = 10;
/** The provider's metadata is asked for anew after this: keys and addresses move. */
const freshMs = 60 * 60 * 1000;

/** Asks the provider nothing before somebody signs in: one that is down must not stop the start. */
export function createOidc(settings: OidcSettings, secret: string | undefined, clock: Clock): Oidc {
  let known: { readonly configuration: Promise<Configuration>; readonly untilMs: number } | undefined;

  function configuration(): Promise<Configuration> {
    const now = clock.monotonicMs();
    if (known !== undefined && now < known.untilMs) return known.configuration;
    const asked = discover(settings, secret);
    known = { configuration: asked, untilMs: now + freshMs };
    asked.catch(() => {
      known = undefined;
    });
    return asked;
  }

  return {
    async begin(redirectUri) {
      const provider = await reached(configuration());
      const attempt = {
        ...{ state: randomState(), nonce: randomNonce(), verifier: randomPKCECodeVerifier(), redirectUri },
      };
      const url = buildAuthorizationUrl(provider, {
        ...{ redirect_uri: redirectUri, scope: settings.scopes.join(" "), response_type: "code" },
        ...{ state: attempt.state, nonce: attempt.nonce },
        ...{ code_challenge: await calculatePKCECodeChallenge(attempt.verifier), code_challenge_method: "S256" },
      });
      return { url: url.href, attempt };
    },

    async finish(query, attempt) {
      const provider = await reached(configuration());
      const here = new URL(attempt.redirectUri);
      here.search = query;
      const tokens = await answered(
        authorizationCodeGrant(provider, here, {
          ...{ pkceCodeVerifier: attempt.verifier, expectedState: attempt.state, expectedNonce: attempt.nonce },
          idTokenExpected: true,
        }),
      );
      const claims: Claims | undefined = tokens.claims();
      if (claims === undefined || typeof claims.sub !== "string") throw refusedSignIn("answer-unfit", "no id token");
      const wanted = [settings.nameClaim, settings.groupsClaim];
      const complete = wanted.every((claim) => Object.hasOwn(claims, claim));
      if (complete || provider.serverMetadata().userinfo_endpoint === undefined) return identityFrom(claims, settings);
      // Many providers keep these out of the token. What the signed token says goes first.
      const more = await answered(fetchUserInfo(provider, tokens.access_token, claims.sub));
      return identityFrom({ ...more, ...claims }, settings);
    },
  };
}

async function discover(settings: OidcSettings, secret: string | undefined): Promise<Configuration> {
  const local = settings.issuer.startsWith("http:");
  return await discovery(
    new URL(settings.issuer),
    settings.clientId,
    { id_token_signed_response_alg: settings.idTokenAlgorithm },
    secret === undefined ? None() : ClientSecretBasic(secret),
    {
      timeout: timeoutSeconds,
      // By itself the library believes the transport where a token came straight from the provider.
      execute: [enableNonRepudiationChecks, ...(local ? [allowInsecureRequests] : [])],
    },
  );
}

async function reached<T>(asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    throw notReached(error);
  }
}

/** The library's errors have codes of their own where the provider answered; fetch's do not. */
async function answered<T>(asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    const { code, error: word } = error as { code?: string; error?: string };
    if (error instanceof TypeError && code === undefined) throw notReached(error);
    if (code === "OAUTH_TIMEOUT") throw notReached(error);
    throw refusedSignIn(word === undefined ? "answer-unfit" : "provider-refused", error);
  }
}

function notReached(error: unknown): BartizanFault {
  return new BartizanFault(
    "provider-unreachable",
    "The identity provider does not answer.",
    "Who is signed in stays so; try again in a while.",
    error,
  );
}
