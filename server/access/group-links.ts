/** One-time codes in a group: each names the node that made it, and is redeemed on any node by asking that one. */
import type { Links } from "./links.ts";
import { wrongCode } from "./links.ts";
import { type Caller, roleNames } from "./policy.ts";
import { digestOf } from "./tokens.ts";

/** A node's id before the code; ids are "name.run", and the page takes no dots in codes. */
const form = /^([a-z0-9]{1,20})-([a-z0-9]{6})-([\w-]{43})$/;

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
 * Whom the code was made for, wherever that was; it is worth nothing afterwards, on every node: its maker alone decides.
 * Throws as `Links.redeem`, and what `wrong` throws and `ask` rejects with. `wrong` counts a try of the address. Codes without a node's name are this node's own.
 */
export async function redeemAnywhere(
  links: Links,
  self: string,
  ask: AskRedeem,
  given: { readonly code: string; readonly wrong: () => void; readonly signal: AbortSignal },
): Promise<Caller> {
  const [, name, run, code = given.code] = form.exec(given.code) ?? [];
  const node = `${name}.${run}`;
  if (name === undefined || node === self) return redeemHere(links, code, given.wrong);
  // Before the other node is asked, unlike at home: strangers must not make work on the bus at will.
  given.wrong();
  const { name: whose, roles } = await ask(node, digestOf(code), given.signal);
  if (whose === "") throw wrongCode();
  return { name: whose, roles: new Set(roleNames.filter((role) => roles.includes(role))) };
}

/** Nobody guesses 256 bits: a right code is never refused because others try rubbish from the same address. */
export function redeemHere(links: Links, code: string, wrong: () => void): Caller {
  try {
    return links.redeem(code);
  } catch (error) {
    wrong();
    throw error;
  }
}
