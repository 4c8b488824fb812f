import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawn as spawnInPty } from "@lydell/node-pty";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bearer, createClients, faultOf } from "../../proto/client/index.ts";
import { createNodeTransport } from "../../proto/client/node-transport.ts";
import { until } from "../support/until.ts";
import { operate } from "../support/viewing.ts";

const main = new URL("../../server/main.ts", import.meta.url).pathname;
const launcher = new URL("../../cli/bartizan.js", import.meta.url).pathname;
let folder: string;
let config: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bartizan-reload-"));
  config = join(folder, "bartizan.yaml");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const env = () => ({ PATH: process.env.PATH, HOME: folder, XDG_STATE_HOME: join(folder, "state") });
const base = "listen: { port: 0 }\nsshConfig: false\nlog: error\n";
const digest = createHash("sha256").update("token-ann").digest("hex");
const ann = (more = "") => `principals: [{ name: ann, roles: [operator], tokenSha256: "${digest}"${more} }]\n`;

describe("a config that is read again at HUP", () => {
  let child: ChildProcess;
  let said = "";
  const start = async (yaml: string) => {
    writeFileSync(config, yaml);
    said = "";
    child = spawn(process.execPath, [main, "serve", "--config", config], { env: env() });
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => (said += chunk));
    return await until(() => /listens on (\S+)/.exec(said)?.[1], "the server listens");
  };
  const reread = async (yaml: string, answer: RegExp) => {
    writeFileSync(config, yaml);
    said = "";
    child.kill("SIGHUP");
    await until(() => answer.test(said), `it says ${answer}`);
  };
  afterEach(async () => {
    const over = once(child, "close");
    child.kill("SIGKILL");
    await over;
  });

  it("ends what nobody may do any more, at once, and nothing else", async () => {
    const url = await start(`${base}${ann()}`);
    using transport = createNodeTransport({ baseUrl: url, interceptors: [bearer("token-ann")] });
    const clients = createClients(transport);
    await using operator = operate(clients, "demo");
    await operator.started();
    await reread(`${base}${ann()}graceSeconds: 5\n`, /waits for the next start: graceSeconds/);
    await operator.type("echo st''ill\n");
    await operator.shows("still");
    await reread(`${base}${ann(", disabled: true")}`, /now in force: principals/);
    await operator.over.catch(() => {});
    const refused = await clients.targets.listTargets({}).catch(faultOf);
    expect(refused).toMatchObject({ word: "unauthenticated" });
  });

  it("changes nothing when it is at fault, and says what is", async () => {
    const url = await start(`${base}${ann()}`);
    using transport = createNodeTransport({ baseUrl: url, interceptors: [bearer("token-ann")] });
    const clients = createClients(transport);
    await reread(`${base}${ann()}policies: [{ name: x, allow: [opne] }]\n`, /the old one stays:\n.*bartizan\.yaml:5: /);
    expect((await clients.targets.listTargets({})).targets.map(({ name }) => name)).toEqual(["demo"]);
    await reread(`${base}${ann()}policies: [{ name: x, allow: [watch], targets: [web] }]\n`, /in force: policies/);
    expect((await clients.targets.listTargets({})).targets).toEqual([]);
  });
});

describe("a HUP to the command that was started at a terminal", () => {
  const atTerminal = (...args: string[]) => {
    const pty = spawnInPty(process.execPath, [launcher, "serve", ...args], { env: env(), cols: 200 });
    const over = new Promise<number>((resolve) => pty.onExit(({ exitCode }) => resolve(exitCode)));
    let said = "";
    pty.onData((text) => {
      said += text;
    });
    const says = (answer: RegExp) => until(() => answer.test(said), `it says ${answer}`);
    return { pty, over, says };
  };

  it("has its config read again, and twice does no harm", async () => {
    writeFileSync(config, `${base}${ann()}`);
    const { pty, over, says } = atTerminal("--config", config);
    await says(/listens on/);
    writeFileSync(config, `${base}${ann(", disabled: true")}`);
    process.kill(pty.pid, "SIGHUP");
    await says(/now in force: principals/);
    process.kill(-pty.pid, "SIGHUP");
    await says(/nothing has changed/);
    process.kill(pty.pid, "SIGTERM");
    expect(await over).toBe(0);
  });

  it("stops it in good order when it has no config", async () => {
    const { pty, over, says } = atTerminal();
    await says(/listens on/);
    process.kill(-pty.pid, "SIGHUP");
    await says(/stopping: 0 live/);
    expect(await over).toBe(0);
  });
});

describe("bartizan policy", () => {
  const policy = (...args: string[]) => {
    const run = spawnSync(process.execPath, [main, "policy", ...args, "--config", config], { env: env() });
    return { code: run.status, out: run.stdout.toString(), err: run.stderr.toString() };
  };
  beforeEach(() => {
    writeFileSync(
      config,
      `${base}${ann()}targets: [{ name: web1, host: h, labels: { env: prod } }, { name: dev1, host: h }]
policies:
  - { name: shells, allow: [open], roles: [operator] }
  - { name: no prod, deny: [open], roles: [operator], labels: { env: prod } }
`,
    );
  });

  it("test explains a decision, and its exit code is the decision", () => {
    expect(policy("test", "ann", "open", "dev1")).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^yes: .*shells/),
    });
    const denied = policy("test", "ann", "open", "web1");
    expect(denied.code).toBe(3);
    expect(denied.out).toMatch(/^no: .*the rule "no prod" denies it/);
    expect(denied.out).toMatch(/allow "shells": applies\n +deny "no prod": applies/);
    expect(JSON.parse(policy("test", "bob", "open", "dev1", "--roles", "auditor", "--json").out)).toMatchObject({
      ...{ user: "bob", allowed: false },
    });
  });

  it("matrix shows it all, in one table for targets that are treated alike", () => {
    const { out, code } = policy("matrix");
    expect(code).toBe(0);
    expect(out).toMatch(/on web1\n/);
    expect(out).toMatch(/on dev1, demo\n/);
    const open = out.split("\n").filter((line) => /^ +open /.test(line));
    expect(open.map((line) => line.trim().split(/\s+/)[1])).toEqual(["-", "all"]);
  });

  it("config check warns of policies for users and targets that there are not", () => {
    const checked = (policies: string) => {
      writeFileSync(config, `${base}${ann()}targets: [{ name: web1, host: h, labels: { env: prod } }]\n${policies}`);
      const run = spawnSync(process.execPath, [main, "config", "check", config], { env: env() });
      return { code: run.status, err: run.stderr.toString() };
    };
    const policy = (more: string) => checked(`policies: [{ name: x, allow: [open], ${more} }]\n`);
    expect(policy("users: [ann], targets: ['web*'], labels: { env: prod }")).toEqual({ code: 0, err: "" });
    expect(policy("users: [anne]")).toMatchObject({
      code: 0,
      err: expect.stringMatching(/warning.*"x" is for anne, who is no principal/),
    });
    expect(policy("targets: [wbe1]")).toMatchObject({
      code: 0,
      err: expect.stringMatching(/"x" is for targets that there are not/),
    });
    expect(policy("labels: { env: prd }")).toMatchObject({
      code: 0,
      err: expect.stringMatching(/"x" is for targets that there are not/),
    });
  });

  it("says what is wrong with what it was asked", () => {
    expect(policy("test", "eve", "open", "dev1")).toMatchObject({
      code: 2,
      err: expect.stringContaining("no principal eve"),
    });
    expect(policy("test", "ann", "fly", "dev1")).toMatchObject({
      code: 2,
      err: expect.stringContaining("no action fly"),
    });
    expect(policy("test", "ann")).toMatchObject({ code: 2, err: expect.stringContaining("Usage:") });
    expect(() =>
      execFileSync(process.execPath, [main, "policy", "--config", config], { env: env(), stdio: "ignore" }),
    ).toThrow();
  });
});
