/** Whose word about the caller's address counts: proxies that the config names, and nobody else's (R29, R8). */
import { isIP } from "node:net";
import { createNetSet, plainAddress } from "../flow/address.ts";

export interface TrustedProxies {
  readonly trusts: (address: string) => boolean;
  /**
   * Who calls: the peer itself, or where that is a trusted proxy, the last address of `x-forwarded-for` that is not one.
   * What stands further left anybody may have written. An entry that is no address ends the search: then it is the proxy
   * who told of it.
   */
  readonly callerOf: (peer: string, forwardedFor: string | string[] | undefined) => string;
}

const maxHops = 16;

export function createTrustedProxies(nets: readonly string[]): TrustedProxies {
  const trusts = createNetSet(nets);
  return {
    trusts,
    callerOf(peer, forwardedFor) {
      if (forwardedFor === undefined || !trusts(peer)) return peer;
      const hops = [forwardedFor].flat().join(",").split(",").slice(-maxHops);
      let caller = peer;
      for (const hop of hops.reverse()) {
        const address = plainAddress(hop.trim());
        if (isIP(address) === 0) break;
        caller = address;
        if (!trusts(address)) break;
      }
      return caller;
    },
  };
}
