/** The way to the identity provider and back: who went, bound to his browser by a short-lived secret; each way back counts once. */
import { randomBytes } from "node:crypto";
import { BartizanFault, faultFrom } from "../errors.ts";
import { hostOf } from "../flow/address.ts";
import type { Clock } from "../flow/clock.ts";
import { rarely } from "../flow/rarely.ts";
import type { Log } from "../log.ts";
import type { TellIdentity } from "./identity-events.ts";
import type { Oidc, OidcAttempt } from "./oidc.ts";
import { claimedIn, refusalOf, refusedSignIn } from "./oidc-identity.ts";
import type { People } from "./people.ts";
import type { SignIns } from "./sign-ins.ts";
import { digestOf } from "./tokens.ts";
import { createTries } from "./tries.ts";

/** How long somebody may take at his provider. */
const attemptMs = 10 * 60 * 1000;
/** At the bound the oldest is worth nothing any more. */
const maxAttempts = 1000;

/** Where the page goes afterwards: a closed list, never an address that somebody sent. */
export const signInPlaces = [
  "targets",
  "sessions",
  "wall",
  "recordings",
  "commands",
  "shell",
  "tokens",
  "login",
] as const;
export type SignInPlace = (typeof signInPlaces)[number];

export interface SignInNeeds {
  readonly oidc: Oidc;
  readonly people: People;
  readonly signIns: SignIns;
  readonly isDisabled: (name: string) => boolean;
  /** Of the callback; asked when it is needed, as the port may not be known before. */
  readonly redirectUri: () => string;
  readonly clock: Clock;
  readonly log: Log;
  readonly tell: TellIdentity;
}

const maxDetailLength = 300;
/** Ways out that one address has at once, and how long until it has one more. */
const waysOut = { atOnce: 20, everyMs: 3000 };

export interface SignInFlow {
  /** Where to send the browser, and the secret that it has to bring back. Throws `limit` for an address that asks too often. */
  begin(place: string, address: string): Promise<{ readonly url: string; readonly secret: string }>;
  /** `query`: as it came back. Throws one neutral fault for all that is refused; the log has the cause. */
  finish(
    query: string,
    secret: string | undefined,
    address: string,
  ): Promise<{ readonly cookie: string; readonly place: SignInPlace }>;
}

export function createSignInFlow(needs: SignInNeeds): SignInFlow {
  const { oidc, people, signIns, clock, log, tell } = needs;
  /** By digest of the secret, oldest first. */
  const away = new Map<
    string,
    { readonly attempt: OidcAttempt; readonly place: SignInPlace; readonly untilMs: number }
  >();

  const tries = createTries(waysOut, clock);
  // Whoever reaches the page's address can bring one about at will.
  const warn = rarely(clock, (cause, about: object, leftOut) =>
    log.warn({ ...about, cause, leftOut }, "sign-in refused"),
  );

  async function identify(query: string, secret: string | undefined) {
    const key = secret === undefined ? "" : keyOf(secret);
    const found = away.get(key);
    // One way back for each way out, whatever becomes of it.
    away.delete(key);
    if (found === undefined || clock.monotonicMs() >= found.untilMs) throw refusedSignIn("attempt-unknown");
    const { name, roles } = people.signedIn(await oidc.finish(query, found.attempt));
    if (needs.isDisabled(name)) throw refusedSignIn("no-role", `${name} is disabled`, name);
    return { name, roles, place: found.place };
  }

  return {
    async begin(wanted, address) {
      try {
        // Who has one address of IPv6 has all of its net.
        tries.take(hostOf(address));
      } catch (error) {
        tell({ event: "login-throttled", address });
        throw error;
      }
      const place = signInPlaces.find((each) => each === wanted) ?? "targets";
      const { url, attempt } = await oidc.begin(needs.redirectUri());
      const secret = randomBytes(32).toString("base64url");
      const now = clock.monotonicMs();
      for (const [key, { untilMs }] of away) if (untilMs <= now || away.size >= maxAttempts) away.delete(key);
      away.set(keyOf(secret), { attempt, place, untilMs: now + attemptMs });
      return { url, secret };
    },

    async finish(query, secret, address) {
      try {
        const { name, roles, place } = await identify(query, secret);
        tell({ event: "login-ok", actor: { name, address, signedIn: "oidc" } });
        const cookie = signIns.begin(name, roles);
        return { cookie, place };
      } catch (error) {
        const cause = refusalOf(error) ?? faultFrom(error).word;
        tell({ event: "login-failed", address, cause, claimed: claimedIn(error) });
        warn(cause, { address, detail: detailOf(error) });
        throw error;
      }
    },
  };
}

/** In one line: the library's errors hold whole tokens, which belong in no log. */
function detailOf(error: unknown): string {
  const cause = error instanceof BartizanFault ? ((error.cause as Error | undefined)?.cause ?? error.cause) : error;
  if (!(cause instanceof Error)) return String(cause ?? "").slice(0, maxDetailLength);
  const { code = cause.name } = cause as { code?: string };
  return `${code}: ${cause.message}`.slice(0, maxDetailLength);
}

function keyOf(secret: string): string {
  return digestOf(secret).toString("base64");
}
