import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Clients, faultOf } from "../../proto/client/index.ts";
import {
  ExportFormat,
  RecordingState,
  type ReplayResponse,
  Verdict,
} from "../../proto/gen/bartizan/v1/recording_pb.ts";
import type { RecordingInfo } from "../../server/recording/recording.ts";
import { createMemoryTarget, type MemoryTarget } from "../support/memory-target.ts";
import { auditOf, dataOf } from "../support/recordings-of.ts";
import { carriers, openTestBastion, type TestBastion } from "../support/test-bastion.ts";
import { until } from "../support/until.ts";
import { operate } from "../support/viewing.ts";
import { type CastMaker, infoFor, type MakerStart, makeCast, makeKey, startFor } from "./cast-maker.ts";

const key = makeKey();

/** "hi", a split and an invalid character, a resize, a watcher, the end. */
function short(start: MakerStart): CastMaker {
  const maker = makeCast(start, key);
  maker.output("hi ", 10);
  maker.comment("joined", { at: 10, attachment: "a2", who: "carol", role: "watcher" });
  maker.tail(Buffer.from([0xe2, 0x82]));
  maker.output("€", 20);
  maker.resize({ cols: 100, rows: 30 }, 30);
  maker.output(Buffer.from([0xff, 0x41]), 5000);
  return maker;
}

async function replayed(clients: Clients, id: string, fromMs = 0): Promise<ReplayResponse["event"][]> {
  const events: ReplayResponse["event"][] = [];
  for await (const { event } of clients.recordings.replay({ id, fromMs: BigInt(fromMs) })) events.push(event);
  return events;
}

function outputOf(events: readonly ReplayResponse["event"][]): Buffer {
  return Buffer.concat(events.map((event) => (event.case === "output" ? event.value.data : Buffer.alloc(0))));
}

async function wordOf(call: Promise<unknown>): Promise<string> {
  return await call.then(
    () => "done",
    (error) => faultOf(error).word,
  );
}

async function drained(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of stream);
}

describe.each(carriers)("recordings over %s", (over) => {
  let bastion: TestBastion;
  let memory: MemoryTarget;
  const folder = () => join(bastion.folder, "state", "bartizan", "recordings");
  beforeEach(async () => {
    memory = createMemoryTarget();
    bastion = await openTestBastion({
      ...{ over, targets: [memory.target], dial: memory.dial },
      principals: { alice: ["operator"], bob: ["operator"], carol: ["auditor"], root: ["admin"] },
    });
    await bastion.reconciled;
  });
  afterEach(() => bastion[Symbol.asyncDispose]());

  function keep(start: MakerStart, maker: CastMaker, changes: Partial<RecordingInfo> = {}): string {
    writeFileSync(join(folder(), `${start.id}.cast`), maker.take());
    bastion.catalogue.add(infoFor(start, maker, changes));
    return start.id;
  }

  function keepShort(number: number, changes: Partial<MakerStart> = {}): string {
    const start = startFor(number, changes);
    const maker = short(start);
    maker.end({ kind: "exited", code: 0 });
    return keep(start, maker);
  }

  it("are replayed to the byte, in order, from a screen to the end", async () => {
    const id = keepShort(1);
    const events = await replayed(bastion.clients("token-carol"), id);
    expect(events.map(({ case: kind }) => kind)).toEqual([
      ...["state", "output", "joined", "output", "resized", "output", "ended"],
    ]);
    expect(outputOf(events)).toEqual(Buffer.concat([Buffer.from("hi €"), Buffer.from([0xff, 0x41])]));
    const state = events[0]?.case === "state" ? events[0].value : undefined;
    expect(state?.recording).toMatchObject({ id, target: "web1", state: RecordingState.SEALED });
    expect(state?.keyFrame).toMatchObject({ offset: 0n, size: { cols: 80, rows: 24 } });
    expect(events.at(-1)?.value).toMatchObject({ offset: 8n, atMs: 5000n, cause: { case: "exited" } });
  });

  it("that still run end at the live edge, with a character that is not whole yet", async () => {
    const start = startFor(1);
    const maker = short(start);
    maker.tail(Buffer.from([0xe2]));
    const id = keep(start, maker, { state: "live" });
    const events = await replayed(bastion.clients("token-carol"), id);
    expect(outputOf(events).at(-1)).toBe(0xe2);
    expect(events.at(-1)).toMatchObject({ case: "liveEdge", value: { offset: 9n, atMs: 5000n } });
  });

  it("are found by their session, too, with what the timeline marks", async () => {
    keepShort(1);
    const { recording, markers } = await bastion.clients("token-alice").recordings.getRecording({ id: "test-1" });
    expect(recording?.operator?.name).toBe("alice");
    expect(markers.map(({ atMs, text }) => `${atMs} ${text}`)).toEqual(["10 carol", "30 100x30"]);
  });

  it("are listed by their start, page by page, narrowed by everything that is asked for", async () => {
    for (let number = 1; number <= 5; number += 1) keepShort(number, number === 3 ? { target: "db1" } : {});
    const { recordings } = bastion.clients("token-carol");
    const first = await recordings.listRecordings({ pageSize: 2 });
    const second = await recordings.listRecordings({ pageSize: 2, pageToken: first.nextPageToken });
    const third = await recordings.listRecordings({ pageSize: 2, pageToken: second.nextPageToken });
    const sessions = [first, second, third].map((page) => page.recordings.map(({ sessionId }) => sessionId));
    expect(sessions).toEqual([["test-5", "test-4"], ["test-3", "test-2"], ["test-1"]]);
    expect(third.nextPageToken).toBe("");
    const count = async (request: Parameters<typeof recordings.listRecordings>[0]) =>
      (await recordings.listRecordings(request)).recordings.length;
    expect(await count({ target: "db1" })).toBe(1);
    expect(await count({ operator: "bob" })).toBe(0);
    expect(await count({ labels: { team: "shop" } })).toBe(5);
    expect(await count({ labels: { team: "x" } })).toBe(0);
    expect(await count({ cause: "exited" })).toBe(5);
    expect(await count({ cause: "kicked" })).toBe(0);
    expect(await count({ sessionId: "test-4" })).toBe(1);
    expect(await count({ sessionId: "test-4", target: "db1" })).toBe(0);
    expect(await wordOf(recordings.listRecordings({ cause: "tired" }))).toBe("invalid");
    expect(await wordOf(recordings.listRecordings({ pageToken: "../x" }))).toBe("invalid");
    expect(await wordOf(recordings.listRecordings({ pageSize: 501 }))).toBe("invalid");
  });

  it("of others look to an operator like none; auditors see all and delete nothing", async () => {
    const id = keepShort(1);
    const attempts = async (token: string, which: string) => {
      const { recordings } = bastion.clients(`token-${token}`);
      return {
        listed: (await recordings.listRecordings({})).recordings.length,
        get: await wordOf(recordings.getRecording({ id: which })),
        replay: await wordOf(drained(recordings.replay({ id: which }))),
        verify: await wordOf(drained(recordings.verifyRecordings({ id: which }))),
        export: await wordOf(drained(recordings.exportRecording({ id: which }))),
        delete: await wordOf(recordings.deleteRecording({ id: which, reason: "test" })),
        key: await wordOf(recordings.getRecordingKey({})),
      };
    };
    const nothing = { get: "not-found", replay: "not-found", verify: "not-found", export: "not-found", key: "done" };
    const everything = { get: "done", replay: "done", verify: "done", export: "done", key: "done" };
    const no = { delete: "forbidden" };
    expect(await attempts("bob", id)).toEqual({ listed: 0, ...nothing, ...no });
    expect(await attempts("alice", id)).toEqual({ listed: 1, ...everything, ...no });
    expect(await attempts("carol", id)).toEqual({ listed: 1, ...everything, ...no });
    expect(await attempts("root", "0".repeat(32))).toEqual({ listed: 1, ...nothing, delete: "not-found" });
    expect(await attempts("root", id)).toEqual({ listed: 1, ...everything, delete: "done" });
    expect(await attempts("root", id)).toEqual({ listed: 0, ...nothing, delete: "not-found" });
    const alice = bastion.clients("token-alice").recordings;
    expect((await alice.listRecordings({ operator: "bob" })).recordings).toEqual([]);
  });

  it("are found by no other name than an id that is in the list", async () => {
    keepShort(1);
    const secret = join(bastion.folder, "secret.cast");
    writeFileSync(secret, "no");
    symlinkSync(secret, join(folder(), `${"f".repeat(32)}.cast`));
    const start = startFor(2);
    bastion.catalogue.add(infoFor(start, makeCast(start, key)));
    symlinkSync(secret, join(folder(), `${start.id}.cast`));
    const { recordings } = bastion.clients("token-root");
    const odd = ["../secret", "..%2fsecret", `${startFor(1).id}\0`, secret, `${startFor(1).id.toUpperCase()}A`];
    for (const id of ["", ...odd, "f".repeat(32), `${startFor(1).id}.cast`, "0".repeat(10_000)])
      expect([id, await wordOf(drained(recordings.exportRecording({ id })))]).toEqual([id, "not-found"]);
    expect(await wordOf(drained(recordings.exportRecording({ id: start.id })))).toBe("internal");
  });

  it("are exported as the very file, and for older players with absolute times", async () => {
    const id = keepShort(1);
    const { recordings } = bastion.clients("token-alice");
    const exported = async (format: ExportFormat) => {
      const pieces: Uint8Array[] = [];
      for await (const { data } of recordings.exportRecording({ id, format })) pieces.push(data);
      return Buffer.concat(pieces);
    };
    const maker = short(startFor(1));
    maker.end({ kind: "exited", code: 0 });
    expect(await exported(ExportFormat.ASCIICAST_V3)).toEqual(maker.take());
    const [header, ...lines] = (await exported(ExportFormat.ASCIICAST_V2)).toString().trimEnd().split("\n");
    expect(JSON.parse(header ?? "")).toMatchObject({ version: 2, width: 80, height: 24, timestamp: 1795680001 });
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      [0.01, "o", "hi "],
      [0.02, "o", "€"],
      [0.03, "r", "100x30"],
      [5, "o", "\ufffdA"],
    ]);
  });

  it("tell the audit log of every view, export, check and removal, with who it was", async () => {
    const id = keepShort(1);
    const { recordings } = bastion.clients("token-root");
    for (const fromMs of [20n, 10n, 30n]) await drained(recordings.replay({ id, fromMs }));
    await drained(recordings.exportRecording({ id, format: ExportFormat.ASCIICAST_V2 }));
    await drained(recordings.verifyRecordings({ id }));
    await recordings.deleteRecording({ id, reason: "the customer asked" });
    const noted = auditOf(dataOf(bastion)).map(({ event, who, recording, fromMs, format, verdict, reason }) => {
      expect({ who, recording }).toEqual({ who: "root", recording: id });
      return [event, fromMs ?? format ?? verdict ?? reason];
    });
    expect(noted).toEqual([
      ["recording-viewed", 20],
      ["recording-exported", "asciicast-v2"],
      ["recording-verify-failed", "unsigned"],
      ["recording-deleted", "the customer asked"],
    ]);
  });

  it("of a session that was recorded here are whole, sealed, and can be looked at while it runs", async () => {
    await using operator = operate(bastion.clients("token-alice"), "memory");
    const { session } = await operator.started();
    await memory.pty().print("first ");
    await memory.pty().print(Buffer.from([0xe2]));
    await operator.shows("first ");
    const carol = bastion.clients("token-carol");
    await until(async () => outputOf(await replayed(carol, session.id)).length === 7, "the character's first byte");
    expect((await replayed(carol, session.id)).at(-1)?.case).toBe("liveEdge");
    await memory.pty().print(Buffer.from([0x82, 0xac, 0xff]));
    memory.pty().exit({ kind: "exited", code: 3 });
    await operator.ended();
    await until(() => bastion.catalogue.find(session.id)?.state === "sealed", "it is sealed");
    const events = await replayed(carol, session.id, 1);
    expect(outputOf(events)).toEqual(Buffer.concat([Buffer.from("first €"), Buffer.from([0xff])]));
    expect(events.at(-1)?.value).toMatchObject({ cause: { case: "exited", value: { code: 3 } } });
    for await (const { verdict } of carol.recordings.verifyRecordings({ id: session.id }))
      expect(verdict).toBe(Verdict.COMPLETE);
  });

  it("that cannot be restored verify as altered, and hide nothing of those behind them", async () => {
    const id = keepShort(1);
    const start = startFor(2);
    bastion.catalogue.add(infoFor(start, makeCast(start, key), { compressed: true }));
    writeFileSync(join(folder(), `${start.id}.cast.zst`), Buffer.from("28b52ffd00", "hex"));
    const seen: unknown[] = [];
    for await (const each of bastion.clients("token-alice").recordings.verifyRecordings({}))
      seen.push([each.id === id, each.verdict]);
    expect(seen).toEqual([
      [false, Verdict.ALTERED],
      [true, Verdict.UNSIGNED],
    ]);
  });

  it("whose key is not known verify as unsigned, and those without a file as missing", async () => {
    const id = keepShort(1);
    const start = startFor(2);
    bastion.catalogue.add(infoFor(start, makeCast(start, key)));
    const seen: unknown[] = [];
    for await (const each of bastion.clients("token-alice").recordings.verifyRecordings({}))
      seen.push([each.id === id, each.verdict]);
    expect(seen).toEqual([
      [false, Verdict.MISSING],
      [true, Verdict.UNSIGNED],
    ]);
  });
});
