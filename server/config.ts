/** The one reader of the environment and of the config file: everything the server is told, checked, with lines. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { homedir, hostname, userInfo } from "node:os";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { LineCounter, parseDocument, visit } from "yaml";
import { z } from "zod";
import { identitySchema } from "./access/identity-settings.ts";
import { roleNames } from "./access/policy.ts";
import { type AuditSettings, auditSchema } from "./audit/export-settings.ts";
import {
  limitsSchema,
  locksSchema,
  nodeLimitsSchema,
  policySchema,
  principalName,
  watchingSchema,
} from "./config-access.ts";
import { fileProblems } from "./config-files.ts";
import { completeGroup, completeRedis, groupSchema, metricsSchema, redisSchema } from "./config-group.ts";
import { BartizanFault } from "./errors.ts";
import { isNet } from "./flow/address.ts";

const name = principalName;
const port = z.number().int().min(0).max(65535);
const seconds = (fallback: number) => z.number().min(0).max(86_400).default(fallback);

const hostKey = z
  .string()
  .regex(/^(ssh|ecdsa)-[a-z0-9@.-]+ [A-Za-z0-9+/]{40,}={0,2}$/, "a key type and its base64, as in known_hosts");

const targetSchema = z.strictObject({
  name,
  host: z
    .string()
    .max(255)
    .regex(/^[A-Za-z0-9[][A-Za-z0-9._:%[\]-]*$/, "a host name or an address"),
  port: port.min(1).default(22),
  user: z.string().min(1).max(100).optional(),
  /** Path of a private key. */
  key: z.string().min(1).optional(),
  /** True: the agent of SSH_AUTH_SOCK; else the path of an agent's socket. */
  agent: z.union([z.boolean(), z.string().min(1)]).optional(),
  /** "type base64" as in known_hosts, one or several; then no other key is accepted. */
  hostKey: z.union([hostKey, z.array(hostKey).min(1)]).optional(),
  /** True: it may lead to this machine, to link-local and metadata addresses. */
  allowLocal: z.boolean().default(false),
  labels: z.record(z.string().max(100), z.string().max(200)).default({}),
  limits: limitsSchema.optional(),
});

/** What stands in examples, and what people try first (R32). */
const weakTokens =
  "|admin|alice|bartizan|changeme|change-me|default|demo|example|letmein|passw0rd|password|root|secret|test|token|123456";
const weakDigests = new Set(
  weakTokens
    .split("|")
    .flatMap((text) => [text, `${text}\n`].map((each) => createHash("sha256").update(each).digest("hex"))),
);

const principalSchema = z.strictObject({
  name,
  roles: z.array(z.enum(roleNames)).min(1),
  tokenSha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/, "the SHA-256 of the token: 64 hexadecimal digits")
    .refine((digest) => !weakDigests.has(digest), "everybody would guess this token: make one with openssl rand"),
  /** True: he may do nothing, and what he has open ends. */
  disabled: z.boolean().optional(),
  limits: limitsSchema.optional(),
});

/** Names every entry whose value another one before it has already. */
function refuseDoubles<T>(what: string, of: (entry: T) => string, key: string) {
  return (entries: readonly T[], context: z.core.$RefinementCtx) => {
    const seen = new Set<string>();
    for (const [index, entry] of entries.entries()) {
      const value = of(entry);
      if (seen.has(value)) context.addIssue({ code: "custom", path: [index, key], message: `this ${what} is taken` });
      seen.add(value);
    }
  };
}

const wholeFile = z.strictObject({
  listen: z
    .strictObject({
      host: z.string().min(1).default("127.0.0.1"),
      port: port.default(7322),
      /** Further names that clients use for this server. */
      names: z.array(z.string().min(1)).default([]),
      /** Addresses and nets of proxies that may say who calls, in x-forwarded-for. */
      trustedProxies: z.array(z.string().refine(isNet, "an address, or a net as 10.0.0.0/8")).optional(),
      tls: z.strictObject({ cert: z.string().min(1), key: z.string().min(1) }).optional(),
    })
    .prefault({}),
  /** Folder of the server's state: its token, the host keys that were accepted. */
  data: z.string().min(1).optional(),
  node: z
    .string()
    .regex(/^[a-z0-9]{1,20}$/, "small letters and digits, at most 20")
    .optional(),
  demo: z.boolean().default(true),
  /** A path, or false: no targets from there. */
  sshConfig: z.union([z.literal(false), z.string().min(1)]).optional(),
  targets: z
    .array(targetSchema)
    .superRefine(refuseDoubles("name", ({ name }) => name, "name"))
    .default([]),
  principals: z
    .array(principalSchema)
    .superRefine(refuseDoubles("name", ({ name }) => name, "name"))
    .superRefine(refuseDoubles("token", ({ tokenSha256 }) => tokenSha256, "tokenSha256"))
    .default([]),
  /** How people sign in who have no token in `principals`. */
  identity: identitySchema,
  /** Names that may do nothing, whoever signs them in. */
  disabledUsers: z.array(name).default([]),
  /** Who may do what; without any, the built-in rules. */
  policies: z
    .array(policySchema)
    .superRefine(refuseDoubles("name", (policy) => policy.name, "name"))
    .default([]),
  limits: nodeLimitsSchema.prefault({}),
  locks: locksSchema.prefault({}),
  watching: watchingSchema.prefault({}),
  recording: z
    .strictObject({
      /** Where the files are; its parent has to exist. */
      folder: z.string().min(1).optional(),
      /** Targets with one of these labels are recorded best effort. */
      bestEffort: z.record(z.string().max(100), z.string().max(200)).default({}),
      /** No session begins with less than this free on the disk; a quarter of it left ends them. */
      reserveBytes: z
        .number()
        .int()
        .min(0)
        .default(512 * 1024 * 1024),
    })
    .prefault({}),
  /** What is kept of recordings; without a key, everything. */
  retention: z
    .strictObject({
      days: z.number().min(0.01).max(36_500).optional(),
      bytes: z.number().int().min(0).optional(),
    })
    .prefault({}),
  /** Where the audit log is sent. */
  audit: auditSchema.prefault({}),
  graceSeconds: seconds(600),
  drainSeconds: seconds(10),
  maxSessions: z.number().int().min(1).max(100_000).default(1000),
  maxSessionsPerPrincipal: z.number().int().min(1).max(100_000).default(250),
  log: z.enum(["silent", "error", "warn", "info", "debug"]).default("info"),
  /** What joins several nodes; without it this node is alone. */
  redis: redisSchema.optional(),
  group: groupSchema.prefault({}),
  metrics: metricsSchema.optional(),
});

const fileSchema = wholeFile.superRefine(({ redis, group }, context) => {
  if (redis !== undefined && group.keyFile === undefined)
    context.addIssue({
      code: "custom",
      path: ["group", "keyFile"],
      message: "nodes with a redis need the group's key",
    });
});

type FileConfig = z.output<typeof fileSchema>;

/** What the server runs with; paths are absolute, defaults filled in. */
export interface Config extends Omit<FileConfig, "data" | "node" | "sshConfig" | "recording"> {
  readonly data: string;
  readonly recording: FileConfig["recording"] & { readonly folder: string };
  /** Where `data` is when nothing else is said: clients look for the token there. */
  readonly usualData: string;
  readonly node: string;
  readonly sshConfig: string | false;
  readonly user: string;
  readonly home: string;
  readonly agentSocket: string | undefined;
  /** Where the local token is. */
  readonly tokenFile: string;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** One thing wrong in the config file. `line` counts from 1. */
export interface ConfigProblem {
  readonly line: number;
  readonly message: string;
}

/** Reads `path`, or takes the defaults without one. Throws `config` that names each line at fault. */
export function readConfig(path: string | undefined, environment: Environment = process.env): Config {
  if (path === undefined) return complete(fileSchema.parse({}), process.cwd(), environment);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "unknown error";
    throw new BartizanFault("config", `Cannot read ${path} (${code}).`, "Check the path after --config.", error);
  }
  const parsed = parseConfig(text);
  const refuse = (problems: readonly ConfigProblem[]) => {
    const lines = problems.map(({ line, message }) => `${path}:${line}: ${message}`);
    throw new BartizanFault("config", lines.join("\n"), "docs/config.md describes every key.");
  };
  if ("problems" in parsed) return refuse(parsed.problems);
  const config = complete(parsed.file, dirname(resolve(path)), environment);
  const onDisk = fileProblems(config).map(({ path: at, message }) => ({
    line: parsed.lineOf(at),
    message: `${at.join(".")}: ${message}`,
  }));
  const twin = config.principals.findIndex(({ name }) => name === config.user);
  const shared = {
    line: parsed.lineOf(["principals", twin]),
    message: `principals.${twin}: ${config.user} has the local token`,
  };
  const problems = twin < 0 ? onDisk : [...onDisk, shared];
  if (problems.length > 0) return refuse(problems);
  refuseUnsafe(config);
  return config;
}

/** The file's values, or everything that is wrong with it, in order of lines. */
export function parseConfig(
  text: string,
): { file: FileConfig; lineOf: (path: readonly PropertyKey[]) => number } | { problems: ConfigProblem[] } {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    uniqueKeys: true,
    merge: false,
    schema: "core",
    logLevel: "error",
  });
  const lineAt = (offset: number) => Math.max(1, lines.linePos(offset).line);
  if (document.errors.length > 0)
    return {
      problems: document.errors.map((error) => ({
        line: lineAt(error.pos[0]),
        message: (error.message.split("\n", 1)[0] ?? "").replace(/ at line \d+, column \d+:?$/, ""),
      })),
    };
  let alias: number | undefined;
  visit(document, {
    Alias: (_key, node) => {
      alias ??= node.range?.[0] ?? 0;
    },
  });
  if (alias !== undefined)
    return { problems: [{ line: lineAt(alias), message: "aliases (*name) are not taken here" }] };
  const result = fileSchema.safeParse(document.toJS({ maxAliasCount: 0 }) ?? {});
  const lineOf = (path: readonly PropertyKey[]) => lineAt(offsetOf(document, path));
  if (result.success) return { file: result.data, lineOf };
  const problems = result.error.issues.flatMap((issue) => {
    const keys = issue.code === "unrecognized_keys" ? issue.keys : [undefined];
    return keys.map((key) => {
      const path = key === undefined ? issue.path : [...issue.path, key];
      const message = key === undefined ? issue.message : "this key is not known";
      return { line: lineAt(offsetOf(document, path)), message: `${path.join(".") || "the file"}: ${message}` };
    });
  });
  return { problems: problems.toSorted((one, other) => one.line - other.line) };
}

/** Where the value at `path` stands, or the innermost thing around it that is there. */
function offsetOf(document: ReturnType<typeof parseDocument>, path: readonly PropertyKey[]): number {
  for (let length = path.length; length > 0; length -= 1) {
    const node = document.getIn(path.slice(0, length), true) as { range?: [number, number, number] } | undefined;
    if (node?.range) return node.range[0];
  }
  return 0;
}

function complete(file: FileConfig, base: string, environment: Environment): Config {
  const { username, homedir: home } = userOf(environment);
  const from = (path: string) => (isAbsolute(path) ? path : resolve(base, path.replace(/^~(?=\/)/, home)));
  const state = environment.XDG_STATE_HOME || join(home, ".local", "state");
  const usualData = join(state, "bartizan");
  const data = file.data === undefined ? usualData : from(file.data);
  const tls = file.listen.tls;
  const { oidc } = file.identity;
  const secret = oidc?.clientSecretFile && from(oidc.clientSecretFile);
  return {
    ...file,
    listen: tls === undefined ? file.listen : { ...file.listen, tls: { cert: from(tls.cert), key: from(tls.key) } },
    targets: file.targets.map((target) => ({ ...target, ...(target.key && { key: from(target.key) }) })),
    identity: { ...file.identity, ...(oidc === undefined ? {} : { oidc: { ...oidc, clientSecretFile: secret } }) },
    audit: auditFrom(file.audit, from),
    ...{ data, usualData },
    recording: { ...file.recording, folder: from(file.recording.folder ?? join(data, "recordings")) },
    node: file.node ?? nodeName(),
    sshConfig: file.sshConfig === false ? false : from(file.sshConfig ?? join(home, ".ssh", "config")),
    user: username,
    home,
    agentSocket: environment.SSH_AUTH_SOCK || undefined,
    ...(file.redis === undefined ? {} : { redis: completeRedis(file.redis, from) }),
    group: completeGroup(file.group, from),
    tokenFile: join(data, "token"),
  };
}

function auditFrom({ syslog, webhook }: AuditSettings, from: (path: string) => string): AuditSettings {
  const ca = (file: string | undefined) => (file === undefined ? {} : { ca: from(file) });
  return {
    ...(syslog === undefined ? {} : { syslog: { ...syslog, ...ca(syslog.ca) } }),
    ...(webhook === undefined
      ? {}
      : { webhook: { ...webhook, ...ca(webhook.ca), secretFile: from(webhook.secretFile) } }),
  };
}

function userOf(environment: Environment): { username: string; homedir: string } {
  const home = environment.HOME || homedir();
  try {
    return { username: userInfo().username, homedir: home };
  } catch {
    // A numeric user without an entry in passwd, as containers have it.
    return { username: environment.USER || "operator", homedir: home };
  }
}

function nodeName(): string {
  return (
    hostname()
      .toLowerCase()
      .replace(/[^a-z0-9]/g, "")
      .slice(0, 20) || "node"
  );
}

const loopback = new Set(["127.0.0.1", "::1", "localhost"]);

export function isLoopback(host: string): boolean {
  return loopback.has(host);
}

/** Anything wider than loopback needs TLS and somebody who can prove who he is; a sign-in by cookie needs https. */
function refuseUnsafe(config: Config): void {
  const { oidc, url } = config.identity;
  if (oidc !== undefined && url === undefined && config.listen.tls === undefined)
    throw new BartizanFault(
      "config",
      "People sign in with identity.oidc over https alone, and the config lacks listen.tls (cert and key).",
      "Add it, or name the https:// address of the proxy in front in identity.url.",
    );
  if (isLoopback(config.listen.host)) return;
  const missing = [
    ...(config.listen.tls === undefined ? ["listen.tls (cert and key)"] : []),
    ...(config.principals.length === 0 && oidc === undefined ? ["principals or identity.oidc (who may call)"] : []),
    ...(config.listen.names.length === 0 ? ["listen.names (the host names clients use)"] : []),
  ];
  if (missing.length > 0)
    throw new BartizanFault(
      "config",
      `Listening on ${config.listen.host} lets others in, and the config lacks ${missing.join(", ")}.`,
      "Add what is missing, or listen on 127.0.0.1.",
    );
}
