/** Sign-ins of pages by cookie: kept on the server, as digests of the cookie's value, idle and absolute limits, ended at once. */
import { randomBytes } from "node:crypto";
import type { Clock } from "../flow/clock.ts";
import type { DatabaseSync } from "../store/database.ts";
import type { Caller, RoleName } from "./policy.ts";
import type { Credential } from "./principals.ts";
import { digestOf } from "./tokens.ts";

/** The last use is written down this often at most; the idle limit is never shorter. */
const usedEveryMs = 30_000;
/** Of one person; at the bound the one longest unused is over. */
const maxEach = 20;

export interface SignIn {
  readonly digest: Uint8Array;
  readonly name: string;
  readonly roles: readonly RoleName[];
  readonly untilMs: number;
  readonly usedAtMs: number;
}

/** Where sign-ins are kept, so that nodes may share them: every method answers at once. Times are wall clock, ms. */
export interface SignInStore {
  put(signIn: SignIn): void;
  find(digest: Uint8Array): SignIn | undefined;
  used(digest: Uint8Array, atMs: number): void;
  remove(digest: Uint8Array): void;
  /** Keeps the `most` newest of this person, and nobody's that were over before `nowMs`. */
  tidy(name: string, most: number, nowMs: number): void;
}

export function createSignInStore(database: DatabaseSync): SignInStore {
  const put = database.prepare("INSERT INTO sign_ins (digest, name, roles, until_ms, used_ms) VALUES (?, ?, ?, ?, ?)");
  const find = database.prepare("SELECT * FROM sign_ins WHERE digest = ?");
  const used = database.prepare("UPDATE sign_ins SET used_ms = ? WHERE digest = ?");
  const remove = database.prepare("DELETE FROM sign_ins WHERE digest = ?");
  const over = database.prepare("DELETE FROM sign_ins WHERE until_ms <= ?");
  const surplus = database.prepare(
    `DELETE FROM sign_ins WHERE name = ?1 AND digest NOT IN
       (SELECT digest FROM sign_ins WHERE name = ?1 ORDER BY used_ms DESC LIMIT ?2)`,
  );
  return {
    put: ({ digest, name, roles, untilMs, usedAtMs }) =>
      void put.run(digest, name, JSON.stringify(roles), untilMs, usedAtMs),
    find(digest) {
      const row = find.get(digest);
      if (row === undefined) return undefined;
      const roles = JSON.parse(String(row.roles)) as RoleName[];
      return { digest, name: String(row.name), roles, untilMs: Number(row.until_ms), usedAtMs: Number(row.used_ms) };
    },
    used: (digest, atMs) => void used.run(atMs, digest),
    remove: (digest) => void remove.run(digest),
    tidy(name, most, nowMs) {
      over.run(nowMs);
      surplus.run(name, most);
    },
  };
}

export interface SignInsNeeds {
  readonly store: SignInStore;
  readonly clock: Clock;
  readonly rolesOf: (name: string) => ReadonlySet<RoleName> | undefined;
  readonly idleMs: number;
  readonly longestMs: number;
}

export interface SignIns {
  /** The value of a fresh cookie: 256 random bits, never one that a browser brought. */
  begin(name: string, roles: ReadonlySet<RoleName>): string;
  /**
   * What the cookie proves. It counts as used until `call` aborts: an open stream keeps its sign-in alive, up to the
   * absolute limit, which ends streams too. `call` undefined: this is no use of it.
   */
  credentialOf(cookie: string, call: AbortSignal | undefined): Credential | undefined;
  /** Over at once; harmless for one that is not there. */
  end(cookie: string): void;
}

export function createSignIns({ store, clock, rolesOf, idleMs, longestMs }: SignInsNeeds): SignIns {
  /** Open calls by digest: they are not idle, and whether they are is not on the disk. */
  const open = new Map<string, number>();

  const idle = (key: string, { usedAtMs }: SignIn) => !open.has(key) && clock.wallMs() - usedAtMs >= idleMs;
  const present = (digest: Buffer, key: string): SignIn | undefined => {
    const found = store.find(digest);
    if (found === undefined) return undefined;
    if (clock.wallMs() < found.untilMs && !idle(key, found)) return found;
    store.remove(digest);
    return undefined;
  };
  const callerOf = (signIn: SignIn | undefined): Caller | undefined => {
    const now = signIn && rolesOf(signIn.name);
    if (signIn === undefined || now === undefined) return undefined;
    // What he was given since then he gets at his next sign-in.
    const roles = new Set(signIn.roles.filter((role) => now.has(role)));
    return roles.size === 0 ? undefined : { name: signIn.name, roles, signedIn: "oidc" };
  };
  const touch = (digest: Buffer, usedAtMs = 0) => {
    const now = clock.wallMs();
    if (Math.abs(now - usedAtMs) >= usedEveryMs) store.used(digest, now);
  };

  return {
    begin(name, roles) {
      const cookie = randomBytes(32).toString("base64url");
      const now = clock.wallMs();
      store.tidy(name, maxEach - 1, now);
      store.put({ digest: digestOf(cookie), name, roles: [...roles], untilMs: now + longestMs, usedAtMs: now });
      return cookie;
    },

    credentialOf(cookie, call) {
      const digest = digestOf(cookie);
      const key = digest.toString("base64");
      const found = present(digest, key);
      const caller = callerOf(found);
      if (found === undefined || caller === undefined) return undefined;
      if (call !== undefined) touch(digest, found.usedAtMs);
      if (call?.aborted === false) {
        open.set(key, (open.get(key) ?? 0) + 1);
        const closed = () => {
          const left = (open.get(key) ?? 1) - 1;
          if (left > 0) return void open.set(key, left);
          open.delete(key);
          touch(digest);
        };
        call.addEventListener("abort", closed, { once: true });
      }
      return { caller, again: () => callerOf(present(digest, key)), end: () => store.remove(digest) };
    },

    end: (cookie) => store.remove(digestOf(cookie)),
  };
}
