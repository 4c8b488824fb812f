/** What the config file says of several nodes: where their Redis is, and what makes them one group. Checks, no reading. */
import { z } from "zod";

const path = z.string().min(1);

const tls = z
  .strictObject({ ca: path.optional(), cert: path.optional(), key: path.optional(), servername: path.optional() })
  .refine(({ cert, key }) => (cert === undefined) === (key === undefined), "cert and key go together");

const endpoint = z
  .string()
  .regex(/^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9][A-Za-z0-9._-]{0,254}):[0-9]{1,5}$/, "host:port")
  .refine((value) => endpointOf(value).port <= 65_535, "a port up to 65535");

const endpoints = z.array(endpoint).min(1).max(100);

export const redisSchema = z
  .strictObject({
    /** redis://host:port or rediss://host:port, and /N for another database than 0. */
    url: z.string().max(500).refine(isRedisUrl, "redis://host:port or rediss://host:port").optional(),
    sentinels: z
      .strictObject({
        /** What the sentinels call the master. */
        name: z.string().regex(/^[A-Za-z0-9._-]{1,100}$/, "the name of the master"),
        nodes: endpoints,
        username: z.string().min(1).optional(),
        passwordFile: path.optional(),
        tls: tls.optional(),
      })
      .optional(),
    cluster: z.strictObject({ nodes: endpoints }).optional(),
    username: z.string().min(1).optional(),
    passwordFile: path.optional(),
    tls: tls.optional(),
    /** Begins every name; one for each deployment on the same Redis. */
    prefix: z
      .string()
      .regex(/^[a-z0-9]{1,20}$/, "small letters and digits, at most 20")
      .default("bz"),
  })
  .superRefine((redis, context) => {
    const { url, sentinels, cluster } = redis;
    const wrong = (path: string[], message: string) => context.addIssue({ code: "custom", path, message });
    if ([url, sentinels, cluster].filter((each) => each !== undefined).length !== 1)
      wrong([], "one of url, sentinels and cluster");
    if (url !== undefined && isRedisUrl(url)) {
      const { username, password, protocol } = new URL(url);
      if (username !== "" || password !== "") wrong(["url"], "who calls is said by username and passwordFile");
      if (protocol === "redis:" && redis.tls !== undefined) wrong(["url"], "with tls it begins with rediss://");
    }
    if (redis.username !== undefined && redis.passwordFile === undefined)
      wrong(["username"], "a username needs a passwordFile");
    // Whoever reaches a Redis that wants nothing from its clients can read the list and trouble every node.
    const away = redisHosts(redis).find((host) => !isLoopbackHost(host));
    if (away !== undefined && redis.passwordFile === undefined && redis.tls?.cert === undefined)
      wrong([], `${away} is another machine: a Redis there has to ask for a password or a client certificate`);
  });

const webAddress = z
  .string()
  .max(500)
  .refine((value) => isWebAddress(value), "https://host:port")
  .transform((value) => value.replace(/\/+$/, ""));

export const groupSchema = z.strictObject({
  /** A file of keys, 64 hexadecimal digits a line: the first seals, all open. */
  keyFile: path.optional(),
  /** Where clients reach the group, through its balancer; links lead there. */
  url: webAddress.optional(),
  /** Where clients reach this node itself; operators are sent there for its sessions. */
  address: webAddress.optional(),
  /** A node that is off the bus for so long ends its sessions, so that a kick holds everywhere. */
  strictSeconds: z.number().min(10).max(86_400).optional(),
});

/** Where the figures of this node are read; without a key, nowhere. */
export const metricsSchema = z
  .strictObject({
    listen: endpoint,
    /** True: others than this machine may read them. They name nobody, but tell how much is going on. */
    allowWide: z.boolean().default(false),
  })
  .superRefine(({ listen, allowWide }, context) => {
    if (allowWide || isLoopbackHost(endpointOf(listen).host)) return;
    const message = "others than this machine reach that: use 127.0.0.1, or say metrics.allowWide: true";
    context.addIssue({ code: "custom", path: ["listen"], message });
  });

/** Files of one TLS client; paths. */
export interface TlsFiles {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly servername?: string | undefined;
}

/** Where the Redis is and who calls it: one of `url`, `sentinels` and `cluster`. Paths are absolute. */
export type RedisConfig = z.output<typeof redisSchema>;
export type GroupConfig = z.output<typeof groupSchema>;

export function completeRedis(redis: RedisConfig, from: (path: string) => string): RedisConfig {
  const { sentinels } = redis;
  return {
    ...withPaths(redis, from),
    ...(sentinels === undefined ? {} : { sentinels: withPaths(sentinels, from) }),
  };
}

export function completeGroup(group: GroupConfig, from: (path: string) => string): GroupConfig {
  return { ...group, ...(group.keyFile === undefined ? {} : { keyFile: from(group.keyFile) }) };
}

function withPaths<Of extends { passwordFile?: string | undefined; tls?: TlsFiles | undefined }>(
  given: Of,
  from: (path: string) => string,
): Of {
  const { passwordFile, tls } = given;
  const files = Object.entries(tls ?? {}).filter(([name, value]) => value !== undefined && name !== "servername");
  const absolute = Object.fromEntries(files.map(([name, value]) => [name, from(value as string)]));
  return {
    ...given,
    ...(passwordFile === undefined ? {} : { passwordFile: from(passwordFile) }),
    ...(tls === undefined ? {} : { tls: { ...tls, ...absolute } }),
  };
}

/** "host:port" or "[address]:port" in its parts. */
export function endpointOf(text: string): { host: string; port: number } {
  const at = text.lastIndexOf(":");
  return { host: text.slice(0, at).replace(/^\[|\]$/g, ""), port: Number(text.slice(at + 1)) };
}

/** Hosts of Redis servers that the config names; with sentinels those, which are not asked for passwords of their own. */
export function redisHosts({ url, sentinels, cluster }: Pick<RedisConfig, "url" | "sentinels" | "cluster">): string[] {
  const nodes = [...(sentinels?.nodes ?? []), ...(cluster?.nodes ?? [])].map((node) => endpointOf(node).host);
  const host = url === undefined ? undefined : urlOf(url)?.hostname.replace(/^\[|\]$/g, "");
  return host === undefined ? nodes : [host, ...nodes];
}

/** All of 127.0.0.0/8, ::1 and localhost. */
export function isLoopbackHost(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}

function isWebAddress(text: string): boolean {
  const url = urlOf(text);
  return (
    url !== undefined && /^https?:$/.test(url.protocol) && url.username === "" && `${url.search}${url.hash}` === ""
  );
}

function urlOf(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}

function isRedisUrl(text: string): boolean {
  const url = urlOf(text);
  if (url === undefined) return false;
  return (
    /^rediss?:$/.test(url.protocol) &&
    url.hostname !== "" &&
    /^(\/([0-9]|1[0-5])?)?$/.test(url.pathname) &&
    url.search === "" &&
    url.hash === ""
  );
}
