/** One-time codes in a group: each names the node that made it, and is redeemed on any node by asking that one. */
import type { Links } from "./links.ts";
import { wrongCode } from "./links.ts";
import { type Caller, roleNames } from "./policy.ts";
import type { Throttle } from "./throttle.ts";
import { digestOf } from "./tokens.ts";

/** A node's id before the code; ids are "name.run", and the page takes no dots in codes. */
const form = /^([a-z0-9]{1,20})-([a-z0-9]{12})-([\w-]{43})$/;

/** Whose code it was, as another node says; empty: there is no such code, or not any more. */
export interface Redeemed {
  readonly name: string;
  readonly roles: readonly string[];
}

/** Asks another node; rejects with a fault that says so when it does not answer. */
export type AskRedeem = (node: string, digest: Buffer, signal: AbortSignal) => Promise<Redeemed>;

/** The code to be used, and only there is it told in clear: what goes to the other node is its digest. */
export function codeOfNode(node: string, code: string): string {
  return `${node.replace(".", "-")}-${code}`;
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

/**
 * Whom the code was made for, wherever that was; it is worth nothing afterwards, on every node: its maker alone decides.
 * Throws as `redeemHere`, and what `ask` rejects with. Codes without a node's name are this node's own.
 */
export async function redeemAnywhere(
  links: Links,
  self: string,
  ask: AskRedeem,
  throttle: Pick<Throttle, "failed" | "forgive">,
  given: { readonly code: string; readonly address: string; readonly signal: AbortSignal },
): Promise<Caller> {
  const [, name, run, code = given.code] = form.exec(given.code) ?? [];
  const node = `${name}.${run}`;
  if (name === undefined || node === self) return redeemHere(links, throttle, code, given.address);
  // Before the other node is asked, unlike at home: strangers must not make work on the bus at will.
  throttle.failed(given);
  const { name: whose, roles } = await ask(node, digestOf(code), given.signal);
  if (whose === "") throw wrongCode();
  throttle.forgive(given);
  return { name: whose, roles: new Set(roleNames.filter((role) => roles.includes(role))) };
}
