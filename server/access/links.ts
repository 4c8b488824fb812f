/** One-time codes that sign a caller in to the page: kept as digests in memory, two minutes, one use, wrong tries slowed. */
import { randomBytes } from "node:crypto";
import { BartizanFault } from "../errors.ts";
import type { Clock } from "../flow/clock.ts";
import type { Caller } from "./policy.ts";
import { digestOf } from "./tokens.ts";

const linkMs = 2 * 60 * 1000;
/** Open codes of one caller; at the bound his oldest is worth nothing any more, and nobody else's. */
const maxOpenEach = 10;
/** Open codes of all callers; at the bound the oldest is worth nothing any more. */
const maxOpen = 1000;
/** Wrong tries that one address has at once ... */
const triesAtOnce = 10;
/** ... and how long until it has one more. */
const tryEveryMs = 1000;
/** Addresses remembered for it; at the bound the one longest quiet is forgotten. */
const maxAddresses = 1000;

export interface Link {
  readonly code: string;
  /** Wall clock, ms. */
  readonly expiresAtMs: number;
}

interface Tries {
  readonly left: number;
  readonly atMs: number;
}

export class Links {
  readonly #clock: Clock;
  /** By digest, oldest first. */
  readonly #open = new Map<string, { readonly caller: Caller; readonly untilMs: number }>();
  /** By address, longest quiet first. */
  readonly #tries = new Map<string, Tries>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A code of 256 random bits for this caller. */
  create(caller: Caller): Link {
    const code = randomBytes(32).toString("base64url");
    for (const [digest, { untilMs }] of this.#open)
      if (untilMs <= this.#clock.monotonicMs() || this.#open.size >= maxOpen) this.#open.delete(digest);
    const own = [...this.#open].filter(([, open]) => open.caller.name === caller.name);
    if (own.length >= maxOpenEach) this.#open.delete(own[0]?.[0] ?? "");
    this.#open.set(keyOf(code), { caller, untilMs: this.#clock.monotonicMs() + linkMs });
    return { code, expiresAtMs: this.#clock.wallMs() + linkMs };
  }

  /**
   * Whom the code was made for; it is worth nothing afterwards. Throws `unauthenticated` for a code that is wrong, used or
   * too old, and `limit` instead for an address that had too many of those.
   */
  redeem(code: string, address: string): Caller {
    const caller = this.take(digestOf(code));
    if (caller !== undefined) return caller;
    // Nobody guesses 256 bits: the limit spares work, and must not keep out who has a link while others try rubbish.
    this.spendTry(address);
    throw wrongCode();
  }

  /** Whom the code with this digest was made for; it is worth nothing afterwards. Undefined: wrong, used or too old. */
  take(digest: Uint8Array): Caller | undefined {
    const key = Buffer.from(digest).toString("base64");
    const found = this.#open.get(key);
    this.#open.delete(key);
    return found !== undefined && this.#clock.monotonicMs() < found.untilMs ? found.caller : undefined;
  }

  /** One try less for this address; throws `limit` when it has none. */
  spendTry(address: string): void {
    const now = this.#clock.monotonicMs();
    const left = this.#triesLeft(address, now);
    if (left < 1) throw new BartizanFault("limit", "Too many wrong codes from here.", "Wait a few seconds.");
    this.#tries.delete(address);
    this.#tries.set(address, { left: left - 1, atMs: now });
    for (const oldest of this.#tries.keys()) {
      if (this.#tries.size <= maxAddresses) break;
      this.#tries.delete(oldest);
    }
  }

  /** The code that cost a try was right. */
  giveTryBack(address: string): void {
    const tries = this.#tries.get(address);
    if (tries !== undefined) this.#tries.set(address, { ...tries, left: Math.min(triesAtOnce, tries.left + 1) });
  }

  #triesLeft(address: string, now: number): number {
    const tries = this.#tries.get(address);
    return tries === undefined ? triesAtOnce : Math.min(triesAtOnce, tries.left + (now - tries.atMs) / tryEveryMs);
  }
}

export function wrongCode(): BartizanFault {
  return new BartizanFault(
    "unauthenticated",
    "This link was used before, or is older than two minutes.",
    "Run `npx bartizan link` for a new one.",
  );
}

/** Digests are looked up, never codes: how long a look-up takes then tells nothing about a code. */
function keyOf(code: string): string {
  return digestOf(code).toString("base64");
}
