/** Logins: what the server lists decides what is tried, in any number of steps, and no secret shows up anywhere. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import type { AuthContext, KeyboardAuthContext } from "ssh2";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { kdfRounds } from "../../server/target/key-file.ts";
import { dialSsh } from "../../server/target/ssh.ts";
import type { Question } from "../../server/target/target.ts";
import { open, operator, reader } from "../support/dialing.ts";
import { openSshRig } from "../support/hostile-ssh.ts";
import { makeKey, openSshd, type Sshd } from "../support/sshd.ts";

const secret = "correct horse 7";
const answering = (...answers: string[]) => operator(() => ({ accepted: true, answers }));
const label = (question: Question | undefined) =>
  question?.kind === "host-key" ? "" : (question?.questions[0]?.label ?? "");

describe("a login by key", () => {
  let sshd: Sshd;
  let folder: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "bartizan-keys-"));
    const own = join(folder, "authorized");
    const locked = makeKey(join(folder, "locked"), "ed25519", secret);
    const rsa = makeKey(join(folder, "rsa"), "rsa");
    writeFileSync(own, `${locked}\n${rsa}\n`);
    sshd = await openSshd({ config: [`AuthorizedKeysFile ${own}`] });
  });
  afterAll(async () => {
    await sshd[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  test("an RSA key works, by SHA-2", async () => {
    await using channel = await open(dialSsh, { ...sshd.target, credentials: { keyFile: join(folder, "rsa") } });
    expect(channel).toBeDefined();
  });

  test("an encrypted key asks for its passphrase, again when it was wrong, three times at most", async () => {
    const target = { ...sshd.target, credentials: { keyFile: join(folder, "locked") } };
    let tries = 0;
    const ask = operator(() => ({ accepted: true, answers: [++tries === 1 ? "wrong" : secret] }));
    await using channel = await open(dialSsh, target, ask);
    expect(channel).toBeDefined();
    expect(ask.asked).toMatchObject([
      { kind: "password", title: expect.stringContaining("Passphrase") },
      { kind: "password" },
    ]);
    await expect(open(dialSsh, target, answering("wrong"))).rejects.toMatchObject({ word: "login-refused" });
  });

  test("a key the target does not know: refused, with what it allows and what was tried", async () => {
    const stranger = join(folder, "stranger");
    makeKey(stranger, "ed25519");
    await expect(open(dialSsh, { ...sshd.target, credentials: { keyFile: stranger } })).rejects.toMatchObject({
      word: "login-refused",
      message: expect.stringMatching(/allows publickey.*tried: key/),
    });
  });

  test("a missing, a huge and a foreign key file, and one that asks for a thousand rounds: configuration faults", async () => {
    const huge = join(folder, "huge");
    writeFileSync(huge, "");
    truncateSync(huge, 10_000_000);
    const foreign = join(folder, "foreign");
    writeFileSync(foreign, "hello");
    const slow = join(folder, "slow");
    makeKey(slow, "ed25519", secret);
    spawnSync("ssh-keygen", ["-q", "-p", "-a", "100", "-P", secret, "-N", secret, "-f", slow]);
    for (const keyFile of [join(folder, "missing"), huge, foreign, slow, folder]) {
      await expect(open(dialSsh, { ...sshd.target, credentials: { keyFile } })).rejects.toMatchObject({
        word: "config",
      });
    }
    expect(kdfRounds(Buffer.from("junk"))).toBe(0);
  });

  test("an agent logs in with the key that fits, though others come first; an agent that is not there is said", async () => {
    const socket = join(folder, "agent.sock");
    const agent = spawn("ssh-agent", ["-D", "-a", socket], { stdio: ["ignore", "pipe", "ignore"] });
    try {
      await once(agent.stdout, "data");
      const first = join(folder, "first");
      makeKey(first, "ed25519");
      for (const file of [first, join(folder, "rsa")]) {
        const added = spawnSync("ssh-add", [file], {
          env: { SSH_AUTH_SOCK: socket, PATH: "/usr/bin:/bin" },
          encoding: "utf8",
        });
        expect(added.status, added.stderr).toBe(0);
      }
      await using channel = await open(dialSsh, { ...sshd.target, credentials: { agentSocket: socket } });
      expect(channel).toBeDefined();
      await using steps = await openSshd({
        config: ["AuthenticationMethods publickey,publickey", `AuthorizedKeysFile ${join(folder, "both")}`],
      });
      writeFileSync(
        join(folder, "both"),
        spawnSync("ssh-add", ["-L"], { env: { SSH_AUTH_SOCK: socket, PATH: "/usr/bin:/bin" } }).stdout,
      );
      await using twice = await open(dialSsh, { ...steps.target, credentials: { agentSocket: socket } });
      expect(twice).toBeDefined();
    } finally {
      agent.kill();
      await once(agent, "exit");
    }
    const gone = open(dialSsh, { ...sshd.target, credentials: { agentSocket: join(folder, "nowhere") } });
    await expect(gone).rejects.toMatchObject({ word: "target-agent" });
  });
});

describe.runIf(process.getuid?.() === 0)("a login by password at a real sshd", () => {
  let sshd: Sshd;
  beforeAll(async () => {
    sshd = await openSshd({
      users: [{ name: "bzanna", password: secret }],
      config: ["KbdInteractiveAuthentication no"],
    });
  });
  afterAll(() => sshd[Symbol.asyncDispose]());

  test("a password is asked for, and lets in", async () => {
    const ask = answering(secret);
    await using channel = await open(dialSsh, { ...sshd.target, user: "bzanna", credentials: {} }, ask);
    const read = reader(channel);
    await channel.write(Buffer.from("whoami; exit\n"));
    expect((await read.rest()).toString()).toContain("bzanna");
    expect(ask.asked).toMatchObject([{ kind: "password", questions: [{ echo: false }] }]);
  });

  test("a wrong password is asked for three times, then refused; it stands in no fault", async () => {
    const wrong = "hunter2 is wrong";
    const ask = answering(wrong);
    const fault = await open(dialSsh, { ...sshd.target, user: "bzanna", credentials: {} }, ask).catch((error) => error);
    expect(fault).toMatchObject({ word: "login-refused" });
    expect(inspect(fault, { depth: 20, showHidden: true })).not.toContain(wrong);
    expect(ask.asked).toHaveLength(3);
    expect(ask.asked[1]).toMatchObject({ instructions: expect.stringContaining("try again") });
  });

  test("not answering gives the login up", async () => {
    await expect(open(dialSsh, { ...sshd.target, user: "bzanna", credentials: {} }, operator())).rejects.toMatchObject({
      word: "login-abandoned",
    });
  });

  test("PAM's own question comes through keyboard-interactive", async () => {
    await using pam = await openSshd({
      users: [{ name: "bzanna", password: secret }],
      config: ["KbdInteractiveAuthentication yes", "AuthenticationMethods keyboard-interactive"],
    });
    const ask = answering(secret);
    await using channel = await open(dialSsh, { ...pam.target, user: "bzanna", credentials: {} }, ask);
    expect(channel).toBeDefined();
    expect(ask.asked[0]?.kind).toBe("keyboard-interactive");
    expect(label(ask.asked[0])).toMatch(/password/i);
  });

  test("key and password, one after the other", async () => {
    await using mfa = await openSshd({
      users: [{ name: "bzanna", password: secret }],
      config: ["AuthenticationMethods publickey,password"],
    });
    const ask = answering(secret);
    await using channel = await open(dialSsh, { ...mfa.target, user: "bzanna" }, ask);
    expect(channel).toBeDefined();
    expect(ask.asked).toHaveLength(1);
  });
});

describe("a login at servers of all kinds", () => {
  const keyboard = (script: (context: KeyboardAuthContext) => void) => (context: AuthContext) => {
    if (context.method === "keyboard-interactive") script(context);
    else context.reject(["keyboard-interactive"]);
  };

  test("several questions in one round, and several rounds: every answer arrives in its place", async () => {
    const got: string[][] = [];
    await using rig = await openSshRig({
      authenticate: keyboard((context) => {
        const two = [
          { prompt: "Name:", echo: true },
          { prompt: "PIN:", echo: false },
        ];
        context.prompt(two, "Door", "Say who you are", (first) => {
          got.push(first);
          context.prompt([{ prompt: "Code:", echo: false }], (second) => {
            got.push(second);
            context.accept();
          });
        });
      }),
    });
    const ask = operator((question) => ({
      accepted: true,
      answers: question.kind === "host-key" ? [] : question.questions.map(({ label }) => `<${label}>`),
    }));
    await using channel = await open(dialSsh, rig.target, ask);
    expect(channel).toBeDefined();
    expect(got).toEqual([["<Name:>", "<PIN:>"], ["<Code:>"]]);
    expect(ask.asked[0]).toMatchObject({
      title: "Door",
      instructions: "Say who you are",
      questions: [{ echo: true }, { echo: false }],
    });
  });

  test("a text without a question is told to the operator, control characters made visible", async () => {
    await using rig = await openSshRig({
      authenticate: keyboard((context) => {
        context.prompt([], "Duo", "Approve on\nyour \u001b[31mphone", () => context.accept());
      }),
    });
    const ask = operator();
    await using channel = await open(dialSsh, rig.target, ask);
    expect(channel).toBeDefined();
    expect(ask.told).toEqual([{ about: "info", text: "Duo\nApprove on\nyour \\u001b[31mphone" }]);
  });

  test("a server that tells without end is left", async () => {
    await using rig = await openSshRig({
      authenticate: keyboard((context) => {
        const again = () => context.prompt([], "again", "and again", again);
        again();
      }),
    });
    await expect(open(dialSsh, rig.target)).rejects.toMatchObject({ word: "target-protocol" });
  });

  test("too few answers do not break anything", async () => {
    await using rig = await openSshRig({
      authenticate: keyboard((context) => {
        context.prompt(
          [
            { prompt: "A", echo: true },
            { prompt: "B", echo: true },
          ],
          ([a, b]) => {
            if (a === "only" && b === "") context.accept();
            else context.reject();
          },
        );
      }),
    });
    await using channel = await open(dialSsh, rig.target, answering("only"));
    expect(channel).toBeDefined();
  });

  test("an expired password is changed with a new one, said twice", async () => {
    const seen: string[] = [];
    await using rig = await openSshRig({
      authenticate: (context) => {
        if (context.method !== "password") context.reject(["password"]);
        else if (context.password === secret) {
          context.requestChange("It has expired.", (fresh) => {
            seen.push(String(fresh));
            context.accept();
          });
        } else context.reject(["password"]);
      },
    });
    const ask = operator((question) => ({
      accepted: true,
      answers: question.kind === "new-password" ? ["fresh", "fresh"] : [secret],
    }));
    await using channel = await open(dialSsh, rig.target, ask);
    expect(channel).toBeDefined();
    expect(seen).toEqual(["fresh"]);
    expect(ask.asked[1]).toMatchObject({ kind: "new-password", instructions: "It has expired." });
  });

  test("a banner is told as a banner", async () => {
    await using sshd = await openSshd();
    writeFileSync(join(sshd.folder, "banner"), "Welcome\u0007\n");
    await using loud = await openSshd({ config: [`Banner ${join(sshd.folder, "banner")}`] });
    const ask = operator();
    await using channel = await open(dialSsh, loud.target, ask);
    expect(channel).toBeDefined();
    expect(ask.told[0]?.about).toBe("banner");
    expect(ask.told[0]?.text).toMatch(/Welcome/);
    expect(ask.told[0]?.text).not.toContain("\u0007");
  });
});
