/** Where a Redis is, and who this node is to it: user, password and certificates from the files of the config. */
import { readFileSync } from "node:fs";
import { endpointOf, type RedisConfig, type TlsFiles } from "../config-group.ts";
import { BartizanFault } from "../errors.ts";
import type { RedisLogin, RedisPlace } from "./redis-client.ts";

/** Throws `config` when a certificate cannot be read. */
export function redisLogin(config: Pick<RedisConfig, "url" | "username" | "passwordFile" | "tls">): RedisLogin {
  const tls = config.tls ?? (config.url?.startsWith("rediss:") ? {} : undefined);
  return {
    username: config.username,
    password: passwordIn(config.passwordFile),
    ...(tls === undefined ? {} : { tls: tlsOf(tls) }),
  };
}

/** The server, the master that sentinels name, or the first node of a cluster. */
export function redisPlace({ url = "", sentinels, cluster }: RedisConfig): RedisPlace {
  if (sentinels !== undefined) {
    const { name, nodes } = sentinels;
    return { kind: "sentinels", master: name, nodes: nodes.map(endpointOf), login: redisLogin(sentinels) };
  }
  if (cluster !== undefined) return { kind: "server", ...endpointOf(cluster.nodes[0] ?? "") };
  const { hostname, port, pathname } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, "");
  return { kind: "server", host, port: Number(port || 6379), database: Number(pathname.slice(1) || 0) };
}

/** Reaches the same servers, and says to none of them who it is. */
export function nobody({ tls }: RedisLogin): RedisLogin {
  if (tls === undefined) return { password: () => undefined };
  const { cert: _cert, key: _key, ...rest } = tls;
  return { password: () => undefined, tls: rest };
}

function tlsOf({ ca, cert, key, servername }: TlsFiles): NonNullable<RedisLogin["tls"]> {
  return {
    ...(ca === undefined ? {} : { ca: read(ca) }),
    ...(cert === undefined ? {} : { cert: read(cert) }),
    ...(key === undefined ? {} : { key: read(key) }),
    ...(servername === undefined ? {} : { servername }),
    minVersion: "TLSv1.2",
  };
}

/** Reads at each call, for the file may change; when it cannot be read just then, the last one holds. */
function passwordIn(file: string | undefined): () => string | undefined {
  let last: string | undefined;
  return () => {
    if (file === undefined) return undefined;
    try {
      last = readFileSync(file, "utf8").trim();
    } catch (error) {
      if (last === undefined) throw unreadable(file, error);
    }
    return last;
  };
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw unreadable(file, error);
  }
}

function unreadable(file: string, error: unknown): BartizanFault {
  const code = (error as NodeJS.ErrnoException).code ?? "unknown error";
  return new BartizanFault("config", `Cannot read ${file} (${code}).`, "The config's `redis` names it.", error);
}
