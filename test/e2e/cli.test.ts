/** The real CLI against a real server: what a person sees, types and gets as exit codes. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Demo, openDemo } from "../../server/target/demo.ts";
import { type CliEnv, type CliInPty, cliInPipe, cliInPty } from "../cli/cli-in-pty.ts";
import { openFaultProxy } from "../support/fault-proxy.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { openTestBastion } from "../support/test-bastion.ts";
import { until } from "../support/until.ts";

const life = new AbortController();
let demo: Demo;
beforeAll(async () => {
  demo = await openDemo(life.signal);
});
afterAll(async () => {
  await demo[Symbol.asyncDispose]();
});

const cooked = (terminal: string) => {
  expect(terminal).toMatch(/(^|\s)icanon/m);
  expect(terminal).toMatch(/(^|\s)echo(\s|;)/m);
  expect(terminal).toMatch(/(^|\s)isig/m);
};

async function withDemo() {
  const bastion = await openTestBastion({ targets: [demo.target] });
  const env: CliEnv = { url: bastion.url, token: bastion.token, folder: bastion.folder };
  return { bastion, env };
}

/** A session of a program that the test plays, with an operator's CLI on it. */
async function withMemory(cols = 80, rows = 24) {
  const memory = createMemoryTarget({ name: "play" });
  const bastion = await openTestBastion({ targets: [memory.target], dial: memory.dial });
  const env: CliEnv = { url: bastion.url, token: bastion.token, folder: bastion.folder };
  const operator = cliInPty(["shell", "play"], env, cols, rows);
  await until(() => bastion.registry.size === 1, "the session");
  const id = await until(() => bastion.registry.list()[0]?.id, "its id");
  await until(() => {
    try {
      return memory.pty();
    } catch {
      return undefined;
    }
  }, "its pty");
  return { bastion, env, operator, id, pty: memory.pty() };
}

const prompt = async (cli: CliInPty) => {
  cli.type("PS1='ready> '; stty -a | grep -o 'rows [0-9]*; columns [0-9]*'\r");
  await cli.shows("\nready> ");
};

describe("shell", () => {
  it("is a real shell with the window's size, and exits with its status, the terminal as it was", async () => {
    const { bastion, env } = await withDemo();
    await using _bastion = bastion;
    await using cli = cliInPty(["shell", "demo"], env, 90, 30);
    await prompt(cli);
    await cli.shows("rows 30; columns 90");
    cli.resize(100, 40);
    cli.type("clear; sleep 0.3; stty -a | grep -o 'rows [0-9]*; columns [0-9]*'\r");
    await cli.shows("rows 40; columns 100");
    cli.type("exit 42\r");
    const { code, terminal } = await cli.over();
    expect(code).toBe(42);
    cooked(terminal);
  });

  it("types what comes from a pipe, ends at its end, and gives back the status", async () => {
    const { bastion, env } = await withDemo();
    await using _bastion = bastion;
    const run = await cliInPipe(["shell", "demo"], env, "echo sum $((6*7)); (exit 5)\n");
    expect(run.stdout).toContain("sum 42\r\n");
    expect(run.code).toBe(5);
  });

  it("refuses a target that is not there, with 255 and what to do", async () => {
    const { bastion, env } = await withDemo();
    await using _bastion = bastion;
    const run = await cliInPipe(["shell", "nowhere"], env);
    expect(run.code).toBe(255);
    expect(run.stderr.trim().split("\n")).toHaveLength(2);
    expect(run.stderr).toContain("bartizan targets");
  });

  it("says who kicked it and why, exits with 254, and stays away", async () => {
    const { bastion, env, operator, id } = await withMemory();
    await using _bastion = bastion;
    await using cli = operator;
    const kick = await cliInPipe(["kick", id, "--reason", "freeze\x1b[2J"], env);
    expect(kick.code).toBe(0);
    expect(kick.stdout).toMatch(/ended after [\d.]+ ms; 0 watchers were told\./);
    const { code, terminal } = await cli.over();
    expect(code).toBe(254);
    cooked(terminal);
    expect(cli.screen().join("\n")).toMatch(/disconnected by \S+: freeze/);
    const again = await cliInPipe(["kick", id, "--reason", "once more"], env);
    expect(again.code).toBe(3);
    expect(again.stdout).toContain("had ended before: disconnected by");
  });

  it("comes back by itself to the same shell when its connection is cut", async () => {
    const { bastion, env } = await withDemo();
    await using _bastion = bastion;
    await using proxy = await openFaultProxy(bastion.port);
    await using cli = cliInPty(["shell", "demo"], { ...env, url: `http://127.0.0.1:${proxy.port}` });
    await prompt(cli);
    cli.type("here=still\r");
    proxy.reset();
    await until(() => proxy.taken > 1 && bastion.registry.list()[0]?.state === "attached", "it is back");
    cli.type("echo $here-there\r");
    await cli.shows("still-there");
    cli.type("exit\r");
    expect((await cli.over()).code).toBe(0);
    expect(bastion.registry.size).toBe(0);
  });

  it("leaves by ~d, is taken up again by the beginning of its id, and ends by ~.", async () => {
    const { bastion, env } = await withDemo();
    await using _bastion = bastion;
    await using first = cliInPty(["shell", "demo"], env);
    await prompt(first);
    first.type("here=again\r~d");
    expect((await first.over()).code).toBe(0);
    const id = bastion.registry.list()[0]?.id ?? "";
    expect(first.screen().join("\n")).toContain(`bartizan shell --session ${id}`);
    await using second = cliInPty(["shell", "--session", id.slice(0, -2)], env);
    await second.shows("ready> ");
    second.type("echo once $here\r");
    await second.shows("once again");
    second.type("\r~?");
    await second.shows("end the session");
    second.type("\r~.");
    const { code, terminal } = await second.over();
    expect(code).toBe(255);
    cooked(terminal);
    await until(() => bastion.registry.size === 0, "the session is over");
  });

  it("hangs up and restores the terminal when it is terminated", async () => {
    const { bastion, operator, pty } = await withMemory();
    await using _bastion = bastion;
    await using cli = operator;
    await pty.print("\x1b[?1049h\x1b[?1000h\x1b[?2004hfull screen");
    await cli.shows("full screen");
    process.kill(await cli.pid(), "SIGTERM");
    const { code, terminal } = await cli.over();
    expect(code).toBe(143);
    cooked(terminal);
    expect(cli.raw()).toContain("\x1b[?1000l");
    expect(cli.raw()).toContain("\x1b[?1049l");
    await until(() => pty.hungUp(), "the target is hung up");
    await until(() => bastion.registry.size === 0, "the session is over");
  });

  it("takes a paste of a megabyte into a program that prints it all", async () => {
    const { bastion, env } = await withDemo();
    await using _bastion = bastion;
    const lines = 20_000;
    const input = `stty -echo; PS1=; cat > paste.txt; wc -l paste.txt; exit 0\n${"0123456789 0123456789 0123456789 0123456789 12345\n".repeat(lines)}\x04`;
    const run = await cliInPipe(["shell", "demo"], env, input);
    expect(run.stdout).toContain(`${lines} paste.txt`);
    expect(run.code).toBe(0);
  }, 60_000);
});

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
    expect(cli.screen().join("\n")).toContain("exited with 3");
    expect((await operator.over()).code).toBe(3);
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
    expect(cli.screen().join("\n")).toMatch(/disconnected by \S+: freeze/);
    expect((await operator.over()).code).toBe(254);
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
    const { bastion, env } = await withDemo();
    await bastion[Symbol.asyncDispose]();
    const run = await cliInPipe(["targets"], { ...env, folder: "/" });
    expect(run.code).toBe(255);
    expect(run.stderr.trim().split("\n")).toHaveLength(2);
    expect(run.stderr).toContain("Is the server running");
  });
});
