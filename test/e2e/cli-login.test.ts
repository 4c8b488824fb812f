/** The CLI on the way in: certificates and schemes of the server, passwords and codes of the target. */

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type CliEnv, cliInPipe, cliInPty } from "../cli/cli-in-pty.ts";
import { cooked } from "../cli/cli-scenes.ts";
import { openSshRig } from "../support/hostile-ssh.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { openTestBastion } from "../support/test-bastion.ts";

describe("the CLI at a server's door", () => {
  let folder: string;
  let tls: { cert: string; key: string };
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "bartizan-cli-tls-"));
    tls = { cert: join(folder, "cert.pem"), key: join(folder, "key.pem") };
    const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
    const made = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"];
    execFileSync("openssl", [...made, ...subject, "-keyout", tls.key, "-out", tls.cert], { stdio: "ignore" });
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const play = createMemoryTarget({ name: "play" });

  it("trusts a certificate by --ca, and says so to who has none", async () => {
    const listen = { host: "0.0.0.0", port: 0, names: ["localhost"], tls };
    await using bastion = await openTestBastion({ targets: [play.target], dial: play.dial, config: { listen } });
    const at = (scheme: string) => ({ url: `${scheme}://localhost:${bastion.port}`, token: bastion.token, folder });
    const trusted = await cliInPipe(["--ca", tls.cert, "targets"], at("https"));
    expect(trusted).toMatchObject({ code: 0, stderr: "" });
    expect(trusted.stdout).toContain("play");
    const stranger = await cliInPipe(["targets"], at("https"));
    expect(stranger).toMatchObject({ code: 255, stdout: "" });
    expect(stranger.stderr).toContain("--ca FILE");
    expect((await cliInPipe(["--ca", tls.key, "targets"], at("https"))).code).toBe(255);
    const clear = await cliInPipe(["targets"], at("http"));
    expect(clear).toMatchObject({ code: 255, stdout: "" });
    expect(clear.stderr).toContain(`Write https://localhost:${bastion.port}`);
    const shell = await cliInPipe(["shell", "play"], at("http"));
    expect(shell).toMatchObject({ code: 255, stdout: "" });
    expect(shell.stderr).toContain("speaks only TLS");
  });

  it("says so where a server speaks no TLS", async () => {
    await using bastion = await openTestBastion();
    const url = bastion.url.replace("http:", "https:");
    const run = await cliInPipe(["targets"], { url, token: bastion.token, folder });
    expect(run).toMatchObject({ code: 255, stdout: "" });
    expect(run.stderr).toContain(`Write ${bastion.url} `);
  });
});

describe("the CLI at a target's door", () => {
  it("asks for a password and a one-time code, shows neither, and says when one was wrong", async () => {
    await using rig = await openSshRig({
      authenticate(context) {
        if (context.method === "password" && context.password === "geheim") {
          context.reject(["keyboard-interactive"], true);
        } else if (context.method === "keyboard-interactive") {
          context.prompt([{ prompt: "Code: ", echo: false }], "Second step", (answers) => {
            if (answers[0] === "123456") context.accept();
            else context.reject(["keyboard-interactive"]);
          });
        } else context.reject(["password"]);
      },
      shell(channel) {
        channel.write("welcome");
        channel.once("data", () => {
          channel.exit(7);
          channel.end();
        });
      },
    });
    await using bastion = await openTestBastion({ targets: [rig.target] });
    const env: CliEnv = { url: bastion.url, token: bastion.token, folder: bastion.folder };
    await using cli = cliInPty(["shell", "rig"], env);
    await cli.shows("Password for anna@");
    const asked = cli.screen().join("\n");
    expect(asked.match(/password/gi)).toHaveLength(1);
    expect(asked).toMatch(/Password for anna@\S+:/);
    cli.type("falsch\r");
    await cli.shows("Permission denied, try again.");
    cli.type("geheim\r");
    await cli.shows("Second step");
    await cli.shows("Code:");
    cli.type("123456\r");
    await cli.shows("welcome");
    cli.type("x");
    const { code, terminal } = await cli.over();
    expect(code).toBe(7);
    cooked(terminal);
    expect(cli.raw()).not.toMatch(/falsch|geheim|123456/);
  });

  it("gives a login up at Ctrl-C", async () => {
    await using rig = await openSshRig({ authenticate: (context) => context.reject(["password"]) });
    await using bastion = await openTestBastion({ targets: [rig.target] });
    const env: CliEnv = { url: bastion.url, token: bastion.token, folder: bastion.folder };
    await using cli = cliInPty(["shell", "rig"], env);
    await cli.shows("Password for anna@");
    cli.type("halb\x03");
    const { code, terminal } = await cli.over();
    expect(code).toBe(130);
    cooked(terminal);
    expect(cli.raw()).not.toContain("halb");
  });
});
