/** `bartizan recordings`, `play`, `export` and `verify` against a real server, and without one. */

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type CliEnv, cliInPipe, cliInPty } from "../cli/cli-in-pty.ts";
import { cooked } from "../cli/cli-scenes.ts";
import { root } from "../house/sources.ts";
import { createMemoryTarget, type MemoryTarget } from "../support/memory-target.ts";
import { castFiles, dataOf, onlyCast } from "../support/recordings-of.ts";
import { openTestBastion, type TestBastion } from "../support/test-bastion.ts";
import { createTestGroup } from "../support/test-group.ts";
import { until } from "../support/until.ts";
import { operate } from "../support/viewing.ts";

let memory: MemoryTarget;
let bastion: TestBastion;
let env: CliEnv;
beforeEach(async () => {
  memory = createMemoryTarget({ name: "play" });
  bastion = await openTestBastion({ targets: [memory.target], dial: memory.dial });
  env = { url: bastion.url, token: bastion.token, folder: bastion.folder };
});
afterEach(() => bastion[Symbol.asyncDispose]());

/** As `bartizan`, beside a server of this process, in the folder of the test. */
async function launched(...args: string[]) {
  const { PATH = "" } = process.env;
  const child = spawn(process.execPath, [join(root, "cli", "bartizan.js"), ...args], {
    cwd: bastion.folder,
    env: { PATH, HOME: bastion.folder, XDG_STATE_HOME: join(bastion.folder, "state") },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  if (child.exitCode === null) await once(child, "exit");
  return { code: child.exitCode, stdout, stderr };
}

/** A session that printed these with a pause between, and ended. */
async function recorded(...texts: string[]): Promise<{ id: string; session: string }> {
  await using operator = operate(bastion.clients(), "play");
  const { session } = await operator.started();
  for (const text of texts) {
    await memory.pty().print(text);
    await new Promise((resolve) => setTimeout(resolve, 400));
  }
  memory.pty().exit({ kind: "exited", code: 3 });
  await operator.ended();
  const info = await until(() => {
    const found = bastion.catalogue.find(session.id);
    return found?.state === "sealed" ? found : undefined;
  }, "it is sealed");
  return { id: info.id, session: session.id };
}

/** The launcher, as a person has it. */
function bartizan(...args: string[]) {
  const { PATH = "" } = process.env;
  const launcher = join(root, "cli", "bartizan.js");
  const options = {
    encoding: "utf8",
    env: { PATH, HOME: bastion.folder, XDG_STATE_HOME: join(bastion.folder, "state") },
  } as const;
  const { status, stdout, stderr } = spawnSync(process.execPath, [launcher, ...args], options);
  return { code: status, stdout, stderr };
}

describe("recordings", () => {
  it("lists what was recorded, narrowed and as JSON", async () => {
    const { id, session } = await recorded("hello");
    const { stdout, code } = await cliInPipe(["recordings", "--target", "play"], env);
    expect(code).toBe(0);
    expect(stdout.split("\n")[0]).toMatch(/^ID +SESSION +STARTED +OPERATOR +TARGET +LENGTH +OUTPUT +STATE$/);
    expect(stdout).toContain(`${id}  ${session}  `);
    expect(stdout).toContain("exited with 3");
    const json = JSON.parse((await cliInPipe(["recordings", "--cause", "exited", "--json"], env)).stdout);
    expect(json.recordings).toMatchObject([{ id, state: "RECORDING_STATE_SEALED", outputBytes: "5" }]);
    const none = await cliInPipe(["recordings", "--until", "2020-01-01", "--label", "a=b"], env);
    expect([none.code, none.stdout]).toEqual([0, ""]);
    expect((await cliInPipe(["recordings", "--from", "noon"], env)).code).toBe(2);
  });
});

describe("play", () => {
  it("shows a recording at its pace, pauses, seeks, and leaves the terminal as it was", async () => {
    const { session } = await recorded("\x1b[2J\x1b[5;5Hone\x1b[6n", "\x1b[6;5Htwo", "\x1b]0;evil\x07\x1b[7;5Hthree");
    await using cli = cliInPty(["play", session, "--speed", "0.5"], env, 80, 26);
    await cli.shows("    one");
    cli.type(" ");
    await cli.shows("paused");
    {
      // Somebody who began later and does not pause comes to the end meanwhile.
      await using other = cliInPty(["play", session, "--speed", "0.5"], env, 80, 26);
      await other.shows("    three");
      other.type("q");
      await other.over();
    }
    expect(cli.screen().join("\n")).not.toContain("three");
    cli.type(" ");
    await cli.shows("    three");
    await cli.shows("exited with 3");
    cli.type("\x1b[D");
    await until(() => !cli.screen().join("\n").includes("three"), "it is at the start again");
    cli.type("\x1b[C");
    await cli.shows("    three");
    expect(cli.raw()).not.toContain("\x1b[6n");
    cli.type("q");
    const { code, terminal } = await cli.over();
    expect(code).toBe(0);
    cooked(terminal);
  });

  it("writes into a pipe all that was shown, filtered, as fast as it is read", async () => {
    const { id } = await recorded("one\x1b[6n\r\n", "two\r\n");
    const { stdout, code } = await cliInPipe(["play", id.slice(0, 8)], env);
    expect(code).toBe(0);
    expect(stdout).toContain("one\r\ntwo\r\n");
    expect(stdout).not.toContain("\x1b[6n");
    const wrong = await cliInPipe(["play", "0".repeat(32)], env);
    expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining("There is no such recording.")]);
    expect((await cliInPipe(["play", id, "--start", "x"], env)).code).toBe(2);
  });
});

describe("export", () => {
  it("saves the very file, in which verify finds nothing wrong, and never over another", async () => {
    const { id } = await recorded("hello");
    const file = join(bastion.folder, "saved.cast");
    expect(await cliInPipe(["export", id, "-o", file], env)).toEqual({ code: 0, stdout: "", stderr: "" });
    expect(readFileSync(file)).toEqual(readFileSync(castFiles(dataOf(bastion))[0] ?? ""));
    expect((await cliInPipe(["export", id, "-o", file], env)).code).toBe(2);
    const { stdout } = await cliInPipe(["export", id, "--format", "v2"], env);
    expect(JSON.parse(stdout.split("\n", 1)[0] ?? "")).toMatchObject({ version: 2, width: 80, height: 24 });
    const key = join(dataOf(bastion), "recording-key.pub");
    expect(bartizan("verify", file, "--key", key)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("complete"),
    });
  });
});

describe("in a group, where a session's id has a dot", () => {
  it("takes it for an id, whole, without its node or beginning, and wherever the server is named", async () => {
    const group = createTestGroup();
    const target = createMemoryTarget({ name: "play" });
    await using node = await group.open("web1", { targets: [target.target], dial: target.dial });
    const tokenFile = join(node.folder, "token-file");
    writeFileSync(tokenFile, node.token, { mode: 0o600 });
    await using operator = operate(node.clients(), "play");
    const { session } = await operator.started();
    await target.pty().print("hello");
    await operator.shows("hello");
    target.pty().exit({ kind: "exited", code: 0 });
    await operator.ended();
    const info = await until(() => {
      const found = node.catalogue.find(session.id);
      return found?.state === "sealed" ? found : undefined;
    }, "it is sealed");
    const verified = `${info.id}  complete: 5 bytes of output\n`;
    const short = session.id.slice(session.id.lastIndexOf("-") + 1);
    const where = ["--server", node.url, `--token-file=${tokenFile}`];
    for (const args of [
      ["verify", session.id, ...where],
      ["verify", short, ...where],
      [...where, "verify", session.id.slice(0, -4)],
    ])
      expect([args, await launched(...args)]).toEqual([args, { code: 0, stdout: verified, stderr: "" }]);
    expect((await launched("play", short, ...where)).stdout).toContain("hello");
    expect((await launched("export", short, ...where)).stdout).toContain('"hello"');
    expect((await launched("sessions", "--all", ...where)).stdout).toMatch(/^ID +NODE +TARGET .*\n\S+ +web1 +play /);
    expect((await launched("commands", short, ...where)).code).toBe(0);
    // A file of that very name is a file.
    writeFileSync(join(bastion.folder, session.id), "no recording\n");
    expect((await launched("verify", session.id, ...where)).stdout).toContain(`${session.id}  `);
    expect((await launched(...where, "verify", "none.cast")).stderr).toContain("none.cast");
  });
});

describe("verify", () => {
  it("asks the server about an id", async () => {
    const { id, session } = await recorded("hello");
    expect(await cliInPipe(["verify", session], env)).toMatchObject({
      code: 0,
      stdout: `${id}  complete: 5 bytes of output\n`,
    });
    const [file = ""] = castFiles(dataOf(bastion));
    const bytes = readFileSync(file);
    writeFileSync(file, bytes.toString().replace("hello", "hullo"));
    expect(await cliInPipe(["verify", id], env)).toMatchObject({ code: 5, stdout: expect.stringContaining("altered") });
    rmSync(file);
    expect(await cliInPipe(["verify", id], env)).toMatchObject({ code: 7, stdout: expect.stringContaining("missing") });
  });

  it("reads files and the whole folder without a server, and knows what is missing by the audit log", async () => {
    const { id } = await recorded("hello");
    const file = onlyCast(dataOf(bastion)) && (castFiles(dataOf(bastion))[0] ?? "");
    expect(bartizan("verify", "--all")).toEqual({
      code: 0,
      stdout: `${file}  complete: 5 bytes of output\n`,
      stderr: "",
    });
    const cut = join(bastion.folder, "cut.cast");
    writeFileSync(cut, readFileSync(file).subarray(0, -100));
    expect(bartizan("verify", cut)).toMatchObject({
      code: 5,
      stdout: expect.stringContaining("the audit log knows another end"),
    });
    copyFileSync(file, cut);
    const other = join(bastion.folder, "other.pub");
    spawnSync("openssl", ["genpkey", "-algorithm", "ed25519", "-out", `${other}.key`]);
    spawnSync("openssl", ["pkey", "-in", `${other}.key`, "-pubout", "-out", other]);
    expect(bartizan("verify", cut, "--key", other)).toMatchObject({
      code: 6,
      stdout: expect.stringContaining("unsigned"),
    });
    const text = join(bastion.folder, "text.cast");
    writeFileSync(text, '{"version":2,"width":80,"height":24}\n[0,"o","x"]\n');
    expect(bartizan("verify", text, cut)).toMatchObject({ code: 1, stderr: expect.stringContaining("not known") });
    expect(bartizan("verify", "./none.cast").code).toBe(1);
    expect(bartizan("verify", "--all", file).code).toBe(2);
    rmSync(file);
    expect(bartizan("verify", "--all", "--json")).toMatchObject({
      ...{ code: 7, stdout: expect.stringContaining('"verdict":"missing"') },
    });
    await bastion.clients().recordings.deleteRecording({ id, reason: "test" });
    expect(bartizan("verify", "--all")).toEqual({ code: 0, stdout: "", stderr: "" });
    expect(existsSync(file)).toBe(false);
  });
});
