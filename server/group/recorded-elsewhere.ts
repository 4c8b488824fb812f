/** What is answered for a recording that another node made: each keeps its own, and a session's id says whose it is. */
import { BartizanFault } from "../errors.ts";
import { holderOf, nodeNameOf } from "./names.ts";

/**
 * Undefined for an id that names no other node than `node`. Goes by the form of the id alone: the same for everybody, and
 * whether or not there is such a recording. `addressOf`: where clients reach a node of that name; empty when not known.
 */
export function recordedElsewhere(
  id: string,
  node: string,
  addressOf: (name: string) => string,
): BartizanFault | undefined {
  const holder = holderOf(id);
  if (holder === undefined) return undefined;
  const name = nodeNameOf(holder);
  if (name === node) return undefined;
  const address = addressOf(name);
  return new BartizanFault(
    "not-here",
    `It was recorded on the node ${name}.`,
    address === "" ? "Ask that node: its recordings are there alone." : `Ask there: ${address}.`,
    undefined,
    address,
  );
}
