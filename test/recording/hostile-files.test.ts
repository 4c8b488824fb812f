import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { RecordingId } from "../../server/events.ts";
import { readHead } from "../../server/recording/cast-head.ts";
import { exportV2 } from "../../server/recording/export-cast.ts";
import { readMarkers } from "../../server/recording/markers.ts";
import { openRecordingFile } from "../../server/recording/recording-file.ts";
import { openReplays } from "../../server/recording/replays.ts";
import { encodeSeekTable } from "../../server/recording/seekable-zstd.ts";
import { verifyRecording } from "../../server/recording/verify.ts";
import { blankKeyFrame } from "../../server/session/key-frame.ts";
import { infoFor, makeCast, makeKey, startFor } from "./cast-maker.ts";

const key = makeKey();
const start = startFor(1);
const signal = new AbortController().signal;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bartizan-hostile-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const head = makeCast(start, key).take();
const million = 1_000_000;
const files: Readonly<Record<string, () => Buffer>> = {
  "a line without an end": () => Buffer.concat([head, Buffer.alloc(40 * million, "x")]),
  "a line of 40 MB": () =>
    Buffer.concat([head, Buffer.from('[0.0, "o", "'), Buffer.alloc(40 * million, "x"), Buffer.from('"]\n')]),
  "deep JSON in an event": () => Buffer.concat([head, Buffer.from(`${"[".repeat(500_000)}${"]".repeat(500_000)}\n`)]),
  "deep JSON in a comment": () => Buffer.concat([head, Buffer.from(`# bartizan end {"a":${"[".repeat(900_000)}\n`)]),
  "a million events": () =>
    Buffer.concat([head, Buffer.from('[0,"o",""]\n[1e3,"z","x"]\n[0.001, "o", "x"]\n'.repeat(million / 3))]),
  "a million resizes": () => Buffer.concat([head, Buffer.from('[0,"r","9x9"]\n'.repeat(million))]),
  "sizes that are none": () =>
    Buffer.concat([head, Buffer.from('[0,"r","0x0"]\n[0,"r","99999x1"]\n[0,"r","-1x5"]\n[0,"r","axb"]\n')]),
  "nothing but NUL": () => Buffer.alloc(10 * million),
  "NUL among its lines": () => Buffer.concat([head, Buffer.alloc(10), Buffer.from("\n")]),
  "nothing but line feeds": () => Buffer.alloc(million, "\n"),
  nothing: () => Buffer.alloc(0),
  "an enormous time": () => Buffer.concat([head, Buffer.from('[1e300,"o","x"]\n[1e308,"o","x"]\n')]),
  "an enormous gap": () =>
    Buffer.concat([head, Buffer.from('# bartizan gap {"at":0,"from":0,"to":9e15}\n# bartizan gap {"to":1e400}\n')]),
  "keys of the prototype": () =>
    Buffer.concat([
      head,
      Buffer.from('# bartizan joined {"__proto__":{"who":1},"constructor":5,"who":{"toString":3}}\n'),
    ]),
  "a seek table that promises too much": () => {
    const frames = Array.from({ length: 10 }, () => ({ compressedBytes: 0, plainBytes: 0xffff_ffff }));
    return Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), encodeSeekTable(frames)]);
  },
  "a frame that swells": () => {
    const frames = [{ compressedBytes: 13, plainBytes: 8 * 1024 * 1024 }];
    // One block of one repeated byte, said to be the largest there is.
    const frame = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0xff, 0xff, 0xff, 0x7f, 0xfb, 0xff, 0x0f, 0x41]);
    return Buffer.concat([frame, encodeSeekTable(frames)]);
  },
};

it.each(Object.entries(files))(
  "%s is refused or read, in bounded memory and without a crash",
  { timeout: 90_000 },
  async (_name, make) => {
    const path = join(folder, `${start.id}.cast`);
    writeFileSync(path, make());
    const before = process.memoryUsage();
    const outcome = async (use: () => Promise<unknown>) =>
      await use().then(
        () => "read",
        (error: unknown) => (error as Error).name,
      );
    const outcomes = await Promise.all([
      outcome(async () => {
        await using file = await openRecordingFile(path);
        return await verifyRecording(file, { keyOf: () => key.publicKey, signal });
      }),
      outcome(async () => {
        await using file = await openRecordingFile(path);
        const { bodyPosition } = await readHead(file, signal);
        const scan = { position: bodyPosition, atMs: 0, markers: [] };
        await readMarkers(file, scan, signal);
        expect(scan.markers.length).toBeLessThanOrEqual(1000);
      }),
      outcome(async () => {
        await using file = await openRecordingFile(path);
        for await (const _ of exportV2(file, signal));
      }),
      outcome(async () => {
        const noScreen = () => {
          throw new Error("no index is wanted here");
        };
        const log = { debug() {}, info() {}, warn() {}, error() {} };
        await using replays = openReplays({
          ...{ folder, blank: blankKeyFrame(), createScreen: noScreen, running: () => false },
          log: log as never,
        });
        const info = infoFor(start, makeCast(start, key), { id: start.id as RecordingId });
        for await (const item of replays.open(info, 0, signal))
          if (item.kind === "output") expect(item.bytes.length).toBeLessThan(70_000);
      }),
    ]);
    for (const name of outcomes) expect(["read", "BartizanFault"]).toContain(name);
    const grown = process.memoryUsage();
    expect(grown.heapUsed + grown.external - before.heapUsed - before.external).toBeLessThan(200_000_000);
  },
);
