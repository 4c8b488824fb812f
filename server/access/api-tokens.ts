/** API tokens: made by a person for a program or for his own CLI, shown once, kept as digests, narrowed, expiring, revocable. */
import { randomBytes, timingSafeEqual } from "node:crypto";
import { BartizanFault } from "../errors.ts";
import type { Clock } from "../flow/clock.ts";
import type { DatabaseSync, Row } from "../store/database.ts";
import { type Action, type Caller, type RoleName, roleNames, type Scope } from "./policy.ts";
import type { Credential } from "./principals.ts";
import { digestOf } from "./tokens.ts";

const dayMs = 24 * 60 * 60 * 1000;
const longestMs = 366 * dayMs;
/** Of a token made on a page that came in by a link: its hours are counted, and so are the token's. */
const longestByLinkMs = dayMs / 2;

/** How long a token of this caller's making lasts at most. */
export function longestTokenMs(caller: Caller): number {
  return caller.byLink === true ? longestByLinkMs : longestMs;
}

const maxEach = 100;
const maxLabelLength = 100;
/** The last use is written down this often at most, and always when it comes from another address. */
const usedEveryMs = 60_000;
const form = /^bzt_([a-z2-7]{16})_[A-Za-z0-9_-]{43}$/;

/** Names that are in the config, or the local user's. */
export const configOrigin = "config";

/** "api": for a program. "login": what `bartizan login` got. */
export type TokenKind = "api" | "login";

/** What a token is for; a part that is undefined narrows nothing. */
export interface Narrowed {
  readonly actions?: readonly Action[] | undefined;
  /** Names of targets, `*` for any letters. */
  readonly targets?: readonly string[] | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

/** What may be shown of a token. */
export interface ApiToken {
  readonly id: string;
  readonly owner: string;
  readonly label: string;
  readonly kind: TokenKind;
  /** Those it was made with; it has those of them that its owner still has. */
  readonly roles: readonly RoleName[];
  readonly narrowed: Narrowed;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  readonly usedAtMs: number | undefined;
  readonly usedFrom: string | undefined;
}

export interface TokenWish {
  readonly label: string;
  readonly kind: TokenKind;
  /** None: all that the caller has. */
  readonly roles: readonly RoleName[];
  readonly narrowed: Narrowed;
  readonly forMs: number;
}

export interface ApiTokensNeeds {
  readonly database: DatabaseSync;
  readonly clock: Clock;
  /** The roles that a person has now; undefined: there is no such person any more. Asked at each use. */
  readonly rolesOf: (owner: string) => ReadonlySet<RoleName> | undefined;
  /** Where a name comes from now: a token is for nobody else who has it later. Undefined: nobody has it. */
  readonly originOf: (owner: string) => string | undefined;
  /** Told when a token is used from an address other than that of its last use. */
  readonly onNewSource?: (token: ApiToken, address: string) => void;
}

export interface ApiTokens {
  /**
   * The token itself is in the answer and nowhere else, ever. Throws `forbidden` for a caller who may not make any or
   * would give more than he has, `invalid` for a wish that makes no sense, `limit` for one too many. `before` is told its
   * id when nothing else can refuse it: what it throws does.
   */
  create(
    caller: Caller,
    wish: TokenWish,
    before?: (id: string) => void,
  ): { readonly token: string; readonly made: ApiToken };
  /** What it proves; undefined for one that is unknown, expired, revoked, or has no role left. */
  credentialOf(given: string, address: string): Credential | undefined;
  /** Newest first, those past their time included until the owner makes another one. `owner` undefined: everybody's. */
  list(owner: string | undefined): ApiToken[];
  find(id: string): ApiToken | undefined;
  /** Worth nothing from now on; harmless for one that is not there. */
  revoke(id: string): void;
  /** Removes the tokens of names that the config does not have any more: the next of the name is somebody else. */
  forgetStrangers(): void;
}

export function createApiTokens(needs: ApiTokensNeeds): ApiTokens {
  const { database, clock, rolesOf, originOf, onNewSource } = needs;
  const byId = database.prepare("SELECT * FROM api_tokens WHERE id = ?");
  const all = database.prepare("SELECT * FROM api_tokens WHERE ?1 IS NULL OR owner = ?1 ORDER BY created_ms DESC, id");
  const insert = database.prepare(
    `INSERT INTO api_tokens (id, owner, label, kind, digest, roles, narrowed, created_ms, expires_ms, origin)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const remove = database.prepare("DELETE FROM api_tokens WHERE id = ?");
  const used = database.prepare("UPDATE api_tokens SET used_ms = ?, used_from = ? WHERE id = ?");
  const ofOrigin = database.prepare("SELECT DISTINCT owner FROM api_tokens WHERE origin = ?");
  const forgetOwner = database.prepare("DELETE FROM api_tokens WHERE owner = ? AND origin = ?");
  const forget = database.prepare("DELETE FROM api_tokens WHERE owner = ? AND expires_ms <= ?");
  // An unknown id takes the work that a known one takes.
  const nobody = randomBytes(32);

  function noteUse(token: ApiToken, address: string): void {
    const now = clock.wallMs();
    const moved = token.usedFrom !== address;
    if (!moved && Math.abs(now - (token.usedAtMs ?? 0)) < usedEveryMs) return;
    used.run(now, address, token.id);
    if (moved) onNewSource?.(token, address);
  }

  function asOfNow(row: Row): Caller | undefined {
    const token = tokenOf(row);
    if (row.origin !== originOf(token.owner)) return undefined;
    const present = rolesOf(token.owner);
    const roles = new Set(token.roles.filter((role) => present?.has(role)));
    if (clock.wallMs() >= token.expiresAtMs || roles.size === 0) return undefined;
    return {
      name: token.owner,
      roles,
      byToken: token.id,
      signedIn: token.kind === "login" ? "device" : "api-token",
      ...scopeOf(token.narrowed),
    };
  }

  return {
    create(caller, wish, before) {
      const roles = rolesToGive(caller, wish);
      const label = wish.label.trim();
      if (label === "" || label.length > maxLabelLength)
        throw new BartizanFault("invalid", `A token needs a label of 1 to ${maxLabelLength} characters.`);
      if (!(wish.forMs > 0) || wish.forMs > longestTokenMs(caller))
        throw new BartizanFault(
          "invalid",
          `A token lasts ${caller.byLink === true ? "12 hours here" : "366 days"} at most.`,
          "Ask for less time.",
        );
      const now = clock.wallMs();
      forget.run(caller.name, now);
      if (all.all(caller.name).length >= maxEach)
        throw new BartizanFault("limit", `You have ${maxEach} tokens, which is the most.`, "Revoke some.");
      const id = base32(randomBytes(10));
      const token = `bzt_${id}_${randomBytes(32).toString("base64url")}`;
      const written = [JSON.stringify(roles), JSON.stringify(wish.narrowed)] as const;
      const times = [now, now + Math.floor(wish.forMs)] as const;
      const origin = originOf(caller.name);
      if (origin === undefined)
        throw new BartizanFault("forbidden", "You are not known here any more.", "Sign in again.");
      before?.(id);
      insert.run(id, caller.name, label, wish.kind, digestOf(token), ...written, ...times, origin);
      return { token, made: tokenOf(byId.get(id) as Row) };
    },

    credentialOf(given, address) {
      const id = form.exec(given)?.[1];
      const row = id === undefined ? undefined : byId.get(id);
      const right = timingSafeEqual((row?.digest as Uint8Array | undefined) ?? nobody, digestOf(given));
      if (id === undefined || row === undefined || !right) return undefined;
      const token = tokenOf(row);
      const caller = asOfNow(row);
      if (caller === undefined) return undefined;
      noteUse(token, address);
      return {
        caller,
        again() {
          const still = byId.get(id);
          return still === undefined ? undefined : asOfNow(still);
        },
        end: () => void remove.run(id),
      };
    },

    list: (owner) => all.all(owner ?? null).map(tokenOf),
    find(id) {
      const row = byId.get(id);
      return row === undefined ? undefined : tokenOf(row);
    },
    revoke: (id) => void remove.run(id),
    forgetStrangers() {
      for (const row of ofOrigin.all(configOrigin)) {
        const owner = String(row.owner);
        if (originOf(owner) !== configOrigin) forgetOwner.run(owner, configOrigin);
      }
    },
  };
}

function rolesToGive(caller: Caller, { roles }: TokenWish): readonly RoleName[] {
  if (caller.byToken !== undefined)
    throw new BartizanFault(
      "forbidden",
      "A token cannot make tokens: they would outlive it.",
      "Use the page, or the token that the server's own machine or its config has.",
    );
  if (roles.length === 0) return [...caller.roles];
  const lacking = roles.find((role) => !caller.roles.has(role));
  if (lacking === undefined) return roleNames.filter((role) => roles.includes(role));
  throw new BartizanFault("forbidden", `You cannot give the role ${lacking}: you do not have it.`);
}

function tokenOf(row: Row): ApiToken {
  return {
    ...{ id: String(row.id), owner: String(row.owner), label: String(row.label), kind: row.kind as TokenKind },
    roles: JSON.parse(String(row.roles)) as RoleName[],
    narrowed: JSON.parse(String(row.narrowed)) as Narrowed,
    createdAtMs: Number(row.created_ms),
    expiresAtMs: Number(row.expires_ms),
    usedAtMs: row.used_ms === null ? undefined : Number(row.used_ms),
    usedFrom: row.used_from === null ? undefined : String(row.used_from),
  };
}

function scopeOf({ actions, targets, labels }: Narrowed): { readonly scope?: Scope } {
  if (actions === undefined && targets === undefined && labels === undefined) return {};
  return {
    scope: {
      ...(actions === undefined ? {} : { actions: new Set(actions) }),
      ...(targets === undefined ? {} : { targets }),
      ...(labels === undefined ? {} : { labels }),
    },
  };
}

/** RFC 4648 section 6 in small letters; `bytes` a multiple of five. */
function base32(bytes: Uint8Array): string {
  const letters = "abcdefghijklmnopqrstuvwxyz234567";
  let bits = 0n;
  for (const byte of bytes) bits = (bits << 8n) | BigInt(byte);
  return Array.from({ length: (bytes.length * 8) / 5 }, (_, at) => {
    const shift = BigInt((bytes.length * 8) / 5 - 1 - at) * 5n;
    return letters[Number((bits >> shift) & 31n)];
  }).join("");
}
