/** From a provider's claims to who that is, and to roles: pure, and refusing whatever is not plainly said. */
import { BartizanFault } from "../errors.ts";
import { printable } from "../flow/printable.ts";
import type { OidcSettings } from "./identity-settings.ts";
import { type RoleName, roleNames } from "./policy.ts";

/** Why a sign-in was refused; for the log, never for who tried. */
export type RefusalCause =
  | "attempt-unknown"
  | "provider-refused"
  | "answer-unfit"
  | "name-unfit"
  | "name-reserved"
  | "email-unverified"
  | "assurance"
  | "no-role"
  | "subject-changed";

/** Who somebody is by his provider. */
export interface OidcIdentity {
  /** As he is called there now. What he is called here, and so what he may, is for `People` to say. */
  readonly claimed: string;
  readonly issuer: string;
  /** The provider's own, lasting name of him. */
  readonly subject: string;
  readonly groups: ReadonlySet<string>;
}

export type Claims = Readonly<Record<string, unknown>>;

const nameForm = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,99}$/;
const maxClaimedLength = 100;
const maxGroups = 2000;
/** The config has none longer. */
const maxGroupLength = 200;

/** The one text for every sign-in that is refused; the rest is for the log. `claimed`: as whom he came. */
export function refusedSignIn(cause: RefusalCause, detail: unknown = "", claimed?: unknown): BartizanFault {
  const whom = typeof claimed === "string" ? printable(claimed, maxClaimedLength) : undefined;
  const reason = Object.assign(new Error(cause, { cause: detail }), { refusal: cause, claimed: whom });
  return new BartizanFault("unauthenticated", "The sign-in did not succeed.", "Ask an admin for the reason.", reason);
}

/** The cause in a fault of `refusedSignIn`; undefined for any other error. */
export function refusalOf(error: unknown): RefusalCause | undefined {
  return reasonOf(error)?.refusal;
}

/** The name in a fault of `refusedSignIn` that was claimed, fit to be shown. */
export function claimedIn(error: unknown): string | undefined {
  return reasonOf(error)?.claimed;
}

function reasonOf(error: unknown): { refusal?: RefusalCause; claimed?: string } | undefined {
  return error instanceof BartizanFault ? (error.cause as ReturnType<typeof reasonOf>) : undefined;
}

/** Throws a refusal for claims that do not say who he is, or how he proved it. */
export function identityFrom(claims: Claims, settings: OidcSettings): OidcIdentity {
  const { sub, iss } = claims;
  if (typeof sub !== "string" || sub === "" || typeof iss !== "string") throw refusedSignIn("answer-unfit", "no sub");
  const name = claims[settings.nameClaim];
  if (typeof name !== "string" || !nameForm.test(name)) throw refusedSignIn("name-unfit", name, name);
  // Whoever can write any address into his account must not become who has it.
  if (settings.nameClaim === "email" && claims.email_verified !== true)
    throw refusedSignIn("email-unverified", name, name);
  const amr = textsOf(claims.amr);
  if (settings.amr.length > 0 && !settings.amr.some((way) => amr.has(way)))
    throw refusedSignIn("assurance", [...amr], name);
  return { claimed: name, issuer: iss, subject: sub, groups: textsOf(claims[settings.groupsClaim]) };
}

/** What the config gives to somebody of this name here and of these groups. */
export function rolesGiven(
  { roles }: Pick<OidcSettings, "roles">,
  name: string,
  groups: ReadonlySet<string>,
): ReadonlySet<RoleName> {
  return new Set(
    roleNames.filter(
      (role) => roles[role].users.includes(name) || roles[role].groups.some((group) => groups.has(group)),
    ),
  );
}

/** One text, or a list of texts; anything else is none. */
function textsOf(value: unknown): ReadonlySet<string> {
  if (isWord(value)) return new Set([value]);
  if (!Array.isArray(value)) return new Set();
  return new Set(value.slice(0, maxGroups).filter(isWord));
}

function isWord(value: unknown): value is string {
  return typeof value === "string" && value.length <= maxGroupLength;
}
