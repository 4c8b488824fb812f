/** Holds the packed program: what `npm pack` makes installs by itself and does what the checkout does. */
import { spawn, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { root } from "../house/sources.ts";

const modules = join(root, "node_modules");
const folder = mkdtempSync(join(tmpdir(), "bartizan-pack-"));
const env = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(npm_|BARTIZAN_|VITEST)/i.test(name))),
  // The one Node of the checkout comes first, as on a machine that has Node 24.
  PATH: [dirname(process.execPath), process.env.PATH].join(delimiter),
  HOME: join(folder, "home"),
  XDG_STATE_HOME: join(folder, "state"),
};
/** npm's own cache and settings, so that packages come from where the checkout's came from. */
const home = { HOME: process.env.HOME, PATH: [join(modules, ".bin"), env.PATH].join(delimiter) };
const brought = join(modules, "node", "node_modules");
const withHeaders = readdirSync(brought).find((name) => existsSync(join(brought, name, "include"))) ?? "";
/** The checkout's Node brings its headers; nothing of them is fetched. */
const headers = { npm_config_nodedir: join(brought, withHeaders) };
/** Whether the machine can compile: then the checkout has the native part of SSH. */
const native = existsSync(join(modules, "ssh2", "lib", "protocol", "crypto", "build", "Release", "sshcrypto.node"));
const command = join(folder, "prefix", "bin", "bartizan");
let contents: readonly string[] = [];

function run(program: string, args: readonly string[], options: { cwd?: string; input?: string; env?: object } = {}) {
  const { status, stdout, stderr } = spawnSync(program, args, {
    encoding: "utf8",
    timeout: 120_000,
    ...options,
    env: { ...env, ...options.env },
  });
  return { status, stdout, stderr };
}

beforeAll(() => {
  mkdirSync(env.HOME);
  const copy = join(folder, "copy");
  mkdirSync(copy);
  const parts =
    "package.json tsconfig.json tsconfig.build.json README.md LICENSE SECURITY.md server cli proto web docs";
  for (const part of parts.split(" ")) cpSync(join(root, part), join(copy, part), { recursive: true });
  symlinkSync(modules, join(copy, "node_modules"));
  const packed = run("npm", ["pack", "--json", "--pack-destination", folder], { cwd: copy, env: home });
  expect(packed.status, packed.stdout + packed.stderr).toBe(0);
  const tarball = readdirSync(folder).find((name) => name.endsWith(".tgz")) ?? "none";
  contents = run("tar", ["tzf", join(folder, tarball)])
    .stdout.trim()
    .split("\n");
  const args = [
    "install",
    "-g",
    "--prefix",
    join(folder, "prefix"),
    "--prefer-offline",
    "--no-audit",
    "--no-fund",
    "--allow-scripts=ssh2",
  ];
  const installed = run("npm", [...args, join(folder, tarball)], {
    env: { ...home, ...headers },
  });
  expect(installed.status, installed.stderr).toBe(0);
}, 240_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("the package has the compiled program, the contract and the papers, and nothing else", () => {
  const tops = new Set(
    contents.map((path) =>
      path
        .replace(/^package\//, "")
        .replace(/^(dist|proto|cli|server)\/(\w+).*/, "$1/$2")
        .replace(/^docs\/.*/, "docs"),
    ),
  );
  expect([...tops].toSorted()).toEqual(
    [
      "LICENSE",
      "README.md",
      "SECURITY.md",
      "cli/bartizan",
      "cli/hand",
      "dist/cli",
      "dist/proto",
      "dist/server",
      "dist/web",
      "docs",
      "package.json",
      "proto/bartizan",
      "server/target",
    ].toSorted(),
  );
});

test("the installed command answers --help and --version, and checks a config file", () => {
  const help = run(command, ["--help"]);
  expect(help).toMatchObject({ status: 0, stderr: "" });
  expect(help.stdout).toMatch(/shell[\s\S]*watch[\s\S]*kick/);
  expect(run(command, ["--version"]).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  const config = join(folder, "bad.yaml");
  writeFileSync(config, "listen:\n  porrt: 1\n");
  const checked = run(command, ["config", "check", config]);
  expect(checked.status).not.toBe(0);
  expect(checked.stderr).toContain("bad.yaml:2");
});

test("the installed server uses no native part that could end it, and prints the line that builds a safe one", async () => {
  let line: string | undefined;
  {
    await using first = await openServer();
    line = /CXXFLAGS=.* run install/.exec(first.said())?.[0];
    const said = line === undefined ? "crypto     native" : "crypto     slower path";
    expect(first.said()).toContain(said);
  }
  // As in the checkout: native where this machine can compile. Stock headers may be harmless one day.
  if (line === undefined || !native) return;
  const built = run("sh", ["-c", line], { env: { ...home, ...headers } });
  await using second = await openServer();
  expect(second.said(), built.stdout + built.stderr).toContain("crypto     native");
}, 120_000);

test("the installed server gives a shell with the screen and the demo target that it carries", async () => {
  await using server = await openServer();
  const { url } = server;
  const at = { env: { BARTIZAN_SERVER: url } };
  expect(run(command, ["targets"], at).stdout).toContain("demo");
  expect(run(command, ["link"], at).stdout).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/#code=[\w-]{43}\n$/);
  const page = await (await fetch(url)).text();
  const script = /<script [^>]*src="([^"]+)"/.exec(page)?.[1] ?? "none";
  expect((await fetch(new URL(script, url))).headers.get("content-type")).toContain("javascript");
  const shell = run(command, ["shell", "demo"], { ...at, input: "echo sum-$((40+2)); exit 7\n" });
  expect(shell.stdout, shell.stderr).toContain("sum-42");
  expect(shell.status).toBe(7);
  const doctor: readonly { what: string; state: string; found: string }[] = JSON.parse(
    run(command, ["doctor", "--json"], at).stdout,
  );
  expect(doctor).toContainEqual(expect.objectContaining({ what: "Node", state: "ok", found: process.versions.node }));
  const expected = { what: "native cryptography", state: native ? "ok" : "warn" };
  expect(doctor).toContainEqual(expect.objectContaining(expected));
});

interface InstalledServer extends AsyncDisposable {
  readonly url: string;
  /** All that it has printed. */
  said(): string;
}

/** Disposing ends it by TERM, and fails when its status is not 0. */
async function openServer(): Promise<InstalledServer> {
  const config = join(folder, "bartizan.yaml");
  writeFileSync(config, "listen: { port: 0 }\nsshConfig: false\n");
  const server = spawn(command, ["serve", "--config", config], { env, stdio: ["ignore", "pipe", "pipe"] });
  const closed = new Promise<number | null>((resolve) => server.on("close", resolve));
  let said = "";
  let complained = "";
  server.stderr.on("data", (chunk) => {
    complained += chunk;
  });
  const url = await new Promise<string>((resolve, reject) => {
    server.on("close", () => reject(new Error(`the server ended: ${said}${complained}`)));
    server.stdout.on("data", (chunk) => {
      said += chunk;
      const found = /listens on (http:\S+)[\s\S]*Ctrl-C stops it/.exec(said)?.[1];
      if (found !== undefined) resolve(found);
    });
  });
  return {
    url,
    said: () => said,
    async [Symbol.asyncDispose]() {
      server.kill("SIGTERM");
      expect(await closed).toBe(0);
    },
  };
}

test("a program finds the client under the package's name", () => {
  const script = 'import("bartizan/client").then((client) => console.log(typeof client.createClients))';
  const place = join(folder, "program");
  mkdirSync(join(place, "node_modules"), { recursive: true });
  symlinkSync(join(folder, "prefix", "lib", "node_modules", "bartizan"), join(place, "node_modules", "bartizan"));
  expect(run(process.execPath, ["-e", script], { cwd: place })).toMatchObject({ status: 0, stdout: "function\n" });
});
