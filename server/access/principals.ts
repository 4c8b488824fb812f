/** Who is known here, as the config says it now: by token, and by name for whoever signed in another way. */
import type { SignInWay } from "../audit.ts";
import type { AccessChanges } from "./changes.ts";
import type { Caller, RoleName } from "./policy.ts";
import { callerOf, digestOf, type TokenEntry } from "./tokens.ts";

/** What a call brought to prove who it is from. */
export interface Credential {
  readonly caller: Caller;
  /** The caller as he stands now; undefined when this proof is worth nothing any more. Cheap: open streams ask every 5 s. */
  again(): Caller | undefined;
  /** Ends the proof itself, for good; undefined where the caller cannot. */
  readonly end?: () => void;
}

export interface PrincipalList {
  /** The user of the local token: he has every role, and no config takes it away. */
  readonly local: { readonly name: string; readonly digest: Buffer; readonly roles: readonly RoleName[] };
  readonly principals: readonly {
    readonly name: string;
    readonly roles: readonly RoleName[];
    readonly tokenSha256: string;
    readonly disabled?: boolean | undefined;
  }[];
  /** Names that may do nothing, wherever they are from; the local user cannot be among them. */
  readonly disabledUsers: readonly string[];
}

/** Roles by name of somebody who is not in the config, as a sign-in elsewhere gave them; undefined for a stranger. */
export type RolesElsewhere = (name: string) => ReadonlySet<RoleName> | undefined;

export interface Principals {
  byToken(token: string): Credential | undefined;
  /** The roles that this name has now; undefined for one that is not known, or disabled. */
  rolesOf(name: string): ReadonlySet<RoleName> | undefined;
  isDisabled(name: string): boolean;
  /** The config, or the local token, has this name. */
  isConfigured(name: string): boolean;
  /** Also looked for there, after the config. */
  also(elsewhere: RolesElsewhere): void;
  /** From the next question on; open streams are asked again at once. */
  replace(list: PrincipalList): void;
}

export function createPrincipals(first: PrincipalList, changes: AccessChanges): Principals {
  const elsewhere: RolesElsewhere[] = [];
  let entries: readonly TokenEntry[] = [];
  let roles = new Map<string, ReadonlySet<RoleName>>();
  let disabled = new Set<string>();
  let configured = new Set<string>();
  const gone = new Set<string>();
  const take = ({ local, principals, disabledUsers }: PrincipalList) => {
    configured = new Set([local.name, ...principals.map(({ name }) => name)]);
    const off = principals.filter((each) => each.disabled).map(({ name }) => name);
    // Whoever was in the config and is no more may not go on by what he opened, nor come in by another door.
    for (const name of roles.keys()) gone.add(name);
    for (const { name } of principals) gone.delete(name);
    disabled = new Set([...disabledUsers, ...off, ...gone]);
    disabled.delete(local.name);
    const on = principals.filter(({ name }) => !disabled.has(name));
    roles = new Map([...on, local].map((each) => [each.name, new Set(each.roles)]));
    const entry = (name: string, signedIn: SignInWay, digest: Buffer) => ({
      caller: { name, roles: roles.get(name) ?? new Set<RoleName>(), signedIn },
      digest,
    });
    entries = [
      entry(local.name, "local-token", local.digest),
      ...on.map(({ name, tokenSha256 }) => entry(name, "token", Buffer.from(tokenSha256, "hex"))),
    ];
  };
  take(first);
  return {
    byToken(token) {
      const digest = digestOf(token);
      const caller = callerOf(entries, digest);
      return caller && { caller, again: () => callerOf(entries, digest) };
    },
    rolesOf(name) {
      if (disabled.has(name)) return undefined;
      const found = roles.get(name);
      if (found !== undefined) return found;
      for (const find of elsewhere) {
        const there = find(name);
        if (there !== undefined) return there;
      }
      return undefined;
    },
    isDisabled: (name) => disabled.has(name),
    isConfigured: (name) => configured.has(name),
    also: (find) => void elsewhere.push(find),
    replace(list) {
      take(list);
      changes.tell({ why: "principals" });
    },
  };
}
