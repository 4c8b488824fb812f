/** A group to play with: Redis, two nodes and a balancer on this machine, all of it gone at Ctrl-C. `npm run demo:cluster`. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { accessSync, constants, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { serverFlags } from "../../cli/hand-over.js";
import { openBalancer } from "./tcp-balancer.ts";

const main = fileURLToPath(new URL("../../server/main.ts", import.meta.url));
const startMs = 60_000;
const stopMs = 8_000;
const againMs = 15_000;
const wantedPort = 7400;

interface Part extends AsyncDisposable {
  /** Of the process that runs now. */
  pid(): number;
  readonly logFile: string;
}

const say = (text: string) => process.stdout.write(`${text}\n`);

/** Runs until disposed. Who kills it to see what happens sees it come again. */
function run(name: string, folder: string, program: string, args: readonly string[]): Part {
  const logFile = join(folder, `${name}.log`);
  const over = new AbortController();
  let child: ChildProcess | undefined;
  const running = (async () => {
    while (!over.signal.aborted) {
      const log = openSync(logFile, "a");
      // A group of its own: Ctrl-C is for this program, which stops the parts in order.
      child = spawn(program, args, { stdio: ["ignore", log, log], detached: true });
      const [code, signal] = await once(child, "exit").catch((error: Error) => [error.message, null]);
      if (over.signal.aborted) return;
      say(`\n${name} has ended (${signal ?? code}); it starts again in ${againMs / 1000} s.`);
      await sleep(againMs, undefined, { signal: over.signal }).catch(() => {});
      if (!over.signal.aborted) say(`${name} starts again.`);
    }
  })();
  return {
    logFile,
    pid: () => child?.pid ?? 0,
    async [Symbol.asyncDispose]() {
      over.abort();
      // It may have been stopped by whoever played with it.
      child?.kill("SIGCONT");
      child?.kill("SIGTERM");
      await Promise.race([running, sleep(stopMs, undefined, { ref: false })]);
      child?.kill("SIGKILL");
      await running;
    },
  };
}

async function freePort(wanted = 0): Promise<number> {
  const server = createServer().listen(wanted, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch {
    return await freePort();
  }
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}

function onPath(name: string): string | undefined {
  return (process.env.PATH ?? "")
    .split(delimiter)
    .filter((folder) => folder !== "")
    .map((folder) => join(folder, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** One call of the API as JSON. Rejects with what the server says. */
async function call<Answer>(url: string, method: string, token: string): Promise<Answer> {
  const answer = await fetch(`${url}/bartizan.v1.${method}`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: "{}",
  });
  if (!answer.ok) throw new Error(`${method}: ${await answer.text()}`);
  return (await answer.json()) as Answer;
}

/** Resolves when the node is up and hears both. */
async function ready({ url, part }: Shown, token: string, stop: AbortSignal): Promise<void> {
  const limit = AbortSignal.any([stop, AbortSignal.timeout(startMs)]);
  for (;;) {
    const me = await call<{ group: { nodes?: string[] } }>(url, "AccessService/WhoAmI", token).catch(() => undefined);
    if ((me?.group.nodes?.length ?? 0) > 1) return;
    stop.throwIfAborted();
    if (limit.aborted)
      throw new Error(`A node does not start; its log ends with:\n${readFileSync(part.logFile, "utf8").slice(-2000)}`);
    await sleep(100, undefined, { signal: limit }).catch(() => {});
  }
}

function configOf(node: string, port: number, group: { url: string; redisPort: number }): string {
  return `listen: { port: ${port} }
data: ${node}
node: ${node}
sshConfig: false
drainSeconds: 1
redis: { url: "redis://127.0.0.1:${group.redisPort}" }
group: { keyFile: group.key, url: "${group.url}", address: "http://127.0.0.1:${port}" }
`;
}

interface Shown {
  readonly name: string;
  readonly url: string;
  readonly part: Part;
}

function whatToTry(folder: string, url: string, page: string, nodes: readonly Shown[], redis: Part): string {
  const [one, two] = nodes;
  const list = (rows: readonly (readonly [string, string])[]) => {
    const width = Math.max(...rows.map(([command]) => command.length)) + 3;
    return rows.map(([command, what]) => `  ${command.padEnd(width)}# ${what}`).join("\n");
  };
  const redisPid = redis.pid();
  return `
Open in your browser, once, within two minutes:

  ${page}

A balancer at ${url} spreads connections over
${nodes.map((node) => `  ${node.name}   ${node.url}   pid ${node.part.pid()}   log ${node.part.logFile}`).join("\n")}

In another terminal, in this folder:

  export BARTIZAN_SERVER=${url} BARTIZAN_TOKEN=$(cat ${join(folder, "token")})
${list([
  ["npx bartizan shell demo", "on the node that the balancer picked"],
  ["npx bartizan sessions", "every node knows of it"],
])}

And in a third, with the same line first:

${list([
  [`npx bartizan watch ID --server ${one?.url}`, "watch it from one node, and from the other"],
  [`npx bartizan watch ID --server ${two?.url}`, "the same screen from both"],
  [`npx bartizan kick ID --reason lunch --server ${two?.url}`, "and end it from either"],
  ["npx bartizan doctor", "how the nodes are joined"],
])}

Break it:

${list([
  [`kill -USR1 ${process.pid}`, "the network fails: the balancer drops all connections, and shells come back"],
  [`kill -STOP ${redisPid}; sleep 20; kill -CONT ${redisPid}`, "Redis hangs: shells do not notice, watchers are told"],
  [`kill -9 ${redisPid}`, `Redis loses everything: nothing is lost; it comes again after ${againMs / 1000} s`],
  [`kill -9 ${two?.part.pid()}`, "a node dies, and its shells with it: the list says so"],
])}

Ctrl-C stops all of it and removes ${folder}.`;
}

async function demo(stop: AbortSignal): Promise<number> {
  const redisServer = onPath("redis-server");
  if (redisServer === undefined) {
    process.stderr.write(
      "redis-server is not on this machine, and a group needs one.\nInstall it (Debian, Ubuntu: apt-get install redis-server; macOS: brew install redis), then run this again.\n",
    );
    return 1;
  }
  await using parts = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "bartizan-demo-"));
  parts.defer(() => rmSync(folder, { recursive: true, force: true }));
  const token = `btz_${randomBytes(32).toString("base64url")}`;
  writeFileSync(join(folder, "group.key"), `${randomBytes(32).toString("hex")}\n`, { mode: 0o600 });
  writeFileSync(join(folder, "token"), `${token}\n`, { mode: 0o600 });
  const redisPort = await freePort();
  const at = ["--port", String(redisPort), "--bind", "127.0.0.1", "--save", "", "--dir", folder];
  const redis = parts.use(run("redis", folder, redisServer, at));
  const nodes = await Promise.all(
    ["web1", "web2"].map(async (name) => ({ name, port: await freePort(), folder: join(folder, name) })),
  );
  const balancer = parts.use(
    await openBalancer(
      await freePort(wantedPort),
      nodes.map(({ port }) => `http://127.0.0.1:${port}`),
    ),
  );
  const url = `http://127.0.0.1:${balancer.port}`;
  cut = () => say(`\nthe balancer has dropped its connections: ${balancer.cut()} of them.`);
  const started = nodes.map(({ name, port, folder: data }) => {
    // One token for the user of this machine on both: elsewhere everybody has one of his own in the config.
    mkdirSync(data, { mode: 0o700 });
    writeFileSync(join(data, "token"), `${token}\n`, { mode: 0o600 });
    const file = join(folder, `${name}.yaml`);
    writeFileSync(file, configOf(name, port, { url, redisPort }));
    const args = [...serverFlags, main, "serve", "--config", file];
    return { name, url: `http://127.0.0.1:${port}`, part: parts.use(run(name, folder, process.execPath, args)) };
  });
  say("starting Redis, two nodes and a balancer …");
  await Promise.all(started.map((node) => ready(node, token, stop)));
  const link = await call<{ url: string }>(url, "AccessService/CreateLink", token);
  say(whatToTry(folder, url, link.url, started, redis));
  if (!stop.aborted) await once(stop, "abort");
  say("\nstopping …");
  return 0;
}

const stop = new AbortController();
let cut = () => {};
// Whoever sends it before there is a balancer must not end the demo.
process.on("SIGUSR1", () => cut());
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => stop.abort());
try {
  process.exitCode = await demo(stop.signal);
} catch (error) {
  process.exitCode = stop.signal.aborted ? 0 : 1;
  if (!stop.signal.aborted) process.stderr.write(`${(error as Error).message}\n`);
}
