/** A shell whose calls come to another node than the one that holds it. */
import { Code, ConnectError } from "@connectrpc/connect";
import { expect, it } from "vitest";
import type { AttachmentEvent } from "../../proto/client/events.ts";
import { openShell, type ShellOptions } from "../../proto/client/shell.ts";
import { FaultSchema } from "../../proto/gen/bartizan/v1/access_pb.ts";
import { exited, scriptedShells, started } from "./scripted-sessions.ts";

const options: ShellOptions = {
  open: { target: "demo" },
  size: { cols: 80, rows: 24 },
  acks: true,
  random: () => 0,
};

async function collect(events: AsyncIterable<AttachmentEvent>): Promise<AttachmentEvent[]> {
  const all: AttachmentEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

const lost = () => new ConnectError("read ECONNRESET", Code.Aborted);

it("a shell knocks for as long as its grace time when it comes to another node", async () => {
  const waits: number[] = [];
  const elsewhere = new ConnectError("on web1", Code.FailedPrecondition, undefined, [
    { desc: FaultSchema, value: { word: "not-here", answeredBy: "web2" } },
  ]);
  // biome-ignore lint/correctness/useYield: an attempt that fails
  const wrong = async function* () {
    throw elsewhere;
  };
  const client = scriptedShells(
    async function* () {
      yield started(0);
      throw lost();
    },
    ...Array.from({ length: 8 }, () => wrong),
    async function* () {
      yield started(0, true);
      throw lost();
    },
    async function* () {
      yield started(0, true);
      yield exited(0);
    },
  );
  const pause = async (ms: number) => void waits.push(ms);
  const events = await collect(openShell(client, { ...options, pause }).events);
  const kinds = events.map((event) => (event.kind === "reconnecting" ? event.fault.answeredBy : event.kind));
  const tries = ["", ...Array.from({ length: 8 }, () => "web2")];
  expect(kinds).toEqual(["started", ...tries, "reconnected", "", "reconnected", "ended"]);
  expect(waits.slice(0, 9)).toEqual([0, 125, 250, 500, 1000, 2000, 2500, 2500, 2500]);
});

it("a shell that the server says is over has its end told, and is not sought", async () => {
  const client = scriptedShells(
    async function* () {
      yield started(0);
      throw lost();
    },
    async function* () {
      yield exited(3);
    },
  );
  const events = await collect(openShell(client, options).events);
  expect(events.map(({ kind }) => kind)).toEqual(["started", "reconnecting", "ended"]);
});

it("a shell seeks its session from the first call on when asked to, and no other answer is waited for", async () => {
  const answers = (word: string) =>
    // biome-ignore lint/correctness/useYield: a refusal
    async function* () {
      throw new ConnectError(word, Code.FailedPrecondition, undefined, [{ desc: FaultSchema, value: { word } }]);
    };
  const open = { open: { sessionId: "n1-abc" }, keepKnocking: true, pause: async () => {} } as const;
  const client = scriptedShells(answers("not-here"), answers("not-here"), async function* () {
    yield started(0);
    yield exited(0);
  });
  const events = await collect(openShell(client, { ...options, ...open }).events);
  expect(events.map(({ kind }) => kind)).toEqual(["reconnecting", "reconnecting", "started", "ended"]);
  const refused = scriptedShells(answers("not-here"), answers("host-key-changed"));
  await expect(collect(openShell(refused, { ...options, ...open }).events)).rejects.toThrow("host-key-changed");
  const once = scriptedShells(answers("not-here"));
  await expect(collect(openShell(once, { ...options, open: open.open }).events)).rejects.toThrow("not-here");
});
