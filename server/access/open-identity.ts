/** Puts together who may come in and by what: API tokens, sign-ins by the identity provider, logins of programs. */
import { readFileSync } from "node:fs";
import { BartizanFault } from "../errors.ts";
import type { Clock } from "../flow/clock.ts";
import type { Log } from "../log.ts";
import type { DatabaseSync } from "../store/database.ts";
import { type ApiTokens, configOrigin, createApiTokens } from "./api-tokens.ts";
import type { TellIdentity } from "./identity-events.ts";
import type { IdentitySettings } from "./identity-settings.ts";
import { createLogins, type Logins } from "./logins.ts";
import { createOidc } from "./oidc.ts";
import { createPeople } from "./people.ts";
import type { Credential, Principals } from "./principals.ts";
import { createSignInFlow, type SignInFlow } from "./sign-in-flow.ts";
import { createSignInStore, createSignIns } from "./sign-ins.ts";

const hourMs = 60 * 60 * 1000;

export interface IdentityNeeds {
  readonly settings: IdentitySettings;
  /** The caller closes it, afterwards. */
  readonly database: DatabaseSync;
  readonly principals: Principals;
  /** The page's address in browsers; asked when it is needed. */
  readonly pageUrl: () => string;
  readonly clock: Clock;
  readonly log: Log;
  readonly tell: TellIdentity;
}

export interface Identity {
  readonly apiTokens: ApiTokens;
  readonly logins: Logins;
  readonly loginEnabled: boolean;
  readonly loginMs: number;
  /** Undefined without a provider. */
  readonly signIn: SignInFlow | undefined;
  /** What the page calls the provider; empty without one. */
  readonly provider: string;
  byToken(token: string, address: string): Credential | undefined;
  byCookie(cookie: string, call: AbortSignal | undefined): Credential | undefined;
}

/** Holds nothing open. Throws `config` for a secret that cannot be read. */
export function openIdentity({ settings, database, principals, pageUrl, clock, log, tell }: IdentityNeeds): Identity {
  const { rolesOf, isDisabled } = principals;
  const { oidc, believeDays } = settings;
  const isReserved = (name: string) => principals.isConfigured(name);
  const people = createPeople({ database, clock, isReserved, believeDays, given: oidc });
  principals.also((name) => people.rolesOf(name));
  const apiTokens = createApiTokens({
    ...{ database, clock, rolesOf },
    originOf: (name) => (isReserved(name) ? configOrigin : people.originOf(name)),
    onNewSource: ({ id, owner }, address) =>
      tell({ event: "token-used-from-new-source", actor: { name: owner, address }, who: owner, token: id }),
  });
  apiTokens.forgetStrangers();
  const signIns = createSignIns({
    ...{ store: createSignInStore(database), clock },
    // A name that the config has taken since is somebody else's.
    rolesOf: (name) => (isReserved(name) ? undefined : rolesOf(name)),
    ...{ idleMs: settings.idleMinutes * 60_000, longestMs: settings.signInHours * hourMs },
  });
  const loginMs = settings.loginHours * hourMs;
  return {
    ...{ apiTokens, loginMs, loginEnabled: settings.login },
    logins: createLogins({ apiTokens, clock, tokenMs: loginMs, enabled: settings.login }),
    provider: oidc === undefined ? "" : (oidc.label ?? new URL(oidc.issuer).host),
    signIn:
      oidc &&
      createSignInFlow({
        ...{ people, signIns, isDisabled, clock, log, tell },
        oidc: createOidc(oidc, oidc.clientSecretFile && secretIn(oidc.clientSecretFile), clock),
        redirectUri: () => `${pageUrl()}/auth/callback`,
      }),
    byToken: (token, address) => apiTokens.credentialOf(token, address),
    byCookie: (cookie, call) => (oidc === undefined ? undefined : signIns.credentialOf(cookie, call)),
  };
}

function secretIn(file: string): string {
  try {
    const secret = readFileSync(file, "utf8").trim();
    if (secret !== "" && secret.length <= 1000) return secret;
    throw new BartizanFault("config", `${file} does not hold a client secret.`, "It is one line of text.");
  } catch (error) {
    if (error instanceof BartizanFault) throw error;
    const { code = "unknown error" } = error as NodeJS.ErrnoException;
    throw new BartizanFault("config", `Cannot read ${file} (${code}).`, "identity.oidc.clientSecretFile.", error);
  }
}
