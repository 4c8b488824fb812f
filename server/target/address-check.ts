/** Where a target may lead to: asked of every address that a name resolved to, in the moment of connecting (R11). */
import { isIP } from "node:net";
import { networkInterfaces } from "node:os";
import { createNetSet, plainAddress } from "../flow/address.ts";
import type { Target } from "./target.ts";

/** Undefined when the target may lead to this address, else what is wrong with it, to go on after "leads to". */
export type AddressCheck = (target: Destination, address: string) => string | undefined;
export type Destination = Pick<Target, "kind" | "host" | "port" | "allowLocal">;

/** By the words that a refusal says; the first that fits counts. IPv4 in IPv6's clothes is undressed before. */
const denied: readonly (readonly [string, readonly string[]])[] = [
  [
    "a metadata service",
    ["169.254.169.254/32", "100.100.100.200/32", "192.0.0.192/32", "168.63.129.16/32", "fd00:ec2::254/128"],
  ],
  ["the bastion's own machine", ["127.0.0.0/8", "0.0.0.0/8", "::1/128", "::/128"]],
  ["a link-local address", ["169.254.0.0/16", "fe80::/10"]],
  // Each network says for itself where in it an IPv4 address stands (RFC 8215): it may be any.
  ["an address that is translated within its network", ["64:ff9b:1::/48"]],
  ["no single host", ["224.0.0.0/4", "255.255.255.255/32", "ff00::/8"]],
];
const ownMachine = "the bastion's own machine";
const lists = denied.map(([what, nets]) => ({ what, has: createNetSet(nets) }));

/**
 * What the operator's own inventory asks for by word (`allowLocal`), and the demo, may be anywhere. A loopback address, or
 * `localhost`, that stands there as such means itself; a name that only resolves to one does not, whoever runs its zone.
 * `ownPorts`: where this server listens, as far as it does; nothing but `allowLocal` leads there.
 */
export function createAddressCheck(ownPorts: () => readonly number[] = () => []): AddressCheck {
  return (target, written) => {
    if (target.kind === "demo" || target.allowLocal === true) return undefined;
    const address = plainAddress(written);
    if (isIP(address) === 0) return "no address";
    const what = lists.find(({ has }) => has(address))?.what;
    if (ownPorts().includes(target.port) && (what === ownMachine || isOwn(address))) return "this server itself";
    return what === ownMachine && isLoopbackName(target.host) ? undefined : what;
  };
}

/** Whether the inventory's own words say that this is the bastion's machine. */
function isLoopbackName(host: string): boolean {
  if (/^(localhost|ip6-localhost)$/i.test(host)) return true;
  const address = plainAddress(host);
  return /^127\./.test(address) ? isIP(address) === 4 : address === "0:0:0:0:0:0:0:1";
}

/** An address of one of this machine's interfaces, as they are now. */
function isOwn(address: string): boolean {
  return Object.values(networkInterfaces()).some((each) =>
    each?.some((found) => plainAddress(found.address) === address),
  );
}
