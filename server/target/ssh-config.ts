/** Makes a target of every concrete Host of an ssh_config(5) file: first match wins, Include followed, nothing executed. */
import { existsSync } from "node:fs";
import { glob, readFile, stat } from "node:fs/promises";
import { dirname, isAbsolute, join } from "node:path";
import { type Condition, concreteHosts, type Directive, holdFor, parseSshConfig } from "./ssh-config-parse.ts";
import type { Target } from "./target.ts";

export interface SshConfigNeeds {
  /** The file itself, usually ~/.ssh/config. */
  readonly file: string;
  readonly home: string;
  /** Login name on this machine: the default for User, and %u. */
  readonly user: string;
  /** SSH_AUTH_SOCK. */
  readonly agentSocket?: string;
  /** Where keys that an operator accepted are stored. */
  readonly acceptedKeysFile?: string;
}

export interface SshConfigResult {
  readonly targets: readonly Target[];
  /** Hosts, or files, left out, and a sentence on why. */
  readonly skipped: readonly { readonly name: string; readonly why: string }[];
}

const maxIncludeDepth = 16; // as OpenSSH
const maxFiles = 256;
const maxFileBytes = 1_048_576; // 1 MiB

/** A missing file gives nothing. Never rejects: what cannot be read or used is in `skipped`. */
export async function loadSshConfig(need: SshConfigNeeds): Promise<SshConfigResult> {
  const skipped: { name: string; why: string }[] = [];
  const directives = await readAll(need, skipped);
  const targets: Target[] = [];
  for (const name of concreteHosts(directives)) {
    const made = toTarget(name, directives, need);
    if (typeof made === "string") skipped.push({ name, why: made });
    else targets.push(made);
  }
  return { targets, skipped };
}

async function readAll(need: SshConfigNeeds, skipped: { name: string; why: string }[]): Promise<Directive[]> {
  let files = 0;
  const read = async (file: string, outer: readonly Condition[], depth: number): Promise<Directive[]> => {
    if (++files > maxFiles || depth > maxIncludeDepth) {
      skipped.push({ name: file, why: "Too many files are included." });
      return [];
    }
    let text: string;
    try {
      const found = await stat(file);
      if (!found.isFile() || found.size > maxFileBytes) throw new Error("no file, or above 1 MiB");
      text = await readFile(file, "utf8");
    } catch (error) {
      const code = error instanceof Error && "code" in error ? String(error.code) : "no file, or above 1 MiB";
      if (code !== "ENOENT") skipped.push({ name: file, why: `It cannot be read (${code}).` });
      return [];
    }
    const all: Directive[] = [];
    for (const directive of parseSshConfig(text, outer)) {
      if (directive.keyword !== "include") {
        all.push(directive);
        continue;
      }
      for (const pattern of directive.args) {
        for (const found of await filesOf(pattern)) all.push(...(await read(found, directive.conditions, depth + 1)));
      }
    }
    return all;
  };
  const filesOf = async (pattern: string): Promise<string[]> => {
    const path = inHome(pattern, need.home);
    const absolute = isAbsolute(path) ? path : join(dirname(need.file), path);
    if (!/[*?[]/.test(absolute)) return [absolute];
    const found: string[] = [];
    for await (const file of glob(absolute)) {
      found.push(file);
      if (found.length > maxFiles) break;
    }
    return found.sort();
  };
  return await read(need.file, [], 0);
}

/** The target, or why there is none. */
function toTarget(name: string, directives: readonly Directive[], need: SshConfigNeeds): Target | string {
  const counting = directives.filter(({ conditions }) => holdFor(conditions, name));
  const first = (keyword: string) => counting.find((directive) => directive.keyword === keyword)?.args;
  for (const keyword of ["proxyjump", "proxycommand"]) {
    const value = first(keyword)?.[0];
    if (value !== undefined && value.toLowerCase() !== "none") {
      return `It is reached through ${keyword === "proxyjump" ? "ProxyJump" : "ProxyCommand"}, which the bastion does not do.`;
    }
  }
  const host = (first("hostname")?.[0] ?? name).replace(/%([%hn])/g, (_, token) => (token === "%" ? "%" : name));
  if (!/^[A-Za-z0-9._:%-]+$/.test(host)) return "Its HostName is not a name or an address.";
  const port = Number(first("port")?.[0] ?? "22");
  if (!Number.isInteger(port) || port < 1 || port > 65_535) return "Its Port is not a number from 1 to 65535.";
  const user = first("user")?.[0] ?? need.user;

  const tokens: Readonly<Record<string, string>> = {
    "%": "%",
    d: need.home,
    h: host,
    n: name,
    p: String(port),
    r: user,
    u: need.user,
    k: first("hostkeyalias")?.[0] ?? name,
  };
  const path = (value: string) =>
    inHome(
      value.replace(/%(.)/g, (whole, token: string) => tokens[token] ?? whole),
      need.home,
    );
  const paths = (keyword: string, defaults: readonly string[]) => {
    const values = first(keyword) ?? defaults;
    return values[0]?.toLowerCase() === "none" ? [] : values.map(path);
  };
  const identities = counting
    .filter(({ keyword }) => keyword === "identityfile")
    .map(({ args }) => path(args[0] ?? ""));
  const candidates =
    identities.length > 0
      ? identities
      : ["id_ed25519", "id_ecdsa", "id_rsa"].map((file) => join(need.home, ".ssh", file));
  const keyFile = candidates.find((file) => existsSync(file));
  const agentSocket = agentOf(first("identityagent")?.[0], first("identitiesonly")?.[0], need, path);
  const alias = first("hostkeyalias")?.[0];
  return {
    name,
    kind: "ssh",
    host,
    port,
    user,
    credentials: { ...(keyFile !== undefined && { keyFile }), ...(agentSocket !== undefined && { agentSocket }) },
    hostKeys: [],
    knownHostsFiles: [
      ...paths("userknownhostsfile", ["~/.ssh/known_hosts", "~/.ssh/known_hosts2"]),
      ...paths("globalknownhostsfile", ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"]),
    ],
    ...(need.acceptedKeysFile !== undefined && { acceptedKeysFile: need.acceptedKeysFile }),
    ...(alias !== undefined && { hostKeyAlias: alias }),
    labels: {},
    source: "ssh-config",
  };
}

function agentOf(
  value: string | undefined,
  identitiesOnly: string | undefined,
  need: SshConfigNeeds,
  path: (value: string) => string,
): string | undefined {
  if (identitiesOnly?.toLowerCase() === "yes" || value?.toLowerCase() === "none") return undefined;
  return value === undefined || value === "SSH_AUTH_SOCK" || value === "$SSH_AUTH_SOCK"
    ? need.agentSocket
    : path(value);
}

function inHome(path: string, home: string): string {
  return path === "~" || path.startsWith("~/") ? join(home, path.slice(1)) : path;
}
