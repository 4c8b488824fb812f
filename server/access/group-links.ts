/** One-time codes in a group: each names the node that made it, and is redeemed on any node by asking that one. */
import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";
import type { Clock } from "../flow/clock.ts";
import type { Links } from "./links.ts";
import { wrongCode } from "./links.ts";
import { type Caller, roleNames } from "./policy.ts";
import type { Throttle } from "./throttle.ts";
import { digestOf } from "./tokens.ts";
import { createTries } from "./tries.ts";

/** A node's id before the code, and the deployment's mark behind it; ids are "name.run", and the page takes no dots in codes. */
const form = /^([a-z0-9]{1,20})-([a-z0-9]{12})-([\w-]{43})([\w-]{22})$/;
const markBytes = 16;
/** How often others are asked about one and the same code. */
const askings = { atOnce: 5, everyMs: 10_000 };

/** Whose code it was, as another node says; empty: there is no such code, or not any more. */
export interface Redeemed {
  readonly name: string;
  readonly roles: readonly string[];
}

/** Asks another node; rejects with a fault that says so when it does not answer. */
export type AskRedeem = (node: string, digest: Buffer, signal: AbortSignal) => Promise<Redeemed>;

/**
 * What tells on every node that a code was made by one of them: strangers make no work on the bus, and need no limit that would
 * keep others out with them.
 */
export interface CodeMarks {
  of(node: string, code: string): string;
  isRight(node: string, code: string, mark: string): boolean;
}

/** The first key marks, each of them proves: so keys are changed while nodes run. */
export function createCodeMarks(keys: readonly Buffer[]): CodeMarks {
  const own = keys.map((key) => Buffer.from(hkdfSync("sha256", key, Buffer.alloc(0), "bartizan link v1", 32)));
  const markBy = (key: Buffer, node: string, code: string) =>
    createHmac("sha256", key).update(`${node}\n`).update(digestOf(code)).digest().subarray(0, markBytes);
  return {
    of: (node, code) => markBy(own[0] ?? Buffer.alloc(0), node, code).toString("base64url"),
    isRight(node, code, mark) {
      const given = Buffer.from(mark, "base64url");
      return own.some((key) => timingSafeEqual(markBy(key, node, code), given));
    },
  };
}

/** The code to be used, and only there is it told in clear: what goes to the other node is its digest. */
export function codeOfNode(marks: CodeMarks, node: string, code: string): string {
  return `${node.replace(".", "-")}-${code}${marks.of(node, code)}`;
}

/**
 * Whom this node's own code was made for. Throws as `Links.redeem`, and `limit` instead for an address that had too many
 * wrong ones. Nobody guesses 256 bits: a right code is never refused because others try rubbish from the same address.
 */
export function redeemHere(links: Links, throttle: Pick<Throttle, "failed">, code: string, address: string): Caller {
  try {
    return links.redeem(code);
  } catch (error) {
    throttle.failed({ address });
    throw error;
  }
}

/** Redeems codes of whatever node; the code is worth nothing afterwards, on every node: its maker alone decides. */
export type RedeemAnywhere = (given: {
  readonly code: string;
  readonly address: string;
  readonly signal: AbortSignal;
}) => Promise<Caller>;

export interface RedeemNeeds {
  readonly links: Links;
  readonly self: string;
  readonly marks: CodeMarks;
  readonly ask: AskRedeem;
  readonly throttle: Pick<Throttle, "failed">;
  readonly clock: Clock;
}

/** What it makes rejects as `redeemHere` throws, and with what `ask` rejects with. Codes without a node's name are this node's own. */
export function createRedeem({ links, self, marks, ask, throttle, clock }: RedeemNeeds): RedeemAnywhere {
  const asked = createTries(askings, clock);
  const refused = (address: string) => {
    throttle.failed({ address });
    return wrongCode();
  };
  return async ({ code: given, address, signal }) => {
    const [, name, run, code = given, mark = ""] = form.exec(given) ?? [];
    const node = `${name}.${run}`;
    if (name === undefined || node === self) return redeemHere(links, throttle, code, address);
    if (!marks.isRight(node, code, mark)) throw refused(address);
    const digest = digestOf(code);
    asked.take(digest.toString("base64"));
    const { name: whose, roles } = await ask(node, digest, signal);
    if (whose === "") throw refused(address);
    return { name: whose, roles: new Set(roleNames.filter((role) => roles.includes(role))) };
  };
}
