import { createHash } from "node:crypto";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openAudit } from "../../server/audit.ts";
import type { RecordingId } from "../../server/events.ts";
import { createHeldClock } from "../support/held-clock.ts";

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bartizan-audit-"));
  path = join(folder, "audit.jsonl");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const id = (digit: string) => digit.repeat(32) as RecordingId;
const clock = createHeldClock();

/** The lines, each bound to the one before it; throws where one is not. */
function chained(): Record<string, unknown>[] {
  let before = "0".repeat(64);
  const text = readFileSync(path, "utf8");
  return text
    .slice(0, -1)
    .split("\n")
    .map((line, index) => {
      const event = JSON.parse(line);
      expect(event).toMatchObject({ n: index + 1, prev: before });
      before = createHash("sha256").update(`${line}\n`).digest("hex");
      return event;
    });
}

describe("the audit log", () => {
  test("binds each line to the one before it, over restarts and hostile names", async () => {
    for (const who of ["alice", 'x"\n{"n":9}\u2028', "\ud800", "y".repeat(100_000)]) {
      await using audit = openAudit(path, clock);
      audit.note({ kind: "recording-viewed", recording: id("a"), who });
      audit.note({ kind: "reserve-hit", freeBytes: 1 });
      await audit.synced();
    }
    const events = chained();
    expect(events.length).toBe(8);
    expect(events[2]).toMatchObject({ who: 'x"\n{"n":9}\u2028', atMs: 1_000_000 });
    expect(String(events[6]?.who).length).toBe(1000);
  });

  test("goes on after a line that a crash left unfinished", async () => {
    {
      await using audit = openAudit(path, clock);
      audit.note({ kind: "reserve-hit", freeBytes: 1 });
    }
    appendFileSync(path, '{"n":2,"prev":"');
    await using audit = openAudit(path, clock);
    audit.note({ kind: "reserve-hit", freeBytes: 2 });
    expect(chained().map(({ freeBytes }) => freeBytes)).toEqual([1, 2]);
  });

  test("tells the seal of each recording asked for, and which were deleted", async () => {
    await using audit = openAudit(path, clock);
    audit.note({ kind: "recording-opened", recording: id("a"), target: "t", mode: "strict" });
    audit.note({ kind: "recording-sealed", recording: id("a"), seal: "1", cause: "exited" });
    audit.note({ kind: "recording-opened", recording: id("b"), target: "t", mode: "strict" });
    for (let count = 0; count < 3000; count += 1)
      audit.note({ kind: "recording-viewed", recording: id("c"), who: "漢字".repeat(10) });
    audit.note({ kind: "recording-deleted", recording: id("a"), seal: "1", reason: "by policy" });
    const found = await audit.lookUp(new Set([id("a"), id("b"), id("d")]));
    expect(Object.fromEntries(found)).toEqual({
      [id("a")]: { opened: true, seal: "1", deleted: true },
      [id("b")]: { opened: true, deleted: false },
    });
  });

  test("does not follow a link, and does not go on with what is no log", async () => {
    writeFileSync(join(folder, "other"), "not a log\n");
    symlinkSync(join(folder, "other"), path);
    expect(() => openAudit(path, clock)).toThrow("ELOOP");
    rmSync(path);
    writeFileSync(path, "not a log\n");
    expect(() => openAudit(path, clock)).toThrow("Cannot use");
    expect(readFileSync(join(folder, "other"), "utf8")).toBe("not a log\n");
  });
});
