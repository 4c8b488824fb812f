import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AuditEvent } from "../../server/audit.ts";
import type { KeyFrame, RecordingId } from "../../server/events.ts";
import { systemClock } from "../../server/flow/clock.ts";
import { createLog } from "../../server/log.ts";
import { openRecording, recordingPaths } from "../../server/recording/archive.ts";
import { type Catalogue, openCatalogue } from "../../server/recording/catalogue.ts";
import { compressRecording } from "../../server/recording/compress.ts";
import { createErase } from "../../server/recording/erase.ts";
import { type Keeper, openKeeper, type Retention } from "../../server/recording/keeper.ts";
import type { RecordingInfo } from "../../server/recording/recording.ts";
import type { ReplayItem } from "../../server/recording/replay.ts";
import { openReplays, type Replays } from "../../server/recording/replays.ts";
import { verifyRecording } from "../../server/recording/verify.ts";
import { blankKeyFrame } from "../../server/session/key-frame.ts";
import { createScreen } from "../../server/session/screen.ts";
import { openScreenPool, type ScreenPool } from "../../server/session/screen-pool.ts";
import { createHeldClock, type HeldClock } from "../support/held-clock.ts";
import { feed, newTerminal } from "../support/new-terminal.ts";
import { randomFrom } from "../support/random.ts";
import { stateOf } from "../support/terminal-state.ts";
import { until } from "../support/until.ts";
import { infoFor, makeCast, makeKey, startFor } from "./cast-maker.ts";

const key = makeKey();
const signal = new AbortController().signal;
const dayMs = 86_400_000;
const fixture = readFileSync(new URL("../fixtures/terminal/vim-100x30.bin", import.meta.url));

let folder: string;
let catalogue: Catalogue;
let pool: ScreenPool;
let clock: HeldClock;
let noted: AuditEvent[];
const log = createLog("silent");
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bartizan-keeping-"));
  catalogue = openCatalogue(":memory:");
  pool = openScreenPool({ clock: systemClock });
  clock = createHeldClock(1_795_680_000_000 + 10 * dayMs);
  noted = [];
});
afterEach(async () => {
  catalogue[Symbol.dispose]();
  await pool[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** About 1.6 MB of a full-screen program with a resize, 10 ms a piece. */
function keepLarge(number: number, changes: Partial<RecordingInfo> = {}): RecordingInfo {
  const start = startFor(number, { size: { cols: 100, rows: 30 } });
  const maker = makeCast(start, key);
  let atMs = 0;
  for (let at = 0; maker.position < 1_600_000; at = (at + 700) % (fixture.length - 700)) {
    atMs += 10;
    maker.output(fixture.subarray(at, at + 700), atMs);
    if (atMs === 5000) maker.resize({ cols: 90, rows: 20 }, atMs);
  }
  maker.end({ kind: "exited", code: 0 });
  const info = infoFor(start, maker, changes);
  writeFileSync(recordingPaths(folder, info.id).plain, maker.take());
  catalogue.add(info);
  return info;
}

function replays(): Replays {
  return openReplays({
    ...{ folder, log, blank: blankKeyFrame() },
    createScreen: (size) => createScreen(pool, size),
    running: (id) => catalogue.find(id)?.state === "live",
  });
}

async function gathered(source: Replays, info: RecordingInfo, fromMs: number): Promise<ReplayItem[]> {
  const items: ReplayItem[] = [];
  for await (const item of source.open(info, fromMs, signal)) items.push(item);
  return items;
}

/** The screen at `atMs` by what was replayed. */
function screenAt(items: readonly ReplayItem[], atMs: number) {
  const first = items[0] as KeyFrame;
  const terminal = newTerminal(first.size);
  for (const item of items) {
    if (item.atMs > atMs) break;
    if (item.kind === "key-frame" || item.kind === "output") feed(terminal, item.bytes);
    if (item.kind === "resize") terminal.resize(item.size.cols, item.size.rows);
  }
  const state = stateOf(terminal);
  terminal.dispose();
  return state;
}

describe("a replay", () => {
  it("that begins in the middle shows what one from the start shows there, also when the index was made anew", async () => {
    const info = keepLarge(1);
    await using source = replays();
    const whole = await gathered(source, info, 0);
    const { sidecar } = recordingPaths(folder, info.id);
    expect(existsSync(sidecar)).toBe(false);
    const times = [1, 4990, 5000, 9_345, info.durationMs - 1, info.durationMs + 1000];
    const seek = async () => {
      const frames: number[] = [];
      for (const atMs of times) {
        const items = await gathered(source, info, atMs);
        expect(items[0]?.atMs).toBeLessThanOrEqual(atMs);
        frames.push(items[0]?.atMs ?? -1);
        expect(screenAt(items, atMs)).toEqual(screenAt(whole, atMs));
        expect(items.at(-1)).toEqual(whole.at(-1));
      }
      return frames;
    };
    const first = await seek();
    expect(first.at(-1)).toBeGreaterThan(5000);
    const made = readFileSync(sidecar);
    rmSync(sidecar);
    await using again = replays();
    await gathered(again, info, 12_000);
    await again[Symbol.asyncDispose]();
    expect(readFileSync(sidecar).equals(made)).toBe(true);
  });

  it("does not believe an index of another file, or one of nonsense", async () => {
    const info = keepLarge(1);
    const other = keepLarge(2, {});
    {
      await using source = replays();
      await gathered(source, other, 12_000);
    }
    const paths = recordingPaths(folder, info.id);
    const foreign = readFileSync(recordingPaths(folder, other.id).sidecar);
    const cut = foreign.subarray(0, foreign.length - 100);
    const nonsense = Buffer.from(`{"atMs":1,"offset":1,"position":1,"x\n${"[".repeat(100_000)}\n\0\0\n`);
    for (const index of [foreign, cut, nonsense, Buffer.from("no\n"), Buffer.alloc(0)]) {
      writeFileSync(paths.sidecar, index);
      await using source = replays();
      const items = await gathered(source, info, 12_000);
      const whole = await gathered(source, info, 0);
      expect(screenAt(items, 12_000)).toEqual(screenAt(whole, 12_000));
    }
  });

  it("ends where its reader ends it, and when the server stops", async () => {
    const info = keepLarge(1);
    const source = replays();
    const leaving = new AbortController();
    const items = source.open(info, 0, leaving.signal);
    await items.next();
    leaving.abort(new Error("left"));
    await expect(items.next()).rejects.toThrow("left");
    const others = source.open(info, 0, signal);
    await others.next();
    await source[Symbol.asyncDispose]();
    await expect(others.next()).rejects.toThrow("stopped");
  });
});

describe("a packed recording", () => {
  it("is replayed and verified as the plain one, and zstd restores it", async () => {
    const info = keepLarge(1);
    const { plain, compressed } = recordingPaths(folder, info.id);
    const bytes = readFileSync(plain);
    await using source = replays();
    const before = await gathered(source, info, 9_345);
    const packedBytes = await compressRecording(folder, info.id, signal);
    expect(existsSync(plain)).toBe(false);
    expect(statSync(compressed)).toMatchObject({ size: packedBytes });
    expect(packedBytes).toBeLessThan(bytes.length / 5);
    expect(await gathered(source, info, 9_345)).toEqual(before);
    await using file = await openRecording(folder, info.id);
    if (file === undefined) throw new Error("it is gone");
    expect((await verifyRecording(file, { keyOf: () => key.publicKey, signal })).verdict).toBe("complete");
    const { stdout, status } = spawnSync("zstd", ["-d", "-c", compressed], { maxBuffer: 100_000_000 });
    expect(status).toBe(0);
    expect(stdout.equals(bytes)).toBe(true);
  });

  it("that was damaged is not complete, whatever the damage", async () => {
    const info = keepLarge(1);
    await compressRecording(folder, info.id, signal);
    const { compressed } = recordingPaths(folder, info.id);
    const whole = readFileSync(compressed);
    const plainBytes = info.fileBytes;
    const random = randomFrom(11);
    for (let count = 0; count < 40; count += 1) {
      const copy = Buffer.from(whole);
      const at = random.below(count % 2 === 0 ? copy.length : 200);
      const place = count % 2 === 0 ? at : copy.length - 1 - at;
      copy[place] = (copy[place] ?? 0) ^ (1 << random.below(8));
      writeFileSync(compressed, count % 5 === 4 ? whole.subarray(0, random.below(whole.length)) : copy);
      const verdict = await openRecording(folder, info.id)
        .then(async (file) => {
          if (file === undefined) return "missing";
          await using opened = file;
          const { verdict, seal } = await verifyRecording(opened, { keyOf: () => key.publicKey, signal });
          // A bit that zstd has no use for: what it restores is what was packed.
          const same = seal === info.seal && (await opened.size()) === plainBytes;
          return verdict === "complete" && same ? "altered nowhere" : verdict;
        })
        .catch((error) => error.name);
      expect([place, verdict]).toEqual([place, expect.stringMatching(/altered|incomplete|unsigned|BartizanFault/)]);
    }
  });
});

describe("the keeper", () => {
  const forgotten: string[] = [];
  const keeper = (retention: Retention): Keeper => {
    const forgetCommands = async (sessionId: string) => void forgotten.push(sessionId);
    const erase = createErase({ folder, catalogue, forgetCommands });
    const audit = { write: (event: AuditEvent) => void noted.push(event) };
    return openKeeper({ folder, catalogue, clock, log, retention, erase, audit });
  };
  const left = () => catalogue.list({}, 100).map(({ sessionId }) => sessionId);

  it("packs what is sealed, leaves alone what runs, and does not lose a file it cannot pack", async () => {
    const sealed = keepLarge(1);
    const live = keepLarge(2, { state: "live" });
    const sick = keepLarge(3);
    truncateSync(recordingPaths(folder, sick.id).plain, 0);
    await using kept = keeper({});
    await kept.run();
    expect(catalogue.find(sealed.id)).toMatchObject({ compressed: true });
    expect(existsSync(recordingPaths(folder, live.id).plain)).toBe(true);
    expect(left()).toEqual(["test-3", "test-2", "test-1"]);
  });

  it("packs what has ended soon after its seal, and a replay under way goes on to the end", async () => {
    await using kept = keeper({});
    await kept.run();
    const info = keepLarge(1);
    await using source = replays();
    const whole = await gathered(source, info, 0);
    const reading = source.open(info, 0, signal);
    const seen = [(await reading.next()).value];
    kept.closed(info.id);
    const { plain, compressed } = recordingPaths(folder, info.id);
    clock.pass(29_000);
    await new Promise((resolve) => setImmediate(resolve));
    expect(existsSync(plain)).toBe(true);
    clock.pass(1000);
    await until(() => catalogue.find(info.id)?.compressed === true, "it is packed");
    expect([existsSync(plain), existsSync(compressed)]).toEqual([false, true]);
    for await (const item of reading) seen.push(item);
    expect(seen).toEqual(whole);
    expect(await gathered(source, info, 0)).toEqual(whole);
  });

  it("leaves nothing of a recording that is erased while it is packed, at whatever moment", async () => {
    await using kept = keeper({});
    await kept.run();
    const erase = createErase({ folder, catalogue, forgetCommands: async () => {} });
    for (let number = 1; number <= 25; number += 1) {
      const info = keepLarge(number);
      kept.closed(info.id);
      clock.pass(30_000);
      for (let turns = 0; turns < number * 4; turns += 1) await new Promise((resolve) => setImmediate(resolve));
      await erase(info);
      await kept.run();
      expect([number, readdirSync(folder).filter((name) => name.startsWith(info.id))]).toEqual([number, []]);
    }
  });

  it("packs nothing twice, also when it died before it said so", async () => {
    const info = keepLarge(1);
    await compressRecording(folder, info.id, signal);
    await using kept = keeper({});
    await kept.run();
    const { size } = statSync(recordingPaths(folder, info.id).compressed);
    expect(catalogue.find(info.id)).toEqual({ ...info, compressed: true, fileBytes: size });
  });

  it("removes what is past its age or does not fit, oldest first, each with a tombstone, each hour again", async () => {
    for (let number = 1; number <= 4; number += 1) keepLarge(number);
    const old = keepLarge(5, { startedAtMs: clock.wallMs() - 9 * dayMs });
    keepLarge(6, { startedAtMs: clock.wallMs() - 9 * dayMs, state: "live" });
    await using kept = keeper({ days: 8.5, bytes: 4_000_000 });
    await kept.run();
    expect(left().sort()).toEqual(["test-6"]);
    expect(noted.map(({ event }) => event)).toEqual(Array.from({ length: 5 }, () => "recording-expired"));
    expect(forgotten.sort()).toEqual(["test-1", "test-2", "test-3", "test-4", "test-5"]);
    expect(noted.find((event) => "recording" in event && event.recording === old.id)).toMatchObject({
      ...{ session: old.sessionId, seal: old.seal, reason: "older than 8.5 days" },
    });
    keepLarge(7, { startedAtMs: clock.wallMs() });
    expect(left()).toHaveLength(2);
    clock.pass(10 * dayMs);
    // The round that began an hour later, and the newest.
    await kept.run();
    await kept.run();
    expect(left()).toEqual(["test-6"]);
  });
});

describe("an id", () => {
  it("that is none makes no path", () => {
    for (const id of ["../x", "", "a".repeat(31), `${"a".repeat(32)}\0`, `${"A".repeat(32)}`, `/${"a".repeat(31)}`])
      expect(() => recordingPaths(folder, id as RecordingId)).toThrow("no such recording");
  });
});
