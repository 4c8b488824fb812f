/** Who has signed in by the identity provider: one name to one subject for good, and the groups that he then had. */
import type { Clock } from "../flow/clock.ts";
import type { DatabaseSync } from "../store/database.ts";
import type { OidcSettings } from "./identity-settings.ts";
import { type OidcIdentity, refusedSignIn, rolesGiven } from "./oidc-identity.ts";
import type { RoleName } from "./policy.ts";

const dayMs = 24 * 60 * 60 * 1000;

export interface PeopleNeeds {
  readonly database: DatabaseSync;
  readonly clock: Clock;
  /** Names that the config gives to somebody: nobody comes in under one of them by a provider. */
  readonly isReserved: (name: string) => boolean;
  readonly believeDays: number;
  /** The provider that is believed, and what the config gives to whom; undefined: nobody is. */
  readonly given: Pick<OidcSettings, "issuer" | "roles"> | undefined;
}

export interface People {
  /**
   * Notes a sign-in, and under which name he goes here: always that of his first one, whatever he is called there now, and
   * by that one alone the config gives him roles. Throws a refusal for a name that another subject has, or the config, and
   * for who has no role.
   */
  signedIn(identity: OidcIdentity): { readonly name: string; readonly roles: ReadonlySet<RoleName> };
  /** What the config of now gives to him as of his last sign-in, while that is believed; undefined for a stranger. */
  rolesOf(name: string): ReadonlySet<RoleName> | undefined;
  /** Which subject has the name; no other ever will. */
  originOf(name: string): string | undefined;
}

export function createPeople({ database, clock, isReserved, believeDays, given }: PeopleNeeds): People {
  const byName = database.prepare("SELECT * FROM people WHERE name = ?");
  const bySubject = database.prepare("SELECT name FROM people WHERE issuer = ? AND subject = ?");
  const write = database.prepare(
    `INSERT INTO people (name, issuer, subject, groups, signed_in_ms) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (name) DO UPDATE SET groups = excluded.groups, signed_in_ms = excluded.signed_in_ms`,
  );
  return {
    signedIn({ claimed, issuer, subject, groups }) {
      const known = bySubject.get(issuer, subject)?.name;
      const name = known === undefined ? claimed : String(known);
      for (const each of [claimed, name]) if (isReserved(each)) throw refusedSignIn("name-reserved", each, claimed);
      const holder = byName.get(claimed);
      if (holder !== undefined && (holder.issuer !== issuer || holder.subject !== subject))
        throw refusedSignIn("subject-changed", claimed, claimed);
      const roles = given === undefined ? new Set<RoleName>() : rolesGiven(given, name, groups);
      if (roles.size === 0) throw refusedSignIn("no-role", name, claimed);
      write.run(name, issuer, subject, JSON.stringify([...groups]), clock.wallMs());
      return { name, roles };
    },

    originOf(name) {
      const row = byName.get(name);
      return row && JSON.stringify([row.issuer, row.subject]);
    },

    rolesOf(name) {
      const row = byName.get(name);
      if (row === undefined || given === undefined || !isSameIssuer(String(row.issuer), given.issuer)) return undefined;
      if (clock.wallMs() - Number(row.signed_in_ms) >= believeDays * dayMs) return undefined;
      const roles = rolesGiven(given, name, new Set(JSON.parse(String(row.groups)) as string[]));
      return roles.size === 0 ? undefined : roles;
    },
  };
}

/** Configs write the slash at the end, or leave it out. */
function isSameIssuer(one: string, other: string): boolean {
  return one.replace(/\/$/, "") === other.replace(/\/$/, "");
}
