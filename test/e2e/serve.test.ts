import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bearer, createClients } from "../../proto/client/index.ts";
import { createNodeTransport } from "../../proto/client/node-transport.ts";
import { until } from "../support/until.ts";
import { operate, watch } from "../support/viewing.ts";

const main = new URL("../../server/main.ts", import.meta.url).pathname;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bartizan-serve-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

interface Served extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly said: () => string;
  readonly exit: Promise<number | null>;
  readonly url: () => Promise<string>;
}

/** Runs the program as a user would; disposing kills it when it still lives. */
function serve(yaml: string, ...more: string[]): Served {
  const config = join(folder, "bartizan.yaml");
  writeFileSync(config, yaml);
  const args = more.length > 0 ? more : ["serve", "--config", config];
  const env = { PATH: process.env.PATH, HOME: folder, XDG_STATE_HOME: join(folder, "state") };
  const child = spawn(process.execPath, [main, ...args], { env });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (said += chunk));
  const exit = once(child, "close").then(([code]) => code as number | null);
  return {
    ...{ child, exit },
    said: () => said,
    url: () => until(() => /listens on (\S+)/.exec(said)?.[1], "the server listens"),
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await exit;
    },
  };
}

/** Writes until there is no room for one byte more. */
function fillDisk(path: string): void {
  const file = openSync(path, "w");
  try {
    for (;;) writeSync(file, Buffer.alloc(4096));
  } catch (error) {
    expect((error as NodeJS.ErrnoException).code).toBe("ENOSPC");
  } finally {
    closeSync(file);
  }
}

function clientsOf(url: string, ca?: string) {
  const token = readFileSync(join(folder, "state", "bartizan", "token"), "utf8").trim();
  const transport = createNodeTransport({ baseUrl: url, interceptors: [bearer(token)], ca });
  return Object.assign(createClients(transport), { [Symbol.dispose]: () => transport[Symbol.dispose]() });
}

const quiet = "listen: { port: 0 }\nsshConfig: false\nlog: warn\n";

describe("serve", () => {
  it("keeps its token to itself, and the same over a restart", async () => {
    const file = join(folder, "state", "bartizan", "token");
    let first: string;
    {
      await using server = serve(`${quiet}demo: false\n`);
      await server.url();
      first = readFileSync(file, "utf8");
      expect(statSync(file).mode & 0o777).toBe(0o600);
      expect(statSync(join(folder, "state", "bartizan")).mode & 0o777).toBe(0o700);
      expect(server.said()).not.toContain(first.trim());
    }
    await using again = serve(`${quiet}demo: false\n`);
    await again.url();
    expect(readFileSync(file, "utf8")).toBe(first);
  });

  it.each(["SIGTERM", "SIGINT"] as const)(
    "at %s tells everybody, waits for its limit, ends the shells with the cause, and exits 0",
    async (signal) => {
      await using server = serve(`${quiet}drainSeconds: 0.3\n`);
      using clients = clientsOf(await server.url());
      await using operator = operate(clients, "demo");
      const { session } = await operator.started();
      await using watcher = watch(clients, session.id);
      await watcher.started();
      server.child.kill(signal);
      await until(() => operator.events.some((e) => e.kind === "notice" && e.about === "draining"), "the notice");
      const cause = { kind: "closed", why: "draining" };
      expect((await operator.ended()).cause).toEqual(cause);
      expect((await watcher.ended()).cause).toEqual(cause);
      expect(await server.exit).toBe(0);
    },
  );

  it("does not wait for its limit when the last shell ends before", async () => {
    await using server = serve(`${quiet}drainSeconds: 600\n`);
    using clients = clientsOf(await server.url());
    await using operator = operate(clients, "demo");
    await operator.started();
    server.child.kill("SIGTERM");
    await until(() => operator.events.some((e) => e.kind === "notice" && e.about === "draining"), "the notice");
    operator.shell.hangUp();
    await operator.ended();
    expect(await server.exit).toBe(0);
  });

  it("speaks HTTP/2 and HTTP/1.1 over TLS, and on a wider address nothing in clear", async () => {
    const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
    const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
    const made = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"];
    execFileSync("openssl", [...made, ...subject, "-keyout", key, "-out", cert], { stdio: "ignore" });
    const people = `principals: [{ name: ann, roles: [operator], tokenSha256: "${"0".repeat(64)}" }]\n`;
    const listen = `listen: { host: 0.0.0.0, port: 0, names: [localhost], tls: { cert: cert.pem, key: key.pem } }\n`;
    await using server = serve(`${listen}${people}sshConfig: false\nlog: warn\ndemo: false\n`);
    const port = new URL(await server.url()).port;
    const url = `https://localhost:${port}`;
    const pem = readFileSync(cert, "utf8");
    using clients = clientsOf(url, pem);
    expect((await clients.access.whoAmI({})).serverVersion).not.toBe("");
    const curl = (...args: string[]) => execFileSync("curl", ["-s", "--cacert", cert, ...args], { encoding: "utf8" });
    expect(curl("--http1.1", "-w", " %{http_version}", `${url}/healthz`)).toBe("ok\n 1.1");
    expect(curl("--http2", "-w", " %{http_version}", `${url}/healthz`)).toBe("ok\n 2");
    await expect(fetch(`http://localhost:${port}/healthz`)).rejects.toThrow();
  });

  it.each([
    ["a wider address without TLS and principals", "listen: { host: 0.0.0.0 }\n", "lacks listen.tls"],
    ["a key it does not know", "listen:\n  prot: 1\n", "bartizan.yaml:2: listen.prot: this key is not known"],
    ["a target without a host", "targets:\n  - name: a\n", "bartizan.yaml:2: targets.0.host"],
    ["a certificate that is not there", "listen: { port: 0, tls: { cert: no.pem, key: no.pem } }\n", "no.pem (ENOENT)"],
    ["a file that is no YAML", "listen: [\n", "bartizan.yaml:"],
    ["an alias", "listen: { names: [&a x, *a] }\n", "bartizan.yaml:1: aliases"],
    [
      "two targets of one name",
      "targets:\n  - { name: a, host: h }\n  - { name: a, host: i }\n",
      "yaml:3: targets.1.name",
    ],
    ["a host key that is none", "targets:\n  - { name: a, host: h, hostKey: nonsense }\n", "yaml:2: targets.0.hostKey"],
    ["a host that is an option", "targets:\n  - { name: a, host: -oProxyCommand=x }\n", "yaml:2: targets.0.host"],
    ["a key file that holds none", "targets:\n  - { name: a, host: h, key: bartizan.yaml }\n", "is not a private key"],
  ])("refuses to start with %s, says where, and exits 2", async (_name, yaml, said) => {
    await using server = serve(yaml);
    expect(await server.exit).toBe(2);
    expect(server.said()).toContain(said);
    expect(server.said()).not.toContain("    at ");
  });

  it("names the port that is taken", async () => {
    await using first = serve(`${quiet}demo: false\n`);
    const port = new URL(await first.url()).port;
    await using second = serve(`listen: { port: ${port} }\nsshConfig: false\ndemo: false\ndata: other\n`);
    expect(await second.exit).toBe(2);
    expect(second.said()).toContain(`127.0.0.1:${port} (EADDRINUSE)`);
  });

  it("says that its state cannot be written, and exits 2", async () => {
    mkdirSync(join(folder, "state"), { recursive: true });
    writeFileSync(join(folder, "state", "bartizan"), "a file where a folder should be");
    chmodSync(join(folder, "state"), 0o700);
    await using server = serve(`${quiet}demo: false\n`);
    expect(await server.exit).toBe(2);
    expect(server.said()).toContain("token cannot be used");
  });

  it.skipIf(process.getuid?.() !== 0)("says that the disk is full, and leaves no half-written token", async () => {
    const state = join(folder, "state");
    mkdirSync(state);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", state]);
    try {
      mkdirSync(join(state, "bartizan"), { mode: 0o700 });
      fillDisk(join(state, "filler"));
      await using server = serve(`${quiet}demo: false\n`);
      expect(await server.exit).toBe(2);
      expect(server.said()).toMatch(/disk is full/);
      rmSync(join(state, "filler"));
      await using again = serve(`${quiet}demo: false\n`);
      await again.url();
    } finally {
      execFileSync("umount", ["-l", state]);
    }
  });

  it("config check tells that a file is fine, or each line that is not", async () => {
    const file = join(folder, "bartizan.yaml");
    await using good = serve("targets: [{ name: web1, host: web1.example }]\n", "config", "check", file);
    expect(await good.exit).toBe(0);
    expect(good.said()).toContain("1 targets");
    await using bad = serve("a: 1\nlisten:\n  port: x\n", "config", "check", file);
    expect(await bad.exit).toBe(2);
    expect(bad.said()).toContain("bartizan.yaml:1: a: this key is not known");
    expect(bad.said()).toContain("bartizan.yaml:3: listen.port");
  });
});
