/** One-time codes that sign a caller in to the page: kept as digests in memory, two minutes, one use. */
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
export interface Link {
  readonly code: string;
  /** Wall clock, ms. */
  readonly expiresAtMs: number;
}

export class Links {
  readonly #clock: Clock;
  /** By digest, oldest first. */
  readonly #open = new Map<string, { readonly caller: Caller; readonly untilMs: number }>();

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

  /** Whom the code was made for; it is worth nothing afterwards. Throws `unauthenticated` for one that is wrong, used or too old. */
  redeem(code: string): Caller {
    const caller = this.take(digestOf(code));
    if (caller === undefined) throw wrongCode();
    return caller;
  }

  /** Whom the code with this digest was made for; it is worth nothing afterwards. Undefined: wrong, used or too old. */
  take(digest: Uint8Array): Caller | undefined {
    const key = Buffer.from(digest).toString("base64");
    const found = this.#open.get(key);
    this.#open.delete(key);
    return found !== undefined && this.#clock.monotonicMs() < found.untilMs ? found.caller : undefined;
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
