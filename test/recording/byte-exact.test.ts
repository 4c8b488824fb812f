import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Principal, RecordingId, SessionId } from "../../server/events.ts";
import { CastWriter } from "../../server/recording/cast-writer.ts";
import { LineBuffer } from "../../server/recording/line-buffer.ts";
import type { RecordingStart } from "../../server/recording/recording.ts";
import { openSealKey, type SealKey } from "../../server/recording/seal-key.ts";
import { type Cast, readCast } from "../support/cast-reader.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { type Random, randomFrom } from "../support/random.ts";
import { castFiles, dataOf, onlyCast, publicKeyOf } from "../support/recordings-of.ts";
import { openTestBastion } from "../support/test-bastion.ts";
import { until } from "../support/until.ts";
import { operate, watch } from "../support/viewing.ts";

let folder: string;
let key: SealKey;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "bartizan-cast-"));
  key = openSealKey(folder);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const start: RecordingStart = {
  ...{ id: "0".repeat(32) as RecordingId, sessionId: "test-1" as SessionId, epoch: "e", node: "test", mode: "strict" },
  ...{ operator: { name: 'A "quoted"\n\u2028 name' } satisfies Principal, target: "t", targetUser: "u", labels: {} },
  ...{ startedAtMs: 1_795_680_000_123, size: { cols: 80, rows: 24 } },
};

type Step = Uint8Array | { readonly cols: number; readonly rows: number } | "seal";

/** What a reader of the finished file gets. */
function recorded(steps: readonly Step[]): Cast {
  const path = join(folder, "x.cast");
  writeFileSync(path, "");
  const lines = new LineBuffer(1024);
  const writer = new CastWriter(lines, key, start);
  const put = () => appendFileSync(path, writer.take());
  writer.start(start, "i");
  put();
  let atMs = 0;
  for (const step of steps) {
    atMs += 7;
    if (step === "seal") {
      writer.flushCarry(atMs);
      writer.seal(atMs);
    } else if (step instanceof Uint8Array) writer.output(step, atMs);
    else writer.resize(step, atMs);
    put();
  }
  writer.end({ kind: "exited", code: 0 }, atMs);
  put();
  return readCast(path, key.publicKey);
}

const tricky: readonly string[] = ["\u0000", "\ufeff", "\ufffd", "é", "漢", "😀", "\u2028", '"', "\\", "\x7f", "\r\n"];
const invalid: readonly (readonly number[])[] = [
  [0xc0, 0x80],
  [0xed, 0xa0, 0x80],
  [0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80],
  [0xf5, 0x80, 0x80, 0x80],
  [0xe0, 0x80],
  [0xff],
  [0x80],
  [0xf0, 0x9f, 0x98],
];

function mixture(random: Random): Buffer {
  const parts: Buffer[] = [];
  for (let count = random.below(12); count >= 0; count -= 1) {
    const kind = random.below(4);
    if (kind === 0) parts.push(Buffer.from(random.pick(tricky)));
    else if (kind === 1) parts.push(Buffer.from(random.pick(invalid)));
    else if (kind === 2) parts.push(random.bytes(random.below(40)));
    else parts.push(Buffer.from("plain text 漢字 ".repeat(random.below(3))));
  }
  return Buffer.concat(parts);
}

describe("a recording gives back, byte for byte,", () => {
  test.each(tricky)("the character %j, whole and split at every place", (text) => {
    const bytes = Buffer.from(`a${text}b`);
    for (let cut = 0; cut <= bytes.length; cut += 1)
      expect(recorded([bytes.subarray(0, cut), bytes.subarray(cut)]).output).toEqual(bytes);
    expect(recorded([...bytes].map((byte) => Uint8Array.of(byte))).output).toEqual(bytes);
  });

  test.each(invalid)("what is no UTF-8: %o", (...parts) => {
    const bytes = Buffer.from([0x61, ...parts, 0x62]);
    for (let cut = 0; cut <= bytes.length; cut += 1)
      expect(recorded([bytes.subarray(0, cut), bytes.subarray(cut)]).output).toEqual(bytes);
    expect(recorded([bytes.subarray(0, -1)]).output).toEqual(bytes.subarray(0, -1));
  });

  test("a replacement character that the target sent, as plain text", () => {
    const cast = recorded([Buffer.from("\ufffd")]);
    expect(cast.lines.some((line) => line.startsWith("# bartizan bytes"))).toBe(false);
    expect(cast.events[0]).toMatchObject({ code: "o", text: "\ufffd" });
  });

  test("characters across the edges of 32 KiB pieces, with a line that is never long", () => {
    for (const lead of [0, 1, 2, 3]) {
      const bytes = Buffer.concat([Buffer.alloc(lead, 0x1b), Buffer.from("漢😀".repeat(30_000))]);
      const cast = recorded([bytes]);
      expect(cast.output.equals(bytes)).toBe(true);
      expect(cast.cuts).toBeGreaterThan(2);
      // Plain text throughout: no reader needs the bytes beside it.
      expect(cast.lines.filter((line) => line.startsWith("# bartizan bytes"))).toEqual([]);
    }
  });

  test("random bytes with resizes and seals in between, each at its exact place", () => {
    for (let seed = 1; seed <= 50; seed += 1) {
      const random = randomFrom(seed);
      const steps: Step[] = [];
      const sizes: object[] = [];
      const sent: Buffer[] = [];
      for (let count = random.below(60); count > 0; count -= 1) {
        const kind = random.below(10);
        const offset = sent.reduce((sum, each) => sum + each.length, 0);
        if (kind === 0) {
          const size = { cols: 1 + random.below(200), rows: 1 + random.below(60) };
          steps.push(size);
          sizes.push({ offset, size: `${size.cols}x${size.rows}` });
        } else if (kind === 1) steps.push("seal");
        else {
          const bytes = kind === 2 ? random.bytes(random.below(70_000)) : mixture(random);
          steps.push(bytes);
          sent.push(bytes);
        }
      }
      const cast = recorded(steps);
      expect(cast.output.equals(Buffer.concat(sent)), `seed ${seed}`).toBe(true);
      expect(cast.sizes, `seed ${seed}`).toEqual(sizes);
      expect(cast.events.at(-1)?.atMs).toBe(steps.length * 7);
    }
  });
});

describe("what a viewer gets", () => {
  test("is in the file already, at each event, and the whole session is in it in the end", {
    timeout: 60_000,
  }, async () => {
    const memory = createMemoryTarget();
    await using bastion = await openTestBastion({ targets: [memory.target], dial: memory.dial });
    const data = dataOf(bastion);
    const clients = bastion.clients();
    await using shell = operate(clients, "memory");
    const { session } = await shell.started();
    await using watcher = watch(clients, session.id);
    await watcher.started();
    const random = randomFrom(4);
    const sent: Buffer[] = [];
    const [path = ""] = castFiles(data);
    let checked = 0;
    for (let round = 0; round < 120; round += 1) {
      const bytes = round % 20 === 19 ? random.bytes(40_000) : mixture(random);
      sent.push(bytes);
      await memory.pty().print(bytes);
      const bytesSent = sent.reduce((sum, each) => sum + each.length, 0);
      if (round % 3 !== 0) continue;
      await until(() => shell.bytes().length >= bytesSent - 200, "the operator has nearly all");
      const output = readCast(path, publicKeyOf(data)).output;
      for (const viewer of [shell, watcher])
        for (const event of viewer.events)
          if (event.kind === "output") {
            const there = output.subarray(event.offset, event.offset + event.bytes.length);
            expect(there.equals(event.bytes)).toBe(true);
            checked += 1;
          }
    }
    expect(checked).toBeGreaterThan(100);
    memory.pty().exit({ kind: "exited", code: 0 });
    await shell.ended();
    expect(onlyCast(data).output.equals(Buffer.concat(sent))).toBe(true);
  });
});
