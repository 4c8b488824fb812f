/**
 * Sign-in of a program that has no browser (as RFC 8628 has it): it shows a short code, a person who is signed in on the
 * page sees who asks, compares the code and allows it, and the program's next question is answered with a token.
 */
import { randomBytes, randomInt } from "node:crypto";
import { BartizanFault } from "../errors.ts";
import { hostOf } from "../flow/address.ts";
import type { Clock } from "../flow/clock.ts";
import { type ApiToken, type ApiTokens, longestTokenMs, type TokenWish } from "./api-tokens.ts";
import type { Caller } from "./policy.ts";
import { digestOf } from "./tokens.ts";
import { createTries } from "./tries.ts";

const openMs = 5 * 60 * 1000;
const firstEveryMs = 3000;
/** RFC 8628, 3.5: what a question that came too soon adds to the time between two. */
const slowDownMs = 5000;
/** Leeway for the way there. */
const earlyMs = 500;
/** At the bound nobody begins a login until others are over: throwing the oldest out would let a stranger do it. */
const maxOpen = 1000;
const maxEachAddress = 10;
const maxHostLength = 100;
/** RFC 8628, 6.1: twenty letters that make no words; eight of them, of which nobody gets many tries. */
const letters = "BCDFGHJKLMNPQRSTVWXZ";
const begins = { atOnce: 10, everyMs: 10_000 };
const looks = { atOnce: 10, everyMs: 10_000 };

/** Who asks, for the person who allows it. */
export interface LoginAsked {
  readonly code: string;
  /** What the program says of its machine: as trustworthy as the program. */
  readonly host: string;
  readonly address: string;
  readonly atMs: number;
}

export interface LoginBegun {
  /** Secret: whoever has it gets the token. */
  readonly id: string;
  readonly code: string;
  readonly everyMs: number;
  readonly forMs: number;
}

export type LoginAnswer =
  | { readonly kind: "pending"; readonly everyMs: number }
  | { readonly kind: "denied" }
  | {
      readonly kind: "allowed";
      readonly token: string;
      /** Its public id. */
      readonly tokenId: string;
      readonly name: string;
      readonly expiresAtMs: number;
    };

interface Entry extends LoginAsked {
  readonly untilMs: number;
  everyMs: number;
  askedAtMs: number;
  answer: "pending" | "denied" | { readonly token: string; readonly made: ApiToken };
}

export interface LoginsNeeds {
  readonly apiTokens: ApiTokens;
  readonly clock: Clock;
  readonly tokenMs: number;
  /** False: nobody logs in this way. */
  readonly enabled: boolean;
}

export interface Logins {
  /** Throws `forbidden` where the config switched it off, `limit` for one too many. */
  begin(host: string, address: string): LoginBegun;
  /**
   * Throws `not-found` for one that is over, was delivered or never was, `limit` for a question that came too soon.
   * `before` is told whom it lets in: what it throws leaves the answer where it is.
   */
  poll(id: string, before?: (name: string, tokenId: string) => void): LoginAnswer;
  /** Throws `not-found` as `poll` does, `forbidden` for who may not allow it, `limit` for who guesses. */
  find(code: string, caller: Caller): LoginAsked;
  /**
   * Allows or denies it, once: afterwards the code is not found. Throws as `find` does, and as making a token does.
   * `before` is told when nothing else can refuse it: what it throws does.
   */
  answer(code: string, caller: Caller, allow: boolean, before?: (asked: LoginAsked) => void): LoginAsked;
}

export function createLogins({ apiTokens, clock, tokenMs, enabled }: LoginsNeeds): Logins {
  /** By digest of the id. */
  const open = new Map<string, Entry>();
  const beginTries = createTries(begins, clock);
  const lookTries = createTries(looks, clock);

  function tidy(now: number): void {
    for (const [key, { untilMs, answer }] of open) {
      if (untilMs > now) continue;
      open.delete(key);
      // Nobody came for it, and nobody has it.
      if (typeof answer === "object") apiTokens.revoke(answer.made.id);
    }
  }

  function waiting(given: string, caller: Caller): Entry {
    if (caller.byToken !== undefined)
      throw new BartizanFault("forbidden", "A token cannot let others in.", "Sign in on the page.");
    lookTries.take(caller.name);
    const code = given.toUpperCase().replace(/[^A-Z]/g, "");
    const now = clock.monotonicMs();
    for (const entry of open.values())
      if (entry.code.replace("-", "") === code && entry.untilMs > now && entry.answer === "pending") return entry;
    throw noSuchLogin();
  }

  return {
    begin(host, address) {
      if (!enabled)
        throw new BartizanFault("forbidden", "Logging in by a code is switched off here.", "Ask an admin for a token.");
      // Who has one address of IPv6 has all of its net.
      const from = hostOf(address);
      beginTries.take(from);
      const now = clock.monotonicMs();
      tidy(now);
      const same = [...open.values()].filter((entry) => hostOf(entry.address) === from).length;
      if (open.size >= maxOpen || same >= maxEachAddress)
        throw new BartizanFault("limit", "Too many logins wait to be allowed.", "Wait some minutes.");
      const id = randomBytes(32).toString("base64url");
      const taken = new Set(Array.from(open.values(), ({ code }) => code));
      let code = freshCode();
      while (taken.has(code)) code = freshCode();
      open.set(keyOf(id), {
        ...{ code, host: host.slice(0, maxHostLength), address, atMs: clock.wallMs() },
        ...{ untilMs: now + openMs, everyMs: firstEveryMs, askedAtMs: now, answer: "pending" },
      });
      return { id, code, everyMs: firstEveryMs, forMs: openMs };
    },

    poll(id, before) {
      const key = keyOf(id);
      const entry = open.get(key);
      const now = clock.monotonicMs();
      if (entry === undefined || entry.untilMs <= now) throw noSuchLogin();
      const early = now - entry.askedAtMs < entry.everyMs - earlyMs;
      entry.askedAtMs = now;
      if (early) {
        entry.everyMs += slowDownMs;
        throw new BartizanFault("limit", "That was asked too soon.", `Ask every ${entry.everyMs / 1000} seconds.`);
      }
      if (entry.answer === "pending") return { kind: "pending", everyMs: entry.everyMs };
      if (entry.answer !== "denied") before?.(entry.answer.made.owner, entry.answer.made.id);
      open.delete(key);
      if (entry.answer === "denied") return { kind: "denied" };
      const { token, made } = entry.answer;
      return { kind: "allowed", token, tokenId: made.id, name: made.owner, expiresAtMs: made.expiresAtMs };
    },

    find: (code, caller) => waiting(code, caller),

    answer(code, caller, allow, before) {
      const entry = waiting(code, caller);
      if (!allow) {
        before?.(entry);
        entry.answer = "denied";
        return entry;
      }
      const wish: TokenWish = {
        ...{ label: `login on ${entry.host || entry.address}`, kind: "login", roles: [], narrowed: {} },
        forMs: Math.min(tokenMs, longestTokenMs(caller)),
      };
      entry.answer = apiTokens.create(caller, wish, () => before?.(entry));
      return entry;
    },
  };
}

function freshCode(): string {
  const four = () => Array.from({ length: 4 }, () => letters[randomInt(letters.length)]).join("");
  return `${four()}-${four()}`;
}

function noSuchLogin(): BartizanFault {
  return new BartizanFault("not-found", "There is no such login, or it is over.", "Run `bartizan login` again.");
}

function keyOf(id: string): string {
  return digestOf(id).toString("base64");
}
