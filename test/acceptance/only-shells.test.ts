/** A23: one pty with a shell is all there is between bastion and target, from either side; no byte goes another way. */
import { once } from "node:events";
import { connect } from "node:net";
import type { Connection, ServerChannel } from "ssh2";
import { expect, test } from "vitest";
import { openDemo } from "../../server/target/demo.ts";
import { dialSsh } from "../../server/target/ssh.ts";
import { ssh2 } from "../../server/target/ssh-library.ts";
import type { Target } from "../../server/target/target.ts";
import { contractMethods, pathOf } from "../support/contract.ts";
import { open, operator, reader } from "../support/dialing.ts";
import { openSshRig } from "../support/hostile-ssh.ts";
import { until } from "../support/until.ts";

type Ask = (done: (error: unknown) => void) => void;

/** What became of a request for a channel: "refused", or that it was opened. */
function outcome(ask: Ask): Promise<string> {
  return new Promise((resolve) => {
    try {
      ask((error) => resolve(error === undefined || error === null ? "opened" : "refused"));
    } catch {
      resolve("refused");
    }
  });
}

test("a target is asked for a terminal, one variable and a shell, and for nothing else", async () => {
  const requests: string[] = [];
  await using rig = await openSshRig({
    authenticate(context, connection) {
      context.accept();
      connection.on("request", (_accept, reject, name) => {
        requests.push(`global ${name}`);
        reject?.();
      });
      for (const event of ["tcpip", "openssh.streamlocal"])
        (connection as { on(name: string, call: () => void): void }).on(event, () => requests.push(event));
    },
    session(session) {
      requests.push("session");
      const events = ["pty", "window-change", "shell", "exec", "subsystem", "sftp", "x11", "auth-agent", "signal"];
      for (const event of events)
        (session as { on(name: string, call: () => void): void }).on(event, () => requests.push(event));
      session.on("env", (_accept, _reject, { key }) => requests.push(`env ${key}`));
    },
    shell: (channel) => channel.write("ready"),
  });
  await using channel = await open(dialSsh, rig.target);
  const read = reader(channel);
  await read.until("ready");
  channel.resize({ cols: 100, rows: 30 });
  await channel.write(Buffer.from("~#\n~.\n")); // escapes of OpenSSH's client, which asks for channels by them
  await until(() => requests.includes("window-change"), "the new size arrives");
  expect(new Set(requests)).toEqual(new Set(["session", "pty", "env LANG", "shell", "window-change"]));
  expect(requests.filter((each) => each === "session")).toHaveLength(1);
});

test("a target that asks for channels back gets none, and its shell goes on", async () => {
  const seen: Record<string, string> = {};
  const tried = Promise.withResolvers<void>();
  await using rig = await openSshRig({
    async shell(channel: ServerChannel, connection: Connection) {
      const server = connection as Connection & {
        openssh_authAgent?(done: (error: unknown) => void): void;
        openssh_forwardOutStreamLocal(path: string, done: (error: unknown) => void): void;
      };
      seen.forwarded = await outcome((done) => server.forwardOut("127.0.0.1", 22, "10.0.0.1", 1, done));
      seen.x11 = await outcome((done) => server.x11("10.0.0.1", 6000, done));
      seen.streamLocal = await outcome((done) => server.openssh_forwardOutStreamLocal("/tmp/x", done));
      seen.agent = await outcome((done) => server.openssh_authAgent?.(done) ?? done("there is no way to ask"));
      channel.write("still here");
      tried.resolve();
    },
  });
  await using channel = await open(dialSsh, rig.target);
  await tried.promise;
  expect(seen).toEqual({ forwarded: "refused", x11: "refused", streamLocal: "refused", agent: "refused" });
  await reader(channel).until("still here");
});

test("no call of the contract carries a command, a file or a connection to a target", async () => {
  const methods = await contractMethods();
  const toTargets = methods.filter(
    ({ methodKind }) => methodKind === "bidi_streaming" || methodKind === "client_streaming",
  );
  expect(toTargets.map(pathOf)).toEqual(["/bartizan.v1.SessionService/Shell"]);
  const words = /exec|subsystem|sftp|forward|tunnel|upload|scp|command_line/i;
  expect(
    toTargets.flatMap(({ input }) => input.fields.map(({ name }) => name)).filter((name) => words.test(name)),
  ).toEqual([]);
});

test("the demo's own SSH server gives its one key a shell, and no command, file or connection", async () => {
  const life = new AbortController();
  await using demo = await openDemo(life.signal);
  const client = await loggedIn(demo.target);
  try {
    expect(await outcome((done) => client.exec("id", (error) => done(error)))).toBe("refused");
    expect(await outcome((done) => client.sftp((error) => done(error)))).toBe("refused");
    expect(await outcome((done) => client.subsys("netconf", (error) => done(error)))).toBe("refused");
    expect(await outcome((done) => client.forwardOut("127.0.0.1", 1, "127.0.0.1", 22, (error) => done(error)))).toBe(
      "refused",
    );
    expect(await outcome((done) => client.forwardIn("127.0.0.1", 0, (error) => done(error)))).toBe("refused");
    expect(await outcome((done) => client.openssh_forwardOutStreamLocal("/tmp/x", (error) => done(error)))).toBe(
      "refused",
    );
    const shell = { x11: true, agentForward: false } as never;
    expect(await outcome((done) => client.shell({ term: "xterm" }, shell, (error) => done(error)))).toBe("refused");
  } finally {
    client.end();
    await once(client, "close");
  }
  // Another key is not let in, and no password either.
  const ask = operator(() => ({ accepted: true, answers: ["guess"] }));
  const stranger = { ...demo.target, credentials: {} };
  await expect(open(dialSsh, stranger, ask)).rejects.toMatchObject({ word: "login-refused" });
});

async function loggedIn({ port, user, credentials }: Target) {
  const client = new ssh2.Client();
  const sock = connect(port, "127.0.0.1");
  client.connect({ sock, username: user, privateKey: credentials.keyText?.reveal() ?? "", hostVerifier: () => true });
  await once(client, "ready");
  return client;
}
