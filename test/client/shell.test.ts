import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import type { AttachmentEvent } from "../../proto/client/events.ts";
import { faultOf } from "../../proto/client/faults.ts";
import { openShell, type ShellOptions } from "../../proto/client/shell.ts";
import { FaultSchema } from "../../proto/gen/bartizan/v1/access_pb.ts";
import type { ShellRequest } from "../../proto/gen/bartizan/v1/session_pb.ts";
import { bytes, exited, keyFrame, kicked, output, scriptedShells, started, text } from "./scripted-sessions.ts";

const options: ShellOptions = {
  open: { target: "demo" },
  size: { cols: 80, rows: 24 },
  acks: true,
  random: () => 0,
};

async function next(requests: AsyncIterator<ShellRequest>): Promise<ShellRequest["event"]> {
  const { value, done } = await requests.next();
  if (done) throw new Error("the client closed its side");
  return value.event;
}

async function collect(events: AsyncIterable<AttachmentEvent>): Promise<AttachmentEvent[]> {
  const all: AttachmentEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

const shown = (events: AttachmentEvent[]) =>
  events.map((event) => (event.kind === "output" || event.kind === "key-frame" ? text(event.bytes) : event.kind));

const lost = () => new ConnectError("read ECONNRESET", Code.Aborted);

describe("a shell that lost its connection", () => {
  it("comes back by itself after the last byte it has", async () => {
    let asked: ShellRequest["event"] | undefined;
    const client = scriptedShells(
      async function* () {
        yield started(0);
        yield output(0, "abc");
        throw lost();
      },
      async function* (requests) {
        asked = await next(requests);
        yield started(3, true);
        yield output(3, "def");
        yield exited(0);
      },
    );
    const events = await collect(openShell(client, options).events);
    expect(shown(events)).toEqual(["started", "abc", "reconnecting", "reconnected", "def", "ended"]);
    expect(asked).toMatchObject({
      case: "start",
      value: { shell: { case: "reattach", value: { sessionId: "n1-abc", from: { epoch: "e1", offset: 3n } } } },
    });
  });

  it("shows each byte once where the resumed output overlaps", async () => {
    const client = scriptedShells(
      async function* () {
        yield started(0);
        yield output(0, "abcdef");
        throw lost();
      },
      async function* () {
        yield started(2, true);
        yield output(2, "cd");
        yield output(4, "efgh");
        yield exited(0);
      },
    );
    const all = await collect(openShell(client, options).events);
    expect(shown(all)).toEqual(["started", "abcdef", "reconnecting", "reconnected", "gh", "ended"]);
  });

  it("cuts output that it has shown already", async () => {
    const client = scriptedShells(async function* () {
      yield started(0);
      yield output(0, "abcdef");
      yield output(2, "cd");
      yield output(4, "efgh");
      yield exited(0);
    });
    expect(shown(await collect(openShell(client, options).events))).toEqual(["started", "abcdef", "gh", "ended"]);
  });

  it("asks for the whole screen when output is missing", async () => {
    let asked: ShellRequest["event"] | undefined;
    const client = scriptedShells(
      async function* () {
        yield started(0);
        yield output(0, "abc");
        yield output(9, "late");
      },
      async function* (requests) {
        asked = await next(requests);
        yield started(13);
        yield keyFrame(13, "screen");
        yield exited(0);
      },
    );
    const events = await collect(openShell(client, options).events);
    expect(shown(events)).toEqual(["started", "abc", "reconnecting", "reconnected", "screen", "ended"]);
    expect(asked).toMatchObject({ value: { shell: { case: "reattach", value: { sessionId: "n1-abc" } } } });
    expect(asked?.case === "start" && asked.value.shell.case === "reattach" && asked.value.shell.value.from).toBe(
      undefined,
    );
  });

  it("throws input typed while away, and says how much", async () => {
    let connectedAgain = () => {};
    const gate = new Promise<void>((resolve) => {
      connectedAgain = resolve;
    });
    const input: string[] = [];
    const client = scriptedShells(
      async function* () {
        yield started(0);
        throw lost();
      },
      async function* (requests) {
        await next(requests);
        await gate;
        yield started(0, true);
        const event = await next(requests);
        if (event.case === "input") input.push(text(event.value));
        yield exited(0);
      },
    );
    await using shell = openShell(client, options);
    for await (const event of shell.events) {
      if (event.kind === "reconnecting") {
        expect(await shell.write(bytes("rm -rf x\r"))).toBe(false);
        connectedAgain();
      }
      if (event.kind === "reconnected") {
        expect(event.discardedBytes).toBe(9);
        expect(await shell.write(bytes("ok"))).toBe(true);
      }
    }
    expect(input).toEqual(["ok"]);
  });

  it("gives up when the grace time is over, with the error of the last attempt", async () => {
    const client = scriptedShells(
      async function* () {
        yield started(0, false, 0);
        throw lost();
      },
      // biome-ignore lint/correctness/useYield: an attempt that fails
      async function* () {
        throw new ConnectError("still away", Code.Unavailable);
      },
      // biome-ignore lint/correctness/useYield: an attempt that fails
      async function* () {
        throw new ConnectError("gone", Code.Unavailable);
      },
    );
    const events = collect(openShell(client, { ...options, keepTryingMs: 100 }).events);
    await expect(events).rejects.toThrow("still away");
  });

  it("does not come back when told not to", async () => {
    const client = scriptedShells(async function* () {
      yield started(0);
      throw lost();
    });
    await expect(collect(openShell(client, { ...options, reconnect: false }).events)).rejects.toThrow("ECONNRESET");
  });

  it("counts a server that stays silent as lost", async () => {
    const client = scriptedShells(
      async function* () {
        yield started(0);
        throw lost();
      },
      async function* (_requests, context) {
        await new Promise((resolve) => context.signal.addEventListener("abort", resolve));
      },
      async function* () {
        yield started(0, true);
        yield exited(0);
      },
    );
    const events = await collect(openShell(client, { ...options, firstMessageMs: 30 }).events);
    expect(events.map((event) => event.kind)).toEqual([
      "started",
      "reconnecting",
      "reconnecting",
      "reconnected",
      "ended",
    ]);
  });
});

describe("a shell that is over", () => {
  it("stays over after a kick", async () => {
    const client = scriptedShells(async function* () {
      yield started(0);
      yield kicked("ann", "policy");
    });
    const events = await collect(openShell(client, options).events);
    expect(events.at(-1)).toMatchObject({ kind: "ended", cause: { kind: "kicked", by: "ann", reason: "policy" } });
  });

  it.each([Code.NotFound, Code.PermissionDenied, Code.Unauthenticated, Code.InvalidArgument, Code.FailedPrecondition])(
    "does not try again after code %i",
    async (code) => {
      const client = scriptedShells(
        async function* () {
          yield started(0);
          throw lost();
        },
        // biome-ignore lint/correctness/useYield: a refusal
        async function* () {
          throw new ConnectError("no", code);
        },
      );
      const failed = await collect(openShell(client, options).events).catch(faultOf);
      expect(failed).toMatchObject({ code });
    },
  );

  it("does not try again after an answer of the server, even one that looks like a broken line", async () => {
    const detail = { desc: FaultSchema, value: { word: "keyboard-taken", hint: "Ask ann." } };
    const client = scriptedShells(
      async function* () {
        yield started(0);
        throw lost();
      },
      // biome-ignore lint/correctness/useYield: a refusal
      async function* () {
        throw new ConnectError("ann types", Code.Aborted, undefined, [detail]);
      },
    );
    const failed = await collect(openShell(client, options).events).catch(faultOf);
    expect(failed).toMatchObject({ word: "keyboard-taken", hint: "Ask ann.", message: "ann types" });
  });

  it("never began when the first call failed: nothing is retried", async () => {
    // biome-ignore lint/correctness/useYield: a refusal
    const client = scriptedShells(async function* () {
      throw new ConnectError("target down", Code.Unavailable);
    });
    await expect(collect(openShell(client, options).events)).rejects.toThrow("target down");
  });
});

describe("what a shell sends", () => {
  it("gathers acks: one per 32 KiB, and one when the output pauses", async () => {
    const acks: bigint[] = [];
    const client = scriptedShells(async function* (requests) {
      await next(requests);
      yield started(0);
      for (let at = 0; at < 40; at += 1) yield output(at * 1024, "x".repeat(1024));
      while (acks.at(-1) !== 40_960n) {
        const event = await next(requests);
        if (event.case === "ack") acks.push(event.value.offset);
      }
      yield exited(0);
    });
    await using shell = openShell(client, options);
    for await (const event of shell.events) if (event.kind === "output") shell.ack(event.offset + event.bytes.length);
    expect(acks.length).toBeLessThanOrEqual(4);
    expect(acks.at(-1)).toBe(40_960n);
    expect(acks.every((ack, at) => at === 0 || ack > (acks[at - 1] ?? 0n))).toBe(true);
  });

  it("lets only its bound of input wait, in messages of at most 32 KiB, in order", async () => {
    let read = () => {};
    const gate = new Promise<void>((resolve) => {
      read = resolve;
    });
    const got: number[] = [];
    let first = 0;
    const client = scriptedShells(async function* (requests) {
      await next(requests);
      yield started(0);
      await gate;
      for (let total = 0; total < 500_000; ) {
        const event = await next(requests);
        if (event.case !== "input") continue;
        if (total === 0) first = event.value[0] ?? 0;
        got.push(event.value.length);
        total += event.value.length;
        yield { event: { case: "inputTaken", value: { bytes: BigInt(total) } } };
      }
      yield exited(0);
    });
    await using shell = openShell(client, { ...options, inputLimitBytes: 100_000 });
    let accepted = false;
    let written: Promise<boolean> | undefined;
    for await (const event of shell.events) {
      if (event.kind !== "started") continue;
      written = shell.write(new Uint8Array(500_000).fill(7));
      written.then(() => {
        accepted = true;
      });
      await new Promise((resolve) => setImmediate(resolve));
      expect(accepted).toBe(false);
      read();
    }
    expect(await written).toBe(true);
    expect(first).toBe(7);
    expect(Math.max(...got)).toBeLessThanOrEqual(32_768);
    expect(got.reduce((sum, length) => sum + length, 0)).toBe(500_000);
  });

  it("keeps at most 256 KiB under way that the target has not taken over, and acks go past it", async () => {
    let under = 0;
    let ackSeen = false;
    const client = scriptedShells(async function* (requests) {
      await next(requests);
      yield started(0);
      yield output(0, "x".repeat(20_000));
      for (let event = await next(requests); !ackSeen; event = await next(requests)) {
        if (event.case === "input") under += event.value.length;
        if (event.case === "ack") {
          ackSeen = true;
          break;
        }
      }
      yield exited(0);
    });
    await using shell = openShell(client, { ...options, inputLimitBytes: 1_000_000 });
    for await (const event of shell.events) {
      if (event.kind === "started") void shell.write(new Uint8Array(900_000));
      if (event.kind === "output") setTimeout(() => shell.ack(20_000), 50);
    }
    expect(ackSeen).toBe(true);
    expect(under).toBeLessThanOrEqual(262_144 + 32_768);
  });

  it("closes its side after the last byte of input", async () => {
    const got: string[] = [];
    const client = scriptedShells(async function* (requests) {
      await next(requests);
      yield started(0);
      for (let item = await requests.next(); !item.done; item = await requests.next()) {
        if (item.value.event.case === "input") got.push(text(item.value.event.value));
      }
      yield exited(3);
    });
    await using shell = openShell(client, { ...options, acks: false });
    void shell.write(bytes("one "));
    void shell.write(bytes("two"));
    shell.endInput();
    const events = await collect(shell.events);
    expect(got.join("")).toBe("one two");
    expect(events.at(-1)).toMatchObject({ kind: "ended", cause: { kind: "exited", code: 3 } });
  });

  it("hangs up also when the wish came while the line was away", async () => {
    const said: (string | undefined)[] = [];
    const client = scriptedShells(
      async function* () {
        yield started(0);
        throw lost();
      },
      async function* (requests) {
        await next(requests);
        said.push((await next(requests)).case);
        yield started(0, true);
        yield { event: { case: "ended", value: { cause: { case: "closed", value: { reason: 1 } } } } };
      },
    );
    await using shell = openShell(client, options);
    let last: AttachmentEvent | undefined;
    for await (const event of shell.events) {
      if (event.kind === "reconnecting") shell.hangUp();
      last = event;
    }
    expect(said).toEqual(["hangUp"]);
    expect(last).toMatchObject({ kind: "ended", cause: { kind: "closed", why: "operator" } });
  });
});
