import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { createClients, faultOf, openReplay, openWatch, type ReplayEvent } from "../../proto/client/index.ts";
import { infoFor, makeCast, makeKey, startFor } from "../recording/cast-maker.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { createPageTransport } from "../support/page-transport.ts";
import { randomFrom } from "../support/random.ts";
import { dataOf } from "../support/recordings-of.ts";
import { openTestBastion, type TestBastion } from "../support/test-bastion.ts";
import { operate } from "../support/viewing.ts";

/** Two resizes at one time are one moment: only output is counted to the byte. */
async function keep(bastion: TestBastion): Promise<{ id: string; bytes: Buffer }> {
  await bastion.reconciled;
  const start = startFor(1, { operator: "alice" });
  const maker = makeCast(start, makeKey());
  const random = randomFrom(3);
  const pieces: Buffer[] = [];
  for (let count = 0; count < 3000; count += 1) {
    const piece = random.bytes(500);
    pieces.push(piece);
    maker.output(piece, count * 10);
    if (count % 100 === 0) maker.resize({ cols: 80 + (count % 7), rows: 24 }, count * 10);
  }
  maker.end({ kind: "exited", code: 0 });
  const folder = join(dataOf(bastion), "recordings");
  writeFileSync(join(folder, `${start.id}.cast`), maker.take());
  bastion.catalogue.add(infoFor(start, maker));
  return { id: start.id, bytes: Buffer.concat(pieces) };
}

function outputOf(events: readonly ReplayEvent[]): Buffer {
  return Buffer.concat(events.map((event) => (event.kind === "output" ? event.bytes : Buffer.alloc(0))));
}

it("a replay whose line is lost goes on where it was, each byte once", async () => {
  await using bastion = await openTestBastion();
  const { id, bytes } = await keep(bastion);
  using transport = createPageTransport(bastion.url, bastion.token);
  const events: ReplayEvent[] = [];
  let cuts = 0;
  for await (const event of openReplay(createClients(transport).recordings, { id })) {
    events.push(event);
    if (events.length % 700 !== 0) continue;
    cuts += 1;
    transport.cut();
  }
  expect(cuts).toBeGreaterThan(3);
  expect(outputOf(events).equals(bytes)).toBe(true);
  expect(events.filter(({ kind }) => kind === "started" || kind === "key-frame" || kind === "ended")).toHaveLength(3);
  expect(events.filter(({ kind }) => kind === "resized")).toHaveLength(30);
  expect(events.at(-1)).toMatchObject({ kind: "ended", atMs: 29_990, cause: { kind: "exited", code: 0 } });
});

it("a replay that is refused says so, and one that is left is quiet", async () => {
  await using bastion = await openTestBastion();
  const { id } = await keep(bastion);
  const { recordings } = bastion.clients();
  const none = openReplay(recordings, { id: "f".repeat(32) }).next();
  expect(faultOf(await none.catch((error) => error)).word).toBe("not-found");
  const leaving = new AbortController();
  const seen: string[] = [];
  for await (const { kind } of openReplay(recordings, { id, signal: leaving.signal })) {
    seen.push(kind);
    if (seen.length === 3) leaving.abort();
  }
  expect(seen).toEqual(["started", "key-frame", "output"]);
});

it("a session that runs is replayed to the live edge, from where a watcher goes on without a gap", async () => {
  const memory = createMemoryTarget();
  await using bastion = await openTestBastion({ targets: [memory.target], dial: memory.dial });
  await using operator = operate(bastion.clients(), "memory");
  const { session } = await operator.started();
  await memory.pty().print("past ");
  await operator.shows("past ");
  const clients = bastion.clients();
  const events: ReplayEvent[] = [];
  for await (const event of openReplay(clients.recordings, { id: session.id })) events.push(event);
  const edge = events.at(-1);
  if (edge?.kind !== "live-edge") throw new Error(`it ends with ${edge?.kind}`);
  expect(outputOf(events).toString()).toBe("past ");
  const leaving = new AbortController();
  const from = { epoch: session.epoch, offset: edge.offset };
  const more: string[] = [];
  for await (const event of openWatch(clients.sessions, { sessionId: session.id, from, signal: leaving.signal })) {
    if (event.kind === "started") void memory.pty().print("present");
    if (event.kind === "key-frame") more.push("key frame");
    if (event.kind !== "output") continue;
    more.push(Buffer.from(event.bytes).toString());
    leaving.abort();
  }
  expect(more).toEqual(["present"]);
  memory.pty().exit({ kind: "exited", code: 0 });
  await operator.ended();
});
