/** The example of docs/examples as another program's author would run it. */

import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { openShell } from "../../proto/client/shell.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { openTestBastion } from "../support/test-bastion.ts";
import { until } from "../support/until.ts";

const example = fileURLToPath(new URL("../../docs/examples/forbidden-word.ts", import.meta.url));

describe("the forbidden word example", () => {
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

    const child: ChildProcess = spawn(process.execPath, ["--conditions=bartizan-source", example, "launch"], {
      env: { BARTIZAN_SERVER: bastion.url, BARTIZAN_TOKEN: bastion.token },
    });
    let said = "";
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (data) => (said += data));
    try {
      await until(() => bastion.registry.list().every((each) => each.attachments.length === 2), `watchers: ${said}`);
      await other.pty().print("lunch is ready");
      await play.pty().print("la\x1b[1mun");
      await play.pty().print("\x1b[mch");
      await until(() => ends.play, `a kick: ${said}`);
      expect(ends).toEqual({ play: "kicked" });
      await until(() => said.includes("kicked "), "the program says so");
    } finally {
      child.kill();
      await until(() => child.exitCode !== null || child.signalCode !== null, "the program is over");
    }
    other.pty().exit({ kind: "exited", code: 0 });
    await Promise.all(shells);
    expect(said).not.toContain("rror");
  });
});
