/** `bartizan lock`, `locks`, `unlock`, `freeze` and `kick --lock` against a real server: what a person sees. */

import { describe, expect, it } from "vitest";
import { cliInPipe, cliInPty } from "../cli/cli-in-pty.ts";
import { withMemory } from "../cli/cli-scenes.ts";

describe("locks on the command line", () => {
  it("are set, shown to whom they bar, listed and lifted", async () => {
    const { bastion, env, operator, id, pty } = await withMemory();
    await using _bastion = bastion;
    await using _operator = operator;
    const kick = await cliInPipe(["kick", id, "--reason", "token lost", "--lock", "both", "--until", "2h"], env);
    expect(kick.code).toBe(0);
    expect(kick.stdout).toMatch(/may open no shell on play until \d{4}-/);
    expect((await operator.over()).code).toBe(254);
    expect(pty.hungUp()).toBe(true);
    const refused = await cliInPipe(["shell", "play"], env);
    expect(refused.code).toBe(255);
    expect(refused.stderr).toMatch(/locked by .* until .* UTC: token lost/);
    expect((await cliInPipe(["targets"], env)).stdout).toMatch(/by .*: token lost/);
    const listed = await cliInPipe(["locks"], env);
    const [lock = ""] = listed.stdout.split("\n")[1]?.split(" ") ?? [];
    expect(listed.stdout).toMatch(/^ID +WHO +TARGET +UNTIL +BY +REASON/);
    expect((await cliInPipe(["unlock", lock.slice(0, 6)], env)).stdout).toBe(`${lock} is lifted.\n`);
    expect((await cliInPipe(["locks"], env)).stderr).toBe("There is no lock that concerns you.\n");
    const misspelt = await cliInPipe(["lock", "--user", "alcie", "--reason", "typo"], env);
    expect(misspelt).toMatchObject({ code: 0, stderr: expect.stringContaining("known here; the lock stands") });
    const all = await cliInPipe(["lock", "--everybody", "--reason", "drill", "--end-sessions"], env);
    expect([all.code, all.stdout]).toEqual([
      0,
      expect.stringMatching(/nobody may open a shell anywhere.* 0 sessions were/),
    ]);
  });

  it("say what is missing", async () => {
    const { bastion, env, operator, pty } = await withMemory();
    await using _bastion = bastion;
    await using _operator = operator;
    expect((await cliInPipe(["lock", "--reason", "x"], env)).code).toBe(2);
    expect((await cliInPipe(["lock", "--reason", "x", "--everybody", "--user", "a"], env)).code).toBe(2);
    expect((await cliInPipe(["lock", "--user", "a", "--reason", "x", "--until", "soon"], env)).code).toBe(2);
    pty.exit({ kind: "exited", code: 0 });
    await operator.over();
  });
});

describe("freezing on the command line", () => {
  it("tells the operator and the watcher, and holds his keys until it is given back", async () => {
    const { bastion, env, operator, id, pty } = await withMemory();
    await using _bastion = bastion;
    await using _operator = operator;
    await pty.print("hello ");
    await operator.shows("hello");
    await using watcher = cliInPty(["watch", id], env);
    await watcher.shows("hello");
    const freeze = await cliInPipe(["freeze", id, "--reason", "look first"], env);
    expect([freeze.code, freeze.stdout]).toEqual([0, expect.stringContaining("takes no input")]);
    await operator.shows("look first");
    await watcher.shows("frozen by");
    expect((await cliInPipe(["sessions"], env)).stdout).toContain("frozen");
    operator.type("nothing of this\r");
    expect((await cliInPipe(["unfreeze", id], env)).stdout).toContain("takes input again");
    await operator.shows("gave the keyboard back");
    operator.type("this");
    await operator.shows("gave the keyboard back");
    pty.exit({ kind: "exited", code: 0 });
    expect((await operator.over()).code).toBe(0);
    expect(pty.typed().toString()).not.toContain("nothing");
  });
});
