/** IP addresses as values: one spelling for each, and the net that one caller is taken to have. */
import { BlockList, isIP } from "node:net";

/** Without brackets and zone; an IPv4 address in one of IPv6's forms (RFC 4291 2.5.5, RFC 2765 2.1, RFC 6052, RFC 3056) as itself. */
export function plainAddress(written: string): string {
  const bare = written.replace(/^\[|\]$/g, "").replace(/%.*$/, "");
  if (isIP(bare) !== 6) return bare;
  const words = wordsOf(bare);
  const tail = (at: number) => {
    const [high = 0, low = 0] = words.slice(at);
    return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
  };
  const zeros = (from: number, until: number) => words.slice(from, until).every((word) => word === 0);
  const [w0, w1] = words;
  if (zeros(0, 5) && words[5] === 0xffff) return tail(6);
  if (zeros(0, 4) && words[4] === 0xffff && words[5] === 0) return tail(6);
  if (zeros(0, 6) && (words[6] !== 0 || (words[7] ?? 0) > 1)) return tail(6);
  if (w0 === 0x64 && w1 === 0xff9b && zeros(2, 6)) return tail(6);
  if (w0 === 0x2002) return tail(1);
  return words.map((word) => word.toString(16)).join(":");
}

/** Whoever has one address has its neighbours too: the /24 of IPv4, the /64 of IPv6. Other text stands for itself. */
export function netOf(address: string): string {
  const plain = plainAddress(address);
  if (isIP(plain) === 4) return plain.slice(0, plain.lastIndexOf("."));
  return isIP(plain) === 6 ? plain.split(":").slice(0, 4).join(":") : plain;
}

/** Whether the text is an address, or a net as "10.0.0.0/8". */
export function isNet(text: string): boolean {
  const [address = "", bits, ...more] = text.split("/");
  const family = isIP(address);
  if (family === 0 || more.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128));
}

/** Tells whether an address is in one of these addresses and nets, which are as `isNet` wants them. */
export function createNetSet(nets: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  for (const net of nets) {
    const [address = "", bits] = net.split("/");
    const plain = plainAddress(address);
    const family = isIP(plain) === 4 ? "ipv4" : "ipv6";
    if (bits === undefined) list.addAddress(plain, family);
    else list.addSubnet(address, Number(bits), address.includes(":") ? "ipv6" : "ipv4");
  }
  return (written) => {
    const address = plainAddress(written);
    const version = isIP(address);
    return version !== 0 && list.check(address, version === 4 ? "ipv4" : "ipv6");
  };
}

/** What one machine is taken to have: its IPv4 address, or the /64 of its IPv6 one. */
export function hostOf(address: string): string {
  const plain = plainAddress(address);
  return isIP(plain) === 6 ? netOf(plain) : plain;
}

/** The eight words of an IPv6 address that `isIP` knows. */
function wordsOf(address: string): number[] {
  const dotted = /(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address);
  const [a = 0, b = 0, c = 0, d = 0] = (dotted?.slice(1) ?? []).map(Number);
  const hex =
    dotted === null
      ? address
      : `${address.slice(0, dotted.index)}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  const [before = "", after] = hex.split("::");
  const numbers = (text: string) => (text === "" ? [] : text.split(":").map((word) => Number.parseInt(word, 16)));
  const [left, right] = [numbers(before), numbers(after ?? "")];
  return [...left, ...Array<number>(8 - left.length - right.length).fill(0), ...right];
}
