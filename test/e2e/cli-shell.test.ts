/** `bartizan shell` against a real server: what a person sees, types and gets as exit codes. */

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Demo, openDemo } from "../../server/target/demo.ts";
import { type CliEnv, type CliInPty, cliInPipe, cliInPty } from "../cli/cli-in-pty.ts";
import { cooked, openCuttable, withMemory } from "../cli/cli-scenes.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { openSshd } from "../support/sshd.ts";
import { openTestBastion } from "../support/test-bastion.ts";
import { until } from "../support/until.ts";

const life = new AbortController();
let demo: Demo;
beforeAll(async () => {
  demo = await openDemo(life.signal, { home: tmpdir() });
});
afterAll(async () => {
  await demo[Symbol.asyncDispose]();
});

async function withDemo() {
  const listen = { host: "127.0.0.1", port: 0, names: ["127.0.0.2"] };
  const bastion = await openTestBastion({ targets: [demo.target], config: { listen } });
  const env: CliEnv = { url: bastion.url, token: bastion.token, folder: bastion.folder };
  return { bastion, env };
}

const prompt = async (cli: CliInPty) => {
  cli.type("PS1='ready> '; stty -a | grep -o 'rows [0-9]*; columns [0-9]*'\r");
  await cli.shows("\nready>");
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
    await using proxy = await openCuttable("127.0.0.2", bastion.port);
    await using cli = cliInPty(["shell", "demo"], { ...env, url: `http://127.0.0.2:${bastion.port}` });
    await prompt(cli);
    const go = join(bastion.folder, "go");
    cli.type(`here=still; echo set-$here; until [ -e ${go} ]; do sleep 0.05; done; echo back-$here\r`);
    await cli.shows("set-still");
    proxy.cut();
    await writeFile(go, "");
    await cli.shows("back-still");
    expect(proxy.taken()).toBeGreaterThan(1);
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
    first.type("here=again; echo set-$here\r");
    await first.shows("set-again");
    first.type("\r~d");
    expect((await first.over()).code).toBe(0);
    const id = bastion.registry.list()[0]?.id ?? "";
    expect(first.raw()).toContain(`bartizan shell --session ${id}`);
    await using second = cliInPty(["shell", "--session", id.slice(0, -2)], env);
    await second.shows("ready>");
    second.type("echo once $here\r");
    await second.shows("once again");
    second.type("\r~?");
    await second.shows("end the session");
    second.type("\r~.");
    const { code, terminal } = await second.over();
    expect(code).toBe(255);
    cooked(terminal);
    // The local prompt gets a line of its own.
    expect(second.raw()).toMatch(/\r\n\x1b\[!p/);
    await until(() => bastion.registry.size === 0, "the session is over");
  });

  it("says that the shell is gone when the server that comes back does not have it", async () => {
    const memory = createMemoryTarget({ name: "play" });
    const listen = { host: "127.0.0.1", port: 0, names: ["127.0.0.2"] };
    const options = { targets: [memory.target], dial: memory.dial, principals: { ann: ["operator"] } } as const;
    const first = await openTestBastion({ ...options, config: { listen } });
    const { port } = first;
    const proxy = await openCuttable("127.0.0.2", port);
    const env: CliEnv = { url: `http://127.0.0.2:${port}`, token: "token-ann", folder: tmpdir() };
    await using cli = cliInPty(["shell", "play"], env);
    await until(() => first.registry.list()[0]?.attachments.length === 1, "the session");
    await memory.pty().print("mine> ");
    await cli.shows("mine>");
    await proxy[Symbol.asyncDispose]();
    memory.pty().exit({ kind: "exited", code: 0 });
    await until(() => first.registry.size === 0, "the first one has ended it");
    await first[Symbol.asyncDispose]();
    await using _second = await openTestBastion({ ...options, config: { listen: { ...listen, port } } });
    await using _proxy = await openCuttable("127.0.0.2", port);
    const { code, terminal } = await cli.over();
    expect(code).toBe(255);
    cooked(terminal);
    expect(cli.raw()).toContain("The server was restarted, or your shell has ended; it is gone.");
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

  it("keeps its connection while its terminal is stopped, and can still be hung up", async () => {
    const { bastion, operator, pty, id } = await withMemory();
    await using _bastion = bastion;
    await using cli = operator;
    const pid = await cli.pid();
    cli.stop();
    const printed = Array.from({ length: 16 }, () => pty.print("x".repeat(32_768)));
    // The terminal takes nothing, so nothing is acknowledged, and the session waits: within its window.
    await until(() => Number(bastion.registry.find(id as never)?.info.outputBytes) >= 131_072, "the window is in use");
    cli.type("y");
    await until(() => pty.typed().includes("y"), "keys still arrive");
    process.kill(pid, "SIGTERM");
    await until(() => pty.hungUp(), "the shell is hung up");
    await until(() => bastion.registry.size === 0, "the session is over");
    // The terminal can only be put back as it was when it takes bytes again, as with ssh.
    cli.go();
    expect((await cli.over()).code).toBe(143);
    void printed;
  });

  it("asks about an unknown host key on the terminal, and remembers a yes", async () => {
    await using sshd = await openSshd();
    const folder = await mkdtemp(join(tmpdir(), "bartizan-cli-"));
    const target = { ...sshd.target, hostKeys: [], knownHostsFiles: [], acceptedKeysFile: join(folder, "known_hosts") };
    await using bastion = await openTestBastion({ targets: [target] });
    const env: CliEnv = { url: bastion.url, token: bastion.token, folder: bastion.folder };
    try {
      await using no = cliInPty(["shell", target.name], env);
      await no.shows("SHA256:");
      await no.shows("(yes/no)");
      no.type("perhaps\r");
      await no.shows('Please type "yes" or "no".');
      no.type("no\r");
      const refused = await no.over();
      expect(refused.code).toBe(255);
      cooked(refused.terminal);
      await using yes = cliInPty(["shell", target.name], env);
      await yes.shows("(yes/no)");
      yes.type("yes\r");
      await until(() => bastion.registry.size === 1, "the session");
      await prompt(yes);
      yes.type("exit 6\r");
      expect((await yes.over()).code).toBe(6);
      await using known = cliInPty(["shell", target.name], env);
      await prompt(known);
      expect(known.raw()).not.toContain("(yes/no)");
      known.type("exit\r");
      await known.over();
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("takes a paste of a megabyte into a program that prints it all", async () => {
    const { bastion, env } = await withDemo();
    await using _bastion = bastion;
    const lines = 20_000;
    const input = `stty -echo; PS1=; cat > paste.txt; wc -l paste.txt; exit 0\n${"0123456789 0123456789 0123456789 0123456789 12345\n".repeat(lines)}\x04`;
    const run = await cliInPipe(["shell", "demo"], env, input);
    expect(run.stdout).toContain(`${lines} paste.txt`);
    expect(run.code).toBe(0);
  });
});
