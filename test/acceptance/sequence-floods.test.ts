/**
 * A20: sequences without end, titles and colours without number, and parameters without measure cost the server no memory
 * and no time, and are recorded to the byte. What they do to pages is in test/page/hostile-output.test.ts.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import type { ServerChannel } from "ssh2";
import { expect, test } from "vitest";
import { bearer, type Clients, createClients, openShell, openWatch } from "../../proto/client/index.ts";
import { createNodeTransport } from "../../proto/client/node-transport.ts";
import { openSshRig } from "../support/hostile-ssh.ts";
import { onlyCast } from "../support/recordings-of.ts";
import { openServed } from "../support/served.ts";

const mebibyte = 1024 * 1024;
/** Piece by piece: what is printed is never whole in memory. */
const floods: Readonly<Record<string, () => Iterable<Buffer>>> = {
  "an OSC of 100 MB that never ends": function* () {
    yield Buffer.from("\x1b]0;");
    for (let piece = 0; piece < 100; piece += 1) yield Buffer.alloc(mebibyte, "x");
  },
  "a DCS and an APC without end": function* () {
    for (const begin of ["\x1bP", "\x1b_", "\x1b^", "\x1bX"]) {
      yield Buffer.from(begin);
      for (let piece = 0; piece < 4; piece += 1) yield Buffer.alloc(mebibyte, "q");
      yield Buffer.from("\x1b\\");
    }
  },
  "a million titles": function* () {
    for (let piece = 0; piece < 1_000; piece += 1) yield Buffer.from("\x1b]2;title\x07".repeat(1_000));
  },
  "a million colours": function* () {
    for (let piece = 0; piece < 1_000; piece += 1) yield Buffer.from("\x1b[31m\x1b[0m".repeat(500));
  },
  "counts, parameters and colons beyond measure": function* () {
    for (let piece = 0; piece < 200; piece += 1) {
      yield Buffer.from(`\x1b[${"9;".repeat(3_000)}m\x1b[${"4:3:".repeat(3_000)}m\x1b[2147483647S\x1b[99999999b`);
      yield Buffer.from(`\x1b[?${"1049;".repeat(500)}h\x1b[2147483647;2147483647H\x1b]8;;${"a".repeat(5_000)}\x07`);
    }
  },
};

test.each(Object.keys(floods))(
  "%s: the memory stays, others are answered, the recording is exact",
  {
    timeout: 120_000,
  },
  async (name) => {
    const hash = createHash("sha256");
    let sentBytes = 0;
    const print = async (channel: ServerChannel) => {
      for (const piece of floods[name]?.() ?? []) {
        hash.update(piece);
        sentBytes += piece.length;
        if (!channel.write(piece)) await new Promise((resolve) => channel.once("drain", resolve));
      }
      channel.exit(0);
      channel.end();
    };
    await using rig = await openSshRig({ shell: (channel) => void print(channel) });
    const target = `{ name: web1, host: 127.0.0.1, port: ${rig.port}, hostKey: ${rig.target.hostKeys[0]} }`;
    await using served = await openServed(
      `listen: { port: 0 }\ndemo: false\nsshConfig: false\ntargets: [${target}]\n`,
      {
        flags: [],
      },
    );
    // Nothing floods this one: how long it takes is what the machine, and this process, take for anything.
    await using control = await openServed("listen: { port: 0 }\ndemo: false\nsshConfig: false\n");
    using quiet = createNodeTransport({ baseUrl: control.url, interceptors: [bearer(control.token)] });
    const timed = async ({ access }: Pick<Clients, "access">) => {
      const startedMs = performance.now();
      await access.whoAmI({});
      return performance.now() - startedMs;
    };
    using transport = createNodeTransport({ baseUrl: served.url, interceptors: [bearer(served.token)] });
    const { access, sessions } = createClients(transport);
    for (let round = 0; round < 20; round += 1) await access.whoAmI({});
    const restingBytes = served.rssBytes();
    let highestBytes = 0;
    let slowestMs = 0;
    let usualMs = 0;
    let over = false;
    const asking = (async () => {
      while (!over) {
        usualMs = Math.max(usualMs, await timed(createClients(quiet)));
        slowestMs = Math.max(slowestMs, await timed({ access }));
        highestBytes = Math.max(highestBytes, served.rssBytes());
      }
    })();
    let end: string | undefined;
    const watching: Promise<unknown>[] = [];
    await using shell = openShell(sessions, {
      ...{ size: { cols: 80, rows: 24 }, reconnect: false, acks: true },
      open: { target: "web1" },
    });
    for await (const event of shell.events) {
      if (event.kind === "output") shell.ack(event.offset + event.bytes.length);
      if (event.kind === "ended") end = event.cause.kind;
      if (event.kind !== "started") continue;
      const signal = new AbortController().signal;
      const events = openWatch(sessions, { sessionId: event.session.id, reconnect: false, signal });
      watching.push(
        (async () => {
          for await (const _ of events);
        })().catch(() => {}),
      );
    }
    over = true;
    await Promise.all([asking, ...watching]);
    expect(end).toBe("exited");
    expect(slowestMs).toBeLessThan(1_000 + usualMs);
    expect(highestBytes - restingBytes).toBeLessThan(150 * mebibyte);
    const { output } = onlyCast(join(served.folder, "state", "bartizan"));
    expect(output.length).toBe(sentBytes);
    expect(createHash("sha256").update(output).digest("hex")).toBe(hash.digest("hex"));
  },
);
