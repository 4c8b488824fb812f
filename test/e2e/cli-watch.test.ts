/** `bartizan watch` and the lists against a real server: what a person sees and gets as exit codes. */

import { describe, expect, it } from "vitest";
import { type CliEnv, cliInPipe, cliInPty, spawnCli } from "../cli/cli-in-pty.ts";
import { cooked, openCuttable, withMemory } from "../cli/cli-scenes.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { openTestBastion } from "../support/test-bastion.ts";
import { until } from "../support/until.ts";

describe("watch", () => {
  it("shows the exact screen to one who joins late, sends nothing, and exits with 0 at the end", async () => {
    const { bastion, env, operator, id, pty } = await withMemory();
    await using _bastion = bastion;
    await using _operator = operator;
    await pty.print("\x1b[2J\x1b[5;5Hmiddle\x1b[1;1Htop");
    await operator.shows("middle");
    await using cli = cliInPty(["watch", id.slice(0, -1)], env);
    await cli.shows("    middle");
    cli.type("rm -rf /\r");
    await pty.print("\x1b[6n\x1b[c\x1b]0;t\x07\x1b[7;1Hmore");
    await cli.shows("more");
    await operator.shows("more");
    // Only the operator's own terminal answers: the watcher's was never asked.
    expect(cli.raw()).not.toContain("\x1b[6n");
    expect(cli.raw()).not.toContain("\x1b[c");
    expect(pty.typed().toString()).not.toContain("rm");
    pty.exit({ kind: "exited", code: 3 });
    const { code, terminal } = await cli.over();
    expect(code).toBe(0);
    cooked(terminal);
    await cli.shows("exited with 3");
    expect((await operator.over()).code).toBe(3);
  });

  it("can be terminated while the reader of its pipe takes nothing", async () => {
    const { bastion, env, operator, id, pty } = await withMemory();
    await using _bastion = bastion;
    await using _operator = operator;
    const child = spawnCli(["watch", id], env);
    try {
      await until(() => bastion.registry.list()[0]?.attachments.length === 2, "it watches");
      for (let at = 0; at < 100; at += 1) await pty.print("x".repeat(32_768));
      child.kill("SIGTERM");
      await until(() => child.signalCode !== null || child.exitCode !== null, "it is gone");
      expect(["SIGTERM", 143]).toContain(child.signalCode ?? child.exitCode);
    } finally {
      child.kill("SIGKILL");
    }
    pty.exit({ kind: "exited", code: 0 });
    expect((await operator.over()).code).toBe(0);
  });

  it("is told of a kick, with 254", async () => {
    const { bastion, env, operator, id, pty } = await withMemory();
    await using _bastion = bastion;
    await using _operator = operator;
    await pty.print("hello");
    await using cli = cliInPty(["watch", id], env);
    await cli.shows("hello");
    const kick = await cliInPipe(["kick", id, "--reason", "freeze"], env);
    expect(kick.stdout).toContain("1 watcher was told");
    expect((await cli.over()).code).toBe(254);
    await until(() => /disconnected by \S+: freeze/.test(cli.screen().join("\n")), "who and why");
    expect((await operator.over()).code).toBe(254);
  });

  it("is taken off alone by kick --attachment, and the session goes on", async () => {
    const { bastion, env, operator, id, pty } = await withMemory();
    await using _bastion = bastion;
    await using _operator = operator;
    await pty.print("hello");
    await using cli = cliInPty(["watch", id], env);
    await cli.shows("hello");
    const list = JSON.parse((await cliInPipe(["sessions", "--json"], env)).stdout);
    const attachments: { id: string; role: string }[] = list.sessions[0].attachments;
    const watcher = attachments.find(({ role }) => role === "ROLE_WATCHER")?.id ?? "";
    const kick = await cliInPipe(["kick", id, "--attachment", watcher, "--reason", "wrong room"], env);
    expect(kick.stdout).toContain(`${watcher} of ${id} ended after`);
    expect(kick.code).toBe(0);
    expect((await cli.over()).code).toBe(254);
    await until(() => /disconnected by \S+: wrong room/.test(cli.screen().join("\n")), "who and why");
    await pty.print(", and on");
    await operator.shows("hello, and on");
    expect(pty.hungUp()).toBe(false);
    pty.exit({ kind: "exited", code: 0 });
    expect((await operator.over()).code).toBe(0);
  });

  it("cuts a screen that is larger than the window, and says so; q leaves", async () => {
    const { bastion, env, operator, id, pty } = await withMemory(100, 30);
    await using _bastion = bastion;
    await using _operator = operator;
    await pty.print(`\x1b[2J\x1b[1;1Hcorner\x1b[30;90Hfar end`);
    await operator.shows("far end");
    await using cli = cliInPty(["watch", id], env, 70, 12);
    await cli.shows("far end");
    await cli.shows("100x30, cropped to your window");
    expect(cli.screen().join("\n")).not.toContain("corner");
    await pty.print("\x1b[1;1H");
    await cli.shows("corner");
    cli.type("q");
    const { code, terminal } = await cli.over();
    expect(code).toBe(0);
    cooked(terminal);
    pty.exit({ kind: "exited", code: 0 });
    expect((await operator.over()).code).toBe(0);
  });

  it("of exactly the operator's size says how to leave until output comes, and that the line is lost", async () => {
    const { bastion, env, operator, id, pty } = await withMemory();
    await using _bastion = bastion;
    await using _operator = operator;
    await pty.print("\x1b[2J\x1b[24;1Hbottom");
    let proxy = await openCuttable("127.0.0.2", bastion.port);
    await using cli = cliInPty(["watch", id], { ...env, url: `http://127.0.0.2:${bastion.port}` });
    try {
      await cli.shows("q leaves");
      expect(cli.screen()[23]).toContain("q leaves");
      await pty.print("\x1b[1;1Htop");
      await until(() => cli.screen()[23] === "bottom", "the operator's last line");
      await proxy[Symbol.asyncDispose]();
      await cli.shows("connection lost, trying again | q leaves");
      expect(cli.screen()[0]).toBe("top");
      proxy = await openCuttable("127.0.0.2", bastion.port);
      await until(() => cli.screen()[23] === "bottom", "the line is back");
      pty.exit({ kind: "exited", code: 3 });
      expect((await cli.over()).code).toBe(0);
      await until(() => cli.raw().includes("exited with 3 | q leaves"), "the last line says the end");
      expect((await operator.over()).code).toBe(3);
    } finally {
      await proxy[Symbol.asyncDispose]();
    }
  });

  it("into a pipe passes neither titles nor the full reset", async () => {
    const { bastion, env, operator, id, pty } = await withMemory();
    await using _bastion = bastion;
    await using _operator = operator;
    await pty.print("\x1b]0;early\x07first");
    const watching = cliInPipe(["watch", id], env);
    await until(() => bastion.registry.list()[0]?.attachments.length === 2, "it watches");
    await pty.print("\x1b]2;late\x1b\\\x1bc\x1b[1mlast\r\n");
    pty.exit({ kind: "exited", code: 0 });
    const { stdout, code } = await watching;
    expect(code).toBe(0);
    expect(stdout).toMatch(/first[\s\S]*\x1b\[1mlast\r\n/);
    expect(stdout).not.toMatch(/\x1bc|\x1b\]/);
    expect((await operator.over()).code).toBe(0);
  });

  it.each(["SIGTERM", "SIGHUP"] as const)("restores the terminal at %s", async (signal) => {
    const { bastion, env, operator, id, pty } = await withMemory();
    await using _bastion = bastion;
    await using _operator = operator;
    await pty.print("hello");
    await using cli = cliInPty(["watch", id], env);
    await cli.shows("hello");
    process.kill(await cli.pid(), signal);
    const { code, terminal } = await cli.over();
    expect(code).toBe(signal === "SIGTERM" ? 143 : 129);
    cooked(terminal);
    expect(cli.raw()).toContain("\x1b[?1049l");
    pty.exit({ kind: "exited", code: 0 });
    expect((await operator.over()).code).toBe(0);
  });
});

describe("lists", () => {
  it("are tables for people and Protobuf JSON for programs", async () => {
    const { bastion, env, operator, id, pty } = await withMemory();
    await using _bastion = bastion;
    await using _operator = operator;
    const targets = await cliInPipe(["targets"], env);
    expect(targets.stdout).toMatch(/^NAME +ADDRESS +USER/);
    expect(targets.stdout).toContain("play");
    expect(targets.stdout).not.toContain("\x1b");
    const sessions = await cliInPipe(["sessions"], env);
    expect(sessions.stdout).toContain(id);
    const json = JSON.parse((await cliInPipe(["sessions", "--json"], env)).stdout);
    expect(json.sessions[0]).toMatchObject({ id, target: "play", state: "SESSION_STATE_ATTACHED" });
    const doctor = await cliInPipe(["doctor", "--json"], env);
    const states = Object.fromEntries(
      JSON.parse(doctor.stdout).map((each: { what: string; state: string }) => [each.what, each.state]),
    );
    expect(states).toMatchObject({ Node: "ok", server: "ok", token: "ok" });
    expect(doctor.code).toBe(0);
    pty.exit({ kind: "exited", code: 0 });
    expect((await operator.over()).code).toBe(0);
    const all = JSON.parse((await cliInPipe(["sessions", "--all", "--json"], env)).stdout);
    expect(all.sessions[0]).toMatchObject({ id, state: "SESSION_STATE_ENDED" });
  });

  it("follow the changes, one JSON document per line", async () => {
    const memory = createMemoryTarget({ name: "play" });
    await using bastion = await openTestBastion({ targets: [memory.target], dial: memory.dial });
    const env: CliEnv = { url: bastion.url, token: bastion.token, folder: bastion.folder };
    await using cli = cliInPty(["sessions", "--follow"], env, 120, 24);
    await cli.shows("OPERATOR");
    await using operator = cliInPty(["shell", "play"], env);
    await cli.shows("attached");
    memory.pty().exit({ kind: "exited", code: 9 });
    await cli.shows("exited with 9");
    cli.type("\x03");
    expect((await cli.over()).code).toBe(0);
    expect((await operator.over()).code).toBe(9);
  });

  it("say in two lines what to do when there is no server, with 255", async () => {
    const bastion = await openTestBastion();
    const { url, token } = bastion;
    await bastion[Symbol.asyncDispose]();
    const run = await cliInPipe(["targets"], { url, token, folder: "/" });
    expect(run.code).toBe(255);
    expect(run.stderr.trim().split("\n")).toHaveLength(2);
    expect(run.stderr).toContain("Is the server running");
  });
});
