/** `bartizan shell` between pipes that break: the session never waits for somebody who will not come back. */

import type { ChildProcess } from "node:child_process";
import { tmpdir } from "node:os";
import { describe, expect, it } from "vitest";
import { openDemo } from "../../server/target/demo.ts";
import { type CliEnv, cliInPipe, spawnCli } from "../cli/cli-in-pty.ts";
import { openCuttable } from "../cli/cli-scenes.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { openTestBastion } from "../support/test-bastion.ts";
import { until } from "../support/until.ts";

/** The exit code, and what it said on stderr, of a child whose output nobody needs any more. */
async function overOf(child: ChildProcess): Promise<{ code: number | null; stderr: string }> {
  let stderr = "";
  child.stderr?.setEncoding("utf8").on("data", (data) => (stderr += data));
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code: await ended, stderr };
}

const listen = { host: "127.0.0.1", port: 0, names: ["127.0.0.2"] };

describe("shell between pipes", () => {
  it("hangs up, says nothing and exits with 141 when the reader of a flood has seen enough", async () => {
    const life = new AbortController();
    await using demo = await openDemo(life.signal, { home: tmpdir() });
    await using bastion = await openTestBastion({ targets: [demo.target] });
    const env: CliEnv = { url: bastion.url, token: bastion.token, folder: bastion.folder };
    const child = spawnCli(["shell", "demo"], env);
    const over = overOf(child);
    let seenBytes = 0;
    child.stdout?.on("data", (bytes: Buffer) => {
      seenBytes += bytes.length;
      if (seenBytes > 100_000) child.stdout?.destroy();
    });
    child.stdin?.end("yes\n");
    expect(await over).toEqual({ code: 141, stderr: "" });
    await until(() => bastion.registry.size === 0, "the session is over");
    const listed = JSON.parse((await cliInPipe(["sessions", "--json"], env)).stdout);
    expect(listed.sessions).toEqual([]);
  });

  it("hangs up when nobody reads any more while its own input is still open", async () => {
    const memory = createMemoryTarget({ name: "play" });
    await using bastion = await openTestBastion({ targets: [memory.target], dial: memory.dial });
    const child = spawnCli(["shell", "play"], { url: bastion.url, token: bastion.token, folder: bastion.folder });
    const over = overOf(child);
    await until(() => bastion.registry.list()[0]?.attachments.length === 1, "the session");
    child.stdout?.destroy();
    child.stderr?.destroy();
    await memory.pty().print("to nobody");
    expect((await over).code).toBe(141);
    expect(memory.pty().hungUp()).toBe(true);
    await until(() => bastion.registry.size === 0, "the session is over");
  });

  it("hangs up by a call of its own when its connection is cut, and exits with 255", async () => {
    const memory = createMemoryTarget({ name: "play" });
    await using bastion = await openTestBastion({ targets: [memory.target], dial: memory.dial, config: { listen } });
    await using proxy = await openCuttable("127.0.0.2", bastion.port);
    const url = `http://127.0.0.2:${bastion.port}`;
    const child = spawnCli(["shell", "play"], { url, token: bastion.token, folder: bastion.folder });
    const over = overOf(child);
    await until(() => bastion.registry.list()[0]?.attachments.length === 1, "the session");
    await memory.pty().print("first");
    await new Promise((resolve) => child.stdout?.once("data", resolve));
    proxy.cut();
    const { code, stderr } = await over;
    expect(code).toBe(255);
    expect(stderr.trim().split("\n").length).toBeLessThanOrEqual(2);
    expect(memory.pty().hungUp()).toBe(true);
    await until(() => bastion.registry.size === 0, "the session is over");
  });
});
