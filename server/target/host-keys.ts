/** What known_hosts files (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT) say about a server's host key. Pure; reads no files. */
import { createHash, createHmac } from "node:crypto";

/** One usable line of a known_hosts file. */
export interface KnownHost {
  readonly marker: "none" | "revoked" | "cert-authority";
  /** The host field as written: patterns, or one hashed name. */
  readonly hosts: string;
  readonly type: string;
  readonly blob: Buffer;
}

/** The stored key of the same host that a verdict is about. */
export type HostKeyVerdict =
  | { readonly kind: "match" | "revoked" | "unknown" }
  /** Same type, other key. */
  | { readonly kind: "changed"; readonly known: KnownHost }
  /** Only keys of other types are known: an attacker can simply present a type that nobody has stored. */
  | { readonly kind: "other-type"; readonly known: KnownHost };

/** Blank lines, comments and lines that do not parse are skipped. */
export function parseKnownHosts(text: string): KnownHost[] {
  const found: KnownHost[] = [];
  for (const line of text.split("\n")) {
    const fields = line.trim().split(/[ \t]+/);
    if (fields[0] === undefined || fields[0] === "" || fields[0].startsWith("#")) continue;
    const marker = markerOf(fields[0]);
    if (marker === undefined) continue;
    if (marker !== "none") fields.shift();
    const [hosts, type, base64] = fields;
    if (hosts === undefined || type === undefined || base64 === undefined) continue;
    const key = parseHostKey(`${type} ${base64}`);
    if (key !== undefined) found.push({ marker, hosts, type, blob: key });
  }
  return found;
}

function markerOf(field: string): KnownHost["marker"] | undefined {
  if (!field.startsWith("@")) return "none";
  if (field === "@revoked") return "revoked";
  return field === "@cert-authority" ? "cert-authority" : undefined;
}

/** The blob of "type base64 [comment]"; undefined when it is none, or holds another type than it says. */
export function parseHostKey(line: string): Buffer | undefined {
  const [type, base64] = line.trim().split(/[ \t]+/);
  if (type === undefined || base64 === undefined || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return undefined;
  const blob = Buffer.from(base64, "base64");
  return keyType(blob) === type ? blob : undefined;
}

/** The first string of a key blob (RFC 4253 section 6.6), such as "ssh-ed25519"; "" when there is none. */
export function keyType(blob: Buffer): string {
  if (blob.length < 4) return "";
  const length = blob.readUInt32BE(0);
  return length > 64 || blob.length < 4 + length ? "" : blob.toString("latin1", 4, 4 + length);
}

/** "SHA256:" and base64 without padding, as ssh-keygen -l prints it. */
export function fingerprint(blob: Buffer): string {
  return `SHA256:${createHash("sha256").update(blob).digest("base64").replace(/=+$/, "")}`;
}

/** The name that known_hosts files have for a server: an alias stands for host and port. */
export function lookupName(host: string, port: number, alias?: string): string {
  if (alias !== undefined) return alias.toLowerCase();
  return port === 22 ? host.toLowerCase() : `[${host.toLowerCase()}]:${port}`;
}

/** All lines about `name`, of every marker. */
export function linesFor(known: readonly KnownHost[], name: string): KnownHost[] {
  return known.filter((line) => matchesHosts(line.hosts, name));
}

/** Judges `blob` by the lines about its host. All lines count: revoked beats match, match beats changed. */
export function judgeHostKey(lines: readonly KnownHost[], blob: Buffer): HostKeyVerdict {
  // A certificate authority's key is never a host's own key; ssh2 negotiates no host certificates.
  if (lines.some((line) => line.marker === "revoked" && line.blob.equals(blob))) return { kind: "revoked" };
  const plain = lines.filter((line) => line.marker === "none");
  if (plain.some((line) => line.blob.equals(blob))) return { kind: "match" };
  const type = keyType(blob);
  const changed = plain.find((line) => line.type === type);
  if (changed !== undefined) return { kind: "changed", known: changed };
  const other = plain[0];
  return other === undefined ? { kind: "unknown" } : { kind: "other-type", known: other };
}

/** The line that stores a key accepted for `name`. */
export function knownHostsLine(name: string, blob: Buffer): string {
  return `${name} ${keyType(blob)} ${blob.toString("base64")}\n`;
}

function matchesHosts(hosts: string, name: string): boolean {
  if (hosts.startsWith("|")) return matchesHash(hosts, name);
  let matched = false;
  for (const pattern of hosts.toLowerCase().split(",")) {
    if (pattern.startsWith("!")) {
      if (matchesPattern(pattern.slice(1), name)) return false;
    } else if (matchesPattern(pattern, name)) {
      matched = true;
    }
  }
  return matched;
}

function matchesHash(field: string, name: string): boolean {
  const [, version, salt, hash] = field.split("|");
  if (version !== "1" || salt === undefined || hash === undefined) return false;
  return createHmac("sha1", Buffer.from(salt, "base64")).update(name).digest().equals(Buffer.from(hash, "base64"));
}

/** `*` any run, `?` any one character. By hand and in linear space: patterns come from users. */
export function matchesPattern(pattern: string, text: string): boolean {
  let at = 0;
  let star = -1;
  let starAt = 0;
  let p = 0;
  while (at < text.length) {
    if (pattern[p] === "*") {
      star = p++;
      starAt = at;
    } else if (p < pattern.length && (pattern[p] === "?" || pattern[p] === text[at])) {
      p++;
      at++;
    } else if (star !== -1) {
      p = star + 1;
      at = ++starAt;
    } else {
      return false;
    }
  }
  while (pattern[p] === "*") p++;
  return p === pattern.length;
}
