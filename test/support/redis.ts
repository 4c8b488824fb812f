/** Real Redis servers for tests, on loopback and in folders of their own: one, sentinels over a pair, or a cluster. */
import { execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePort } from "./sshd.ts";
import { until } from "./until.ts";

export interface RedisOptions {
  /** Further arguments, as lines of redis.conf: `["maxmemory 1mb"]`. */
  readonly config?: readonly string[];
  readonly port?: number;
  /** Serves TLS alone, with a certificate of its own authority for localhost and 127.0.0.1. */
  readonly tls?: boolean;
  /** What the default user has to know. */
  readonly password?: string;
  /** Starts by `start()` alone. */
  readonly later?: boolean;
  readonly sentinel?: boolean;
}

export interface RedisServer extends AsyncDisposable {
  readonly port: number;
  readonly pid: number;
  /** As the config takes it: redis:// or rediss://. */
  readonly url: string;
  readonly folder: string;
  /** The authority's certificate, with `tls`. */
  readonly caFile: string;
  /** redis-cli, as the user that may do everything; rejects with what it says when that is an error. */
  cli(...words: readonly (string | number)[]): Promise<string>;
  /** Resolves when it answers, and has loaded. */
  start(): Promise<void>;
  /** SHUTDOWN NOSAVE; resolves when the process is gone. */
  stop(): Promise<void>;
  kill(): Promise<void>;
  freeze(): void;
  thaw(): void;
  log(): string;
}

export function redisPath(): string | undefined {
  return ["/usr/bin/redis-server", "/usr/local/bin/redis-server"].find((path) => existsSync(path));
}

const run = promisify(execFile);

export async function openRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), "bartizan-redis-"));
  const port = options.port ?? (await freePort());
  const confFile = join(folder, "redis.conf");
  const logFile = join(folder, "redis.log");
  const caFile = join(folder, "ca.crt");
  if (options.tls === true) makeCertificate(folder);
  const tls = ["--tls", "--cacert", caFile];
  writeFileSync(
    confFile,
    [
      ...(options.tls === true
        ? [
            `port 0\ntls-port ${port}\ntls-auth-clients no`,
            `tls-cert-file ${join(folder, "server.crt")}\ntls-key-file ${join(folder, "server.key")}`,
            `tls-ca-cert-file ${caFile}`,
          ]
        : [`port ${port}`]),
      `bind 127.0.0.1\ndir ${folder}\nlogfile ${logFile}`,
      ...(options.sentinel === true
        ? []
        : ['save ""', "enable-debug-command yes", "repl-diskless-sync-delay 0", "repl-ping-replica-period 1"]),
      ...(options.password === undefined ? [] : [`requirepass ${options.password}`]),
      ...(options.config ?? []),
      "",
    ].join("\n"),
  );
  let child: ReturnType<typeof spawn> | undefined;
  let gone: Promise<unknown> = Promise.resolve();
  const signal = (name: NodeJS.Signals) => {
    if (child?.exitCode === null && child.signalCode === null) child.kill(name);
  };
  async function cli(...words: readonly (string | number)[]): Promise<string> {
    const secret = options.password === undefined ? [] : ["--no-auth-warning", "-a", options.password];
    const args = ["-p", String(port), ...secret, ...(options.tls === true ? tls : []), "-e", ...words.map(String)];
    const { stdout } = await run("redis-cli", args, { timeout: 20_000 }).catch((error: { stderr?: string }) => {
      throw new Error(`redis-cli ${words.join(" ")}: ${error.stderr ?? error}`);
    });
    return stdout.trimEnd();
  }
  const server: RedisServer = {
    ...{ port, folder, caFile, cli },
    get pid() {
      return child?.pid ?? 0;
    },
    url: `${options.tls === true ? "rediss" : "redis"}://127.0.0.1:${port}`,
    async start() {
      const out = openSync(join(folder, "output"), "a");
      child = spawn(redisPath() ?? "redis-server", [confFile, ...(options.sentinel === true ? ["--sentinel"] : [])], {
        stdio: ["ignore", out, out],
      });
      gone = once(child, "exit");
      await until(
        async () => (await cli("ping").catch(() => "")) === "PONG",
        `Redis answers on ${port}: ${server.log()}`,
      );
    },
    async stop() {
      await cli("shutdown", "nosave").catch(() => {});
      await gone;
    },
    async kill() {
      signal("SIGKILL");
      await gone;
    },
    freeze: () => signal("SIGSTOP"),
    thaw: () => signal("SIGCONT"),
    log: () => (existsSync(logFile) ? readFileSync(logFile, "utf8") : ""),
    async [Symbol.asyncDispose]() {
      signal("SIGKILL");
      await gone;
      rmSync(folder, { recursive: true, force: true });
    },
  };
  try {
    if (options.later !== true) await server.start();
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
  return server;
}

/** An authority and a certificate of it, for 127.0.0.1. */
function makeCertificate(folder: string): void {
  const file = (name: string) => join(folder, name);
  const openssl = (...args: string[]) => {
    const { status, stderr } = spawnSync("openssl", args, { encoding: "utf8" });
    if (status !== 0) throw new Error(`openssl ${args.join(" ")}: ${stderr}`);
  };
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  openssl("req", "-x509", ...key, "-keyout", file("ca.key"), "-out", file("ca.crt"), "-subj", "/CN=test", "-days", "2");
  openssl("req", ...key, "-keyout", file("server.key"), "-out", file("server.csr"), "-subj", "/CN=localhost");
  writeFileSync(file("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n");
  const signed = ["-CA", file("ca.crt"), "-CAkey", file("ca.key"), "-CAcreateserial", "-extfile", file("names")];
  openssl("x509", "-req", "-in", file("server.csr"), ...signed, "-out", file("server.crt"), "-days", "2");
}

export interface Sentinels extends AsyncDisposable {
  readonly pair: readonly [RedisServer, RedisServer];
  readonly sentinels: readonly RedisServer[];
  /** As the config takes it. */
  readonly config: { readonly name: string; readonly nodes: string[] };
  /** The one of the pair that the sentinels call master. */
  master(): Promise<RedisServer>;
}

/** A master, a replica, and three sentinels that take the master for down after 2 s. */
export async function openSentinels(): Promise<Sentinels> {
  await using opening = new AsyncDisposableStack();
  const first = opening.use(await openRedis());
  const second = opening.use(await openRedis({ config: [`replicaof 127.0.0.1 ${first.port}`] }));
  const config = [
    `sentinel monitor one 127.0.0.1 ${first.port} 2`,
    "sentinel down-after-milliseconds one 2000\nsentinel failover-timeout one 4000",
  ];
  const sentinels = await Promise.all([1, 2, 3].map(() => openRedis({ sentinel: true, config })));
  for (const each of sentinels) opening.use(each);
  const pair = [first, second] as const;
  const ask = async (sentinel: RedisServer, field: string) => {
    const lines = (await sentinel.cli("sentinel", "master", "one")).split("\n");
    return lines[lines.indexOf(field) + 1];
  };
  const knowAll = async () => {
    for (const each of sentinels)
      if ((await ask(each, "num-other-sentinels")) !== "2" || (await ask(each, "num-slaves")) !== "1") return false;
    return (await first.cli("info", "replication")).includes("state=online");
  };
  await until(knowAll, "the sentinels know one another and the replica");
  const held = opening.move();
  return {
    ...{ pair, sentinels },
    config: { name: "one", nodes: sentinels.map(({ port }) => `127.0.0.1:${port}`) },
    async master() {
      for (const each of sentinels) {
        const port = await ask(each, "port").catch(() => undefined);
        const found = pair.find((server) => String(server.port) === port);
        if (found !== undefined) return found;
      }
      throw new Error("no sentinel knows a master");
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

export interface RedisCluster extends AsyncDisposable {
  readonly masters: readonly RedisServer[];
  /** One of each master, in the same order. */
  readonly replicas: readonly RedisServer[];
  /** As the config takes it. */
  readonly nodes: string[];
  idOf(server: RedisServer): Promise<string>;
}

/** Three masters with a third of the slots each; `replicas`: one of each, too. */
export async function openCluster({ replicas = false } = {}): Promise<RedisCluster> {
  await using opening = new AsyncDisposableStack();
  const start = async () => {
    const config = ["cluster-enabled yes", `cluster-port ${await freePort()}`, "cluster-node-timeout 2000"];
    return opening.use(await openRedis({ config }));
  };
  const masters = [await start(), await start(), await start()];
  const copies = replicas ? [await start(), await start(), await start()] : [];
  const all = [...masters, ...copies];
  const bounds = [0, 5461, 10_923, 16_384];
  for (const [index, server] of all.entries()) await server.cli("cluster", "set-config-epoch", index + 1);
  for (const [index, server] of masters.entries())
    await server.cli("cluster", "addslotsrange", bounds[index] ?? 0, (bounds[index + 1] ?? 0) - 1);
  const busPort = async (server: RedisServer) =>
    (await server.cli("config", "get", "cluster-port")).split("\n")[1] ?? "";
  for (const server of all.slice(1))
    await masters[0]?.cli("cluster", "meet", "127.0.0.1", server.port, await busPort(server));
  const idOf = (server: RedisServer) => server.cli("cluster", "myid");
  const knows = async (server: RedisServer, count: number) => {
    const info = await server.cli("cluster", "info");
    return info.includes("cluster_state:ok") && info.includes(`cluster_known_nodes:${count}`);
  };
  for (const server of all) await until(() => knows(server, all.length), "the nodes know one another");
  for (const [index, copy] of copies.entries()) {
    const master = masters[index] as RedisServer;
    await copy.cli("cluster", "replicate", await idOf(master));
    await until(async () => (await master.cli("info", "replication")).includes("state=online"), "the replica follows");
  }
  const held = opening.move();
  return {
    ...{ masters, replicas: copies, idOf },
    nodes: masters.map(({ port }) => `127.0.0.1:${port}`),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

/** Puts a text into a file of its own in the server's folder: a password, a key. */
export function fileIn(server: RedisServer, name: string, text: string): string {
  const path = join(server.folder, name);
  rmSync(path, { force: true });
  appendFileSync(path, text);
  return path;
}
