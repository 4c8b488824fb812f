import { once } from "node:events";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type CliEnv, cliInPipe, spawnCli } from "../cli/cli-in-pty.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { openTestBastion, type TestBastion } from "../support/test-bastion.ts";
import { until } from "../support/until.ts";

describe("the CLI's own sign-in", () => {
  const memory = createMemoryTarget({ name: "play" });
  let bastion: TestBastion;
  let env: CliEnv;
  beforeEach(async () => {
    bastion = await openTestBastion({
      ...{ targets: [memory.target], dial: memory.dial, principals: { alice: ["operator"] } },
    });
    env = { url: bastion.url, token: "", folder: bastion.folder };
  });
  afterEach(() => bastion[Symbol.asyncDispose]());
  const kept = () =>
    join(bastion.folder, ".local", "state", "bartizan", "logins", `http_127.0.0.1_${new URL(bastion.url).port}`);

  /** Runs `login` up to its code, and lets alice answer. */
  async function login(allow: boolean) {
    const child = spawnCli(["login"], env);
    const closed = once(child, "close");
    let said = "";
    child.stderr?.on("data", (data) => (said += data));
    const code = await until(() => /\n {2}([A-Z]{4}-[A-Z]{4})\n/.exec(said)?.[1], "a code is shown");
    expect(said).toContain(`${bastion.url}/login#login=${code}`);
    const { access } = bastion.clients("token-alice");
    expect(await access.getLogin({ code })).toMatchObject({ code, address: "127.0.0.1" });
    await access.answerLogin({ code, allow });
    const [exit] = await closed;
    return { exit, said };
  }

  it("is a code that a person allows; then every command knows him, until logout", async () => {
    expect((await cliInPipe(["targets"], env)).stderr).toContain("`bartizan login` gets one from a server");
    const { exit, said } = await login(true);
    expect(exit).toBe(0);
    expect(said).toContain("You are alice at");
    expect(statSync(kept()).mode & 0o777).toBe(0o600);
    const token = readFileSync(kept(), "utf8").trim();
    expect(said).not.toContain(token);
    const listed = await cliInPipe(["targets"], env);
    expect(listed).toMatchObject({ code: 0, stderr: "" });
    expect(listed.stdout).toContain("play");
    expect(await cliInPipe(["logout"], env)).toMatchObject({ code: 0, stdout: "" });
    expect(() => statSync(kept())).toThrow();
    await expect(bastion.clients(token).access.whoAmI({})).rejects.toThrow();
    expect(await cliInPipe(["targets"], env)).toMatchObject({ code: 1, stdout: "" });
  });

  it("ends with nothing kept when it is denied, and with the signal that stopped it", async () => {
    const { exit, said } = await login(false);
    expect(exit).toBe(1);
    expect(said).toContain("It was denied on the page.");
    expect(() => statSync(kept())).toThrow();
    const child = spawnCli(["login"], env);
    const closed = once(child, "close");
    let waiting = false;
    child.stderr?.on("data", (data) => (waiting ||= String(data).includes("#login=")));
    await until(() => waiting, "it waits");
    child.kill("SIGINT");
    expect((await closed)[0]).toBe(130);
  });
});
