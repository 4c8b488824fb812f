/** A node of a group as a process of its own, so that a test can kill it, freeze it, and start it again on its folder. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Clients, createClients } from "../../proto/client/index.ts";
import { createNodeTransport } from "../../proto/client/node-transport.ts";
import { digestOf } from "../../server/access/tokens.ts";
import { freePort, type Sshd } from "./sshd.ts";
import { until } from "./until.ts";

const main = new URL("../../server/main.ts", import.meta.url).pathname;

export interface ServedNode extends AsyncDisposable {
  readonly name: string;
  readonly url: string;
  /** Its own folder; the CLI may use it as a home. */
  readonly folder: string;
  /** With the token of a principal of the config. */
  clients(who: string): Clients;
  said(): string;
  signal(name: NodeJS.Signals): void;
  /** What the process has in memory now. */
  memoryBytes(): number;
  /** kill -9; resolves when the process is gone. */
  kill(): Promise<void>;
  /** Again on the same folder and port. */
  start(): Promise<void>;
}

export interface ServedGroup extends AsyncDisposable {
  open(name: string, yaml?: string): Promise<ServedNode>;
}

/** alice is an operator, carol an auditor, boss an admin; each has the token "token-NAME". */
const principals = { alice: "operator", carol: "auditor", boss: "admin" } as const;

/** `redis`: the lines of the config that name it. Disposing kills what is left. */
export function createServedGroup(sshd: Sshd, redis: string): ServedGroup {
  const folder = mkdtempSync(join(tmpdir(), "bartizan-nodes-"));
  const keyFile = join(folder, "group.key");
  writeFileSync(keyFile, `${"5a".repeat(32)}\n`, { mode: 0o600 });
  const nodes: ServedNode[] = [];
  return {
    async open(name, yaml = "") {
      const port = await freePort();
      const home = join(folder, name);
      mkdirSync(home);
      const url = `http://127.0.0.1:${port}`;
      const lines = [
        `node: ${name}`,
        `listen: { port: ${port} }`,
        `data: ${join(home, "data")}`,
        "demo: false",
        "sshConfig: false",
        "log: info",
        "drainSeconds: 0",
        `redis: ${redis}`,
        `group: { keyFile: ${keyFile}, address: "${url}" }`,
        "principals:",
        ...Object.entries(principals).map(
          ([who, role]) =>
            `  - { name: ${who}, roles: [${role}], tokenSha256: ${digestOf(`token-${who}`).toString("hex")} }`,
        ),
        "targets:",
        `  - { name: box, host: 127.0.0.1, port: ${sshd.port}, user: ${sshd.target.user}, key: ${sshd.clientKeyFile}, hostKey: "${sshd.hostKeys[0]}" }`,
        yaml,
      ];
      writeFileSync(join(home, "bartizan.yaml"), `${lines.join("\n")}\n`);
      const node = createNode(name, url, home);
      nodes.push(node);
      await node.start();
      return node;
    },
    async [Symbol.asyncDispose]() {
      for (const node of nodes) await node[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    },
  };
}

function createNode(name: string, url: string, home: string): ServedNode {
  let child: ReturnType<typeof spawn> | undefined;
  let exit: Promise<unknown> = Promise.resolve();
  let said = "";
  const transports: Disposable[] = [];
  const kill = async () => {
    child?.kill("SIGKILL");
    await exit;
  };
  return {
    ...{ name, url, folder: home, kill },
    said: () => said,
    signal: (what) => void child?.kill(what),
    memoryBytes: () =>
      1024 * Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child?.pid}/status`, "utf8"))?.[1] ?? 0),
    clients(who) {
      const transport = createNodeTransport({ baseUrl: url, token: `token-${who}` });
      transports.push(transport);
      return createClients(transport);
    },
    async start() {
      const env = { PATH: process.env.PATH, HOME: home, XDG_STATE_HOME: join(home, "state") };
      said = "";
      child = spawn(process.execPath, [main, "serve", "--config", join(home, "bartizan.yaml")], { env });
      for (const stream of [child.stdout, child.stderr])
        stream?.on("data", (chunk) => {
          said += chunk;
        });
      exit = once(child, "close");
      await until(() => {
        if (child?.exitCode !== null) throw new Error(`${name} did not start:\n${said}`);
        return said.includes("listens on");
      }, `${name} listens`);
    },
    async [Symbol.asyncDispose]() {
      for (const transport of transports) transport[Symbol.dispose]();
      await kill();
    },
  };
}
