/** The tokens of pages that were opened by a link: random, kept as digests in memory, and gone when nobody uses them. */
import { randomBytes } from "node:crypto";
import type { Clock } from "../flow/clock.ts";
import type { Caller, RoleName } from "./policy.ts";
import type { Credential } from "./principals.ts";
import { digestOf } from "./tokens.ts";

/** However much it is used. */
export const longestMs = 12 * 60 * 60 * 1000;
/** Without a call, and without an open stream. */
export const idleMs = 2 * 60 * 60 * 1000;
/** At the bound the one whose last use is longest ago is worth nothing any more. */
const maxTokens = 1000;

export interface PageToken {
  readonly token: string;
  /** Wall clock, ms. */
  readonly expiresAtMs: number;
}

/** Gives pages their tokens, and knows them again. Kept in memory here; with a deployment's key see group-page-tokens. */
export interface PageTokens {
  /** A token with the caller's roles; it cannot make further links. */
  issue(caller: Caller): PageToken;
  /**
   * Who the token stands for. It counts as used until `call`, the signal of the call that brought it, aborts: a stream
   * keeps its token alive, up to the twelve hours, which end streams too.
   */
  credentialOf(token: string, call: AbortSignal): Credential | undefined;
}

interface Entry {
  readonly caller: Caller;
  readonly untilMs: number;
  usedAtMs: number;
  /** Calls that are being answered. */
  open: number;
}

export class MemoryPageTokens implements PageTokens {
  readonly #clock: Clock;
  readonly #rolesOf: (name: string) => ReadonlySet<RoleName> | undefined;
  /** By digest; longest unused first. */
  readonly #entries = new Map<string, Entry>();

  /** `rolesOf`: the roles a name has now; undefined: its tokens are worth nothing. */
  constructor(clock: Clock, rolesOf: (name: string) => ReadonlySet<RoleName> | undefined) {
    this.#clock = clock;
    this.#rolesOf = rolesOf;
  }

  /** 256 random bits. */
  issue(caller: Caller): PageToken {
    const token = `btp_${randomBytes(32).toString("base64url")}`;
    const now = this.#clock.monotonicMs();
    for (const [key, entry] of this.#entries)
      if (this.#over(entry, now) || this.#entries.size >= maxTokens) this.#entries.delete(key);
    this.#entries.set(keyOf(token), {
      caller: { ...caller, byLink: true, signedIn: "link" },
      untilMs: now + longestMs,
      usedAtMs: now,
      open: 0,
    });
    return { token, expiresAtMs: this.#clock.wallMs() + longestMs };
  }

  credentialOf(token: string, call: AbortSignal): Credential | undefined {
    const key = keyOf(token);
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    const now = this.#clock.monotonicMs();
    this.#entries.delete(key);
    const caller = this.#asOfNow(entry.caller);
    if (caller === undefined || this.#over(entry, now)) return undefined;
    this.#entries.set(key, entry);
    entry.usedAtMs = now;
    if (!call.aborted) {
      entry.open += 1;
      const closed = () => {
        entry.open -= 1;
        entry.usedAtMs = this.#clock.monotonicMs();
      };
      call.addEventListener("abort", closed, { once: true });
    }
    const isThere = () => this.#entries.get(key) === entry && !this.#over(entry, this.#clock.monotonicMs());
    return {
      caller,
      again: () => (isThere() ? this.#asOfNow(entry.caller) : undefined),
      end: () => void this.#entries.delete(key),
    };
  }

  #asOfNow(caller: Caller): Caller | undefined {
    const now = this.#rolesOf(caller.name);
    if (now === undefined) return undefined;
    // What he was given since then, he gets at the next sign-in: a token may have been made for less than all of it.
    const roles = [...caller.roles].filter((role) => now.has(role));
    return { ...caller, roles: new Set(roles) };
  }

  #over({ untilMs, usedAtMs, open }: Entry, now: number): boolean {
    return now >= untilMs || (open === 0 && now - usedAtMs >= idleMs);
  }
}

function keyOf(token: string): string {
  return digestOf(token).toString("base64");
}
