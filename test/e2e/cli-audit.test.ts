/** `bartizan audit` and `verify --audit` against a real server, and beside it. */

import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type CliEnv, cliInPipe, cliInPty } from "../cli/cli-in-pty.ts";
import { root } from "../house/sources.ts";
import { openTestBastion, type TestBastion } from "../support/test-bastion.ts";

let bastion: TestBastion;
let env: CliEnv;
beforeEach(async () => {
  bastion = await openTestBastion({ principals: { alice: ["operator"] } });
  env = { url: bastion.url, token: bastion.token, folder: bastion.folder };
});
afterEach(() => bastion[Symbol.asyncDispose]());

it("lists what happened, narrowed and as JSON, and shows hostile text as text", async () => {
  await bastion.clients().commands.searchCommands({ text: "\x1b]0;owned\x07\u202e" });
  const { stdout, code } = await cliInPipe(["audit", "--event", "commands-searched", "server-"], env);
  expect(code).toBe(0);
  const [head, searched, started] = stdout.split("\n");
  expect(head).toMatch(/^AT +EVENT +OUTCOME +WHO +FROM +TARGET +ABOUT$/);
  expect(searched).toMatch(/commands-searched +ok +\S+ +127\.0\.0\.1 +- +text \\u001b\]0;owned\\u0007\\u202e/);
  expect(started).toMatch(/server-started +ok +- +- +- +version/);
  const json = await cliInPipe(["audit", "--outcome", "ok", "--limit", "1", "--json"], env);
  const [entry] = JSON.parse(json.stdout).entries;
  expect(entry).toMatchObject({ event: "audit-searched", outcome: "AUDIT_OUTCOME_OK", node: "test" });
  expect(JSON.parse(entry.line)).toMatchObject({ event: "audit-searched", n: Number(entry.number) });
  expect(await cliInPipe(["audit", "--target", "nowhere"], env)).toMatchObject({
    ...{ code: 0, stdout: "", stderr: "Nothing like that was noted.\n" },
  });
});

it("follows, with one line for each event, until Ctrl-C", async () => {
  await using cli = cliInPty(["audit", "--follow", "--event", "login-"], env);
  await cli.shows("login-ok ok");
  await expect(bastion.clients("token-wrong").access.whoAmI({})).rejects.toThrow();
  await cli.shows("login-failed refused");
  cli.type("\x03");
  expect(await cli.over()).toMatchObject({ code: 0 });
});

it("is refused to operators, and tells what is wrong with an option", async () => {
  const refused = await cliInPipe(["audit"], { ...env, token: "token-alice" });
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("You may not do this") });
  expect(await cliInPipe(["audit", "--outcome", "nice"], env)).toMatchObject({ code: 2 });
  expect(await cliInPipe(["audit", "--from", "yesterday"], env)).toMatchObject({ code: 2 });
});

it("gives a checkpoint to keep elsewhere, by which `verify --audit` finds a cut, beside the running server", async () => {
  const bartizan = (...args: string[]) => {
    const { PATH = "" } = process.env;
    const options = {
      encoding: "utf8",
      env: { PATH, HOME: bastion.folder, XDG_STATE_HOME: join(bastion.folder, "state") },
    } as const;
    const { status, stdout } = spawnSync(process.execPath, [join(root, "cli", "bartizan.js"), ...args], options);
    return { status, stdout };
  };
  const json = await cliInPipe(["audit", "--event", "checkpoint", "--limit", "1", "--json"], env);
  const kept = join(bastion.folder, "kept.json");
  const line = JSON.parse(json.stdout).entries[0].line as string;
  writeFileSync(kept, `${line}\n`);
  expect(bartizan("verify", "--audit", "--checkpoint", kept)).toEqual({
    ...{
      status: 0,
      stdout: expect.stringMatching(/audit\.jsonl {2}complete: \d+ lines, 1 starts, signed up to line 2/),
    },
  });
  writeFileSync(kept, `${line.replace('"n":2', '"n":3')}\n`);
  expect(bartizan("verify", "--audit", "--checkpoint", kept)).toMatchObject({ status: 5 });
});
