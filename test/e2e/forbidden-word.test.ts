/** The example of docs/examples as another program's author would run it. */

import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { openShell } from "../../proto/client/shell.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { openTestBastion } from "../support/test-bastion.ts";
import { until } from "../support/until.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const command = "node_modules/.bin/node -C bartizan-source docs/examples/forbidden-word.ts WORD";

/** Runs the command as the pages give it, in the checkout. */
function runExample(word: string, env: Record<string, string>) {
  const [program = "", ...args] = command.replace("WORD", word).split(" ");
  const child: ChildProcess = spawn(program, args, { cwd: root, env });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (data) => (said += data));
  return { child, said: () => said };
}

describe("the forbidden word example", () => {
  it.each(["README.md", "docs/client.md", "docs/examples/forbidden-word.ts"])("is run as %s says", (page) => {
    expect(readFileSync(`${root}/${page}`, "utf8")).toContain(command);
  });

  it("says in one line what is wrong", async () => {
    await using bastion = await openTestBastion();
    const { child, said } = runExample("x", { BARTIZAN_SERVER: bastion.url, BARTIZAN_TOKEN: "nobody" });
    await until(() => child.exitCode !== null, "the program is over");
    expect(child.exitCode).toBe(1);
    expect(said()).toMatch(/^http:\S+: [^\n]+\n$/);
  });

  it("kicks the session whose screen shows the word, in pieces and colours, and no other", async () => {
    const play = createMemoryTarget({ name: "play" });
    const other = createMemoryTarget({ name: "other" });
    await using bastion = await openTestBastion({
      targets: [play.target, other.target],
      dial: (target, ...rest) => (target.name === "play" ? play : other).dial(target, ...rest),
    });
    const { sessions } = bastion.clients();
    const ends: Record<string, string> = {};
    const run = async (target: string) => {
      for await (const event of openShell(sessions, {
        open: { target },
        size: { cols: 80, rows: 24 },
        acks: false,
      }).events) {
        if (event.kind === "ended") ends[target] = event.cause.kind;
      }
    };
    const shells = [run("play"), run("other")];
    await until(() => bastion.registry.size === 2, "two sessions");

    const env = { BARTIZAN_SERVER: bastion.url, BARTIZAN_TOKEN: bastion.token };
    const { child, said } = runExample("launch", env);
    try {
      await until(() => bastion.registry.list().every((each) => each.attachments.length === 2), `watchers: ${said()}`);
      await other.pty().print("lunch is ready");
      await play.pty().print("la\x1b[1mun");
      await play.pty().print("\x1b[mch");
      await until(() => ends.play, `a kick: ${said()}`);
      expect(ends).toEqual({ play: "kicked" });
      await until(() => said().includes("kicked "), "the program says so");
    } finally {
      child.kill();
      await until(() => child.exitCode !== null || child.signalCode !== null, "the program is over");
    }
    other.pty().exit({ kind: "exited", code: 0 });
    await Promise.all(shells);
    expect(said()).not.toContain("rror");
  });
});
