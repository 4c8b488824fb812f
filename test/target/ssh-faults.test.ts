/** What bad targets and bad networks do to a dial and to an open channel: a clear fault in time, and nothing left behind. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../server/flow/clock.ts";
import { createSshDial, dialSsh } from "../../server/target/ssh.ts";
import { eventually, open, operator, reader } from "../support/dialing.ts";
import { openFaultProxy } from "../support/fault-proxy.ts";
import { createHeldClock, passUntilSettled } from "../support/held-clock.ts";
import { openSshRig, openTcpRig, type Rig } from "../support/hostile-ssh.ts";
import { descendants, freePort, openSshd, type Sshd } from "../support/sshd.ts";

const impatient = createSshDial(systemClock, { handshakeMs: 300 });

describe("dialling", () => {
  const refusedBy = async (talk: Parameters<typeof openTcpRig>[0], dial = dialSsh) => {
    await using rig = await openTcpRig(talk);
    const fault = await open(dial, rig.target).then(
      () => undefined,
      (error) => error,
    );
    await gone(rig);
    return fault;
  };
  const gone = (rig: Rig) => eventually(() => rig.open === 0, "the connection is closed");

  test("a port where nothing listens: unreachable", async () => {
    await using rig = await openTcpRig(() => {});
    const target = { ...rig.target, port: await freePort() };
    await expect(open(dialSsh, target)).rejects.toMatchObject({ word: "target-unreachable" });
  });

  test("a name that does not exist: said so", async () => {
    await using rig = await openTcpRig(() => {});
    const fault = await open(dialSsh, { ...rig.target, host: "no-such-host.invalid" }).catch((error) => error);
    expect(["target-name-unknown", "target-unreachable"]).toContain(fault.word);
  });

  test("silence: a timeout, at the handshake's limit", async () => {
    expect(await refusedBy(() => {}, impatient)).toMatchObject({ word: "target-timeout" });
  });

  test("an identification and then silence: a timeout as well", async () => {
    const fault = await refusedBy((socket) => socket.write("SSH-2.0-Mute\r\n"), impatient);
    expect(fault).toMatchObject({ word: "target-timeout" });
  });

  test("an HTTP server: named as one", async () => {
    const fault = await refusedBy((socket) => {
      socket.once("data", () => socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"));
    });
    expect(fault).toMatchObject({ word: "target-protocol", message: expect.stringContaining("HTTP") });
  });

  test("closed at once: unreachable, with what that may mean", async () => {
    const fault = await refusedBy((socket) => socket.end());
    expect(fault).toMatchObject({ word: "target-unreachable" });
    expect(fault.hint).not.toBe("");
  });

  test("OpenSSH's penalty: full for now, not broken", async () => {
    const fault = await refusedBy((socket) => socket.end("Not allowed at this time\r\n"));
    expect(fault).toMatchObject({ word: "target-full" });
  });

  test("closed between identification and login: unreachable, and it settles", async () => {
    const fault = await refusedBy((socket) => {
      socket.write("SSH-2.0-Shy\r\n");
      socket.once("data", () => socket.end());
    });
    expect(fault).toMatchObject({ word: "target-unreachable" });
  });

  test("garbage, a flood of greeting, an identification of version 1: a protocol fault", async () => {
    const garbage = await refusedBy((socket) =>
      socket.write(Buffer.concat([Buffer.from("SSH-2.0-X\r\n"), Buffer.alloc(4_096, 0xff)])),
    );
    expect(garbage).toMatchObject({ word: "target-protocol" });
    const flood = await refusedBy((socket) => {
      const more = () => {
        while (!socket.destroyed && socket.write("hello there\r\n".repeat(1_000)));
      };
      socket.on("drain", more);
      more();
    });
    expect(flood).toMatchObject({ word: "target-protocol" });
    const old = await refusedBy((socket) => socket.write("SSH-1.5-old\r\n"));
    expect(old).toMatchObject({ word: "target-protocol" });
  });

  test("a reset in the handshake: unreachable", async () => {
    const fault = await refusedBy((socket) => {
      socket.once("data", () => socket.resetAndDestroy());
    });
    expect(fault).toMatchObject({ word: "target-unreachable" });
  });

  test("a server that knows group exchange only: refused at once, and the process never stands still", async () => {
    await using sshd = await openSshd({ config: ["KexAlgorithms diffie-hellman-group-exchange-sha256"] });
    // Of the processor, not by the clock: others may have it meanwhile. The check of a prime takes seconds of it.
    const before = process.threadCpuUsage();
    await expect(open(dialSsh, sshd.target)).rejects.toMatchObject({ word: "target-unsupported" });
    expect(process.threadCpuUsage(before).user / 1000).toBeLessThan(500);
  });

  test("no pty, no shell: each its own word", async () => {
    await using noPty = await openSshRig({ noPty: true });
    await expect(open(dialSsh, noPty.target)).rejects.toMatchObject({ word: "target-no-terminal" });
    await using noShell = await openSshRig({ noShell: true });
    await expect(open(dialSsh, noShell.target)).rejects.toMatchObject({ word: "target-forbids" });
    await gone(noPty);
    await gone(noShell);
  });

  test("aborted while the server is silent, and while a question is open: the signal's reason, the connection closed", async () => {
    const reason = new Error("enough");
    const connected = Promise.withResolvers<void>();
    await using mute = await openTcpRig(() => connected.resolve());
    const life = new AbortController();
    const dialling = open(dialSsh, mute.target, operator(), life.signal);
    await connected.promise;
    life.abort(reason);
    await expect(dialling).rejects.toBe(reason);
    await gone(mute);

    const second = new AbortController();
    await using rig = await openSshRig({
      authenticate: (context) => (context.method === "password" ? context.accept() : context.reject(["password"])),
    });
    const ask = operator((_question, signal) => {
      second.abort(reason);
      return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    });
    await expect(open(dialSsh, rig.target, ask, second.signal)).rejects.toBe(reason);
    await gone(rig);
  });

  test("a question nobody answers gives the login up; the time it is open does not count for the handshake", async () => {
    await using sshd = await openSshd();
    const clock = createHeldClock();
    const dial = createSshDial(clock, { handshakeMs: 300, promptMs: 1_000 });
    const asked = Promise.withResolvers<void>();
    const ask = operator(() => {
      asked.resolve();
      return new Promise(() => {});
    });
    const end = open(dial, { ...sshd.target, hostKeys: [] }, ask).catch((error) => error);
    await asked.promise;
    clock.pass(1_000);
    expect(await end).toMatchObject({ word: "login-abandoned" });
  });

  test("an identification that comes byte by byte is understood", async () => {
    await using sshd = await openSshd();
    await using proxy = await openFaultProxy(sshd.port, { chopBytes: 1 });
    await using channel = await open(dialSsh, { ...sshd.target, port: proxy.port });
    expect(channel).toBeDefined();
  });
});

describe("an open channel", () => {
  let sshd: Sshd;
  beforeAll(async () => {
    sshd = await openSshd();
  });
  afterAll(() => sshd[Symbol.asyncDispose]());

  test("reset, or ended cleanly, by the network: lost, never an exit", async () => {
    for (const how of ["reset", "finish"] as const) {
      await using proxy = await openFaultProxy(sshd.port);
      await using channel = await open(dialSsh, { ...sshd.target, port: proxy.port });
      const read = reader(channel);
      await channel.write(Buffer.from("echo re''ady; yes\n"));
      await read.until("ready");
      proxy[how]();
      await read.rest();
      expect((await channel.done).kind).toBe("lost");
    }
  });

  test("half open: lost once nothing came for three probes, and hung up in time", async () => {
    const clock = createHeldClock();
    const dial = createSshDial(clock, { keepaliveMs: 100 });
    await using proxy = await openFaultProxy(sshd.port);
    const channel = await open(dial, { ...sshd.target, port: proxy.port });
    const read = reader(channel);
    await channel.write(Buffer.from("echo re''ady\n"));
    await read.until("ready");
    // Probes are answered while the line lives.
    for (let probe = 0; probe < 6; probe += 1) {
      const before = proxy.returnedBytes;
      await eventually(() => proxy.returnedBytes > before, "an answer to a probe");
      clock.pass(100);
    }
    await channel.write(Buffer.from("echo awa''ke\n"));
    await read.until("awake");
    proxy.freeze();
    await passUntilSettled(clock, read.rest());
    expect(await channel.done).toEqual({ kind: "lost", reason: "the target stopped answering" });
    await passUntilSettled(clock, channel[Symbol.asyncDispose]());
    await eventually(() => {
      proxy.poke();
      return proxy.open === 0;
    }, "the socket is closed");
  });

  test("a peer that never answers a FIN: hung up within 4 s, the socket closed", async () => {
    await using proxy = await openFaultProxy(sshd.port, { swallowFin: true });
    const clock = createHeldClock();
    const channel = await open(createSshDial(clock), { ...sshd.target, port: proxy.port });
    proxy.freeze();
    expect(await passUntilSettled(clock, channel[Symbol.asyncDispose]())).toBeLessThan(4_000);
    await eventually(() => {
      proxy.poke();
      return proxy.open === 0;
    }, "the socket is closed");
  });

  test("a target whose sshd is killed in the middle of output: lost", async () => {
    await using own = await openSshd();
    await using channel = await open(dialSsh, own.target);
    const read = reader(channel);
    await channel.write(Buffer.from("echo re''ady; yes\n"));
    await read.until("ready");
    for (const pid of descendants(own.pid)) process.kill(pid, "SIGKILL");
    await read.rest();
    expect((await channel.done).kind).toBe("lost");
  });

  test("a server that ignores the window is cut off, and other channels live on", async () => {
    await using rig = await openSshRig({
      shell(channel) {
        const { outgoing, _client: connection } = channel as unknown as {
          outgoing: { id: number };
          _client: { _protocol: { channelData(id: number, data: Buffer): void } };
        };
        for (let sent = 0; sent < 12_000_000; sent += 30_001)
          connection._protocol.channelData(outgoing.id, Buffer.alloc(30_001));
      },
    });
    await using honest = await open(dialSsh, sshd.target);
    await using channel = await open(dialSsh, rig.target);
    await eventually(() => rig.open === 0, "the cheat is cut off");
    await reader(channel).rest();
    expect(await channel.done).toEqual({ kind: "lost", reason: "the target ignored flow control" });
    await honest.write(Buffer.from("echo fi''ne\n"));
    await reader(honest).until("fine");
  });

  test("a backlog of packets of one byte arrives whole, in order, and costs little more than its bytes", async () => {
    const sent = Buffer.from(Array.from({ length: 200_000 }, (_, index) => index % 251));
    const said = Promise.withResolvers<void>();
    await using rig = await openSshRig({
      shell(channel) {
        const { outgoing, _client: connection } = channel as unknown as {
          outgoing: { id: number };
          _client: { _protocol: { channelData(id: number, data: Buffer): void } };
        };
        for (const byte of sent) connection._protocol.channelData(outgoing.id, Buffer.from([byte]));
        channel.exit(0);
        channel.end();
        said.resolve();
      },
    });
    await using channel = await open(dialSsh, rig.target);
    await said.promise;
    let chunks = 0;
    const got: Uint8Array[] = [];
    // The first packets go straight to the reader; what waits meanwhile is joined.
    await eventually(() => rig.open === 0, "everything has arrived");
    for await (const chunk of channel.output) {
      chunks++;
      got.push(chunk);
    }
    expect(Buffer.concat(got).equals(sent)).toBe(true);
    expect(chunks).toBeLessThan(100);
    expect(await channel.done).toEqual({ kind: "exited", code: 0 });
  });

  test("stderr that nobody asked for neither stalls nor fills anything", async () => {
    await using rig = await openSshRig({
      shell(channel) {
        channel.stderr.write(Buffer.alloc(8_000_000), () => {
          channel.write("after");
          channel.exit(7);
          channel.end();
        });
      },
    });
    await using channel = await open(dialSsh, rig.target);
    expect((await reader(channel).rest()).toString()).toBe("after");
    expect(await channel.done).toEqual({ kind: "exited", code: 7 });
  });

  test("closed without a status: lost, never 0", async () => {
    await using rig = await openSshRig({ shell: (channel) => channel.end("bye") });
    await using channel = await open(dialSsh, rig.target);
    expect((await reader(channel).rest()).toString()).toBe("bye");
    expect((await channel.done).kind).toBe("lost");
  });

  test("a status, and then the connection breaks in the middle of the output: lost, for bytes may be missing", async () => {
    await using rig = await openSshRig({
      shell(channel, connection) {
        channel.write("some of it");
        channel.exit(0);
        connection.end();
      },
    });
    await using channel = await open(dialSsh, rig.target);
    expect((await reader(channel).rest()).toString()).toBe("some of it");
    expect((await channel.done).kind).toBe("lost");
  });

  test("an exit and data in the very first packet are not missed", async () => {
    await using rig = await openSshRig();
    await using channel = await open(dialSsh, rig.target);
    expect((await reader(channel).rest()).toString()).toBe("hello");
    expect(await channel.done).toEqual({ kind: "exited", code: 0 });
  });
});
