import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { hashOf, noHash } from "../../server/audit/audit-lines.ts";
import { readAudited } from "../../server/audit/audited-recordings.ts";
import { openAudit } from "../../server/audit/open-audit.ts";
import type { RecordingId, SessionId } from "../../server/events.ts";
import { createLog } from "../../server/log.ts";
import { openSealKey, type SealKey } from "../../server/recording/seal-key.ts";
import { createHeldClock, type HeldClock } from "../support/held-clock.ts";

let folder: string;
let path: string;
let key: SealKey;
let clock: HeldClock;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bartizan-audit-"));
  path = join(folder, "audit.jsonl");
  key = openSealKey(folder);
  clock = createHeldClock();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const id = (digit: string) => digit.repeat(32) as RecordingId;
const log = createLog("silent");
const actor = { name: "alice", address: "::1", signedIn: "token" } as const;
const open = (at: HeldClock = clock) => openAudit({ path, clock: at, log, node: "n1", signer: key });
const view = (recording: RecordingId, name = "alice") =>
  ({ event: "recording-viewed", actor: { ...actor, name }, recording, fromMs: 0 }) as const;

/** The lines, each bound to the one before it; throws where one is not. */
function chained(): Record<string, unknown>[] {
  let before = noHash;
  const text = readFileSync(path, "utf8");
  return text
    .slice(0, -1)
    .split("\n")
    .map((line, index) => {
      const event = JSON.parse(line);
      expect(event).toMatchObject({ n: index + 1, prev: before });
      before = hashOf(`${line}\n`);
      return event;
    });
}
const words = () => chained().map(({ event }) => event);

describe("the audit log", () => {
  test("tells of each event when by both clocks, where, who from where and how, on what, and how it came out", async () => {
    await using audit = open();
    const [session, target] = ["n1-1" as SessionId, "web1"];
    audit.write({ event: "session-refused", actor, target, session, cause: "host-key-changed" });
    expect(chained().at(-1)).toEqual({
      ...{ n: 3, id: expect.stringMatching(/^[\w-]{12}$/), atMs: 1_000_000, monoMs: 1_000_000, node: "n1" },
      ...{ prev: expect.any(String), event: "session-refused", outcome: "refused", who: "alice", address: "::1" },
      ...{ signedIn: "token", target, session, cause: "host-key-changed" },
    });
  });

  test("binds each line to the one before it, over restarts and hostile names, and links each start to what was", async () => {
    for (const name of ["alice", 'x"\n{"n":9}\u2028', "\ud800", "\u0001".repeat(100_000)]) {
      await using audit = open();
      audit.write(view(id("a"), name));
      audit.write({ event: "reserve-hit", freeBytes: 1 });
      await audit.synced();
    }
    const events = chained();
    const round = ["log-opened", "checkpoint", "recording-viewed", "reserve-hit", "checkpoint"];
    expect(words()).toEqual([...round, ...round, ...round, ...round]);
    expect(events.filter(({ event }) => event === "log-opened").map(({ previous }) => previous)).toEqual([
      ...["none", "closed", "closed", "closed"],
    ]);
    expect(events[7]).toMatchObject({ who: 'x"\n{"n":9}\u2028' });
    expect(String(events[17]?.who).length).toBe(1000);
  });

  test("goes on after a line that a crash left unfinished, and says so", async () => {
    const crashed = open();
    crashed.write({ event: "reserve-hit", freeBytes: 1 });
    await crashed.synced();
    appendFileSync(path, '{"n":4,"prev":"');
    await using audit = open();
    audit.write({ event: "reserve-hit", freeBytes: 2 });
    expect(chained()[3]).toMatchObject({ event: "log-opened", previous: "crashed", tornBytes: 15 });
    expect(words().slice(2)).toEqual(["reserve-hit", "log-opened", "checkpoint", "reserve-hit"]);
  });

  test("says at its next start that lines at its end are missing", async () => {
    let keptBytes = 0;
    {
      await using audit = open();
      await audit.synced();
      keptBytes = audit.lengthBytes;
      audit.write(view(id("a")));
    }
    truncateSync(path, keptBytes);
    await using _audit = open();
    expect(chained().at(-2)).toMatchObject({ event: "log-opened", previous: "cut" });
  });

  test("has a signed checkpoint each hundred lines, and soon after the last one", async () => {
    await using audit = open();
    for (let count = 0; count < 100; count += 1) audit.write({ event: "reserve-hit", freeBytes: count });
    expect(words().slice(2).indexOf("checkpoint")).toBe(100);
    audit.write({ event: "reserve-hit", freeBytes: 0 });
    clock.pass(29_000);
    expect(words().at(-1)).toBe("reserve-hit");
    clock.pass(1000);
    expect(words().at(-1)).toBe("checkpoint");
    clock.pass(600_000);
    expect(words()).toHaveLength(105);
  });

  test("tells the seal of each recording, and which were deleted", async () => {
    await using audit = open();
    audit.write({ event: "recording-opened", recording: id("a"), target: "t", mode: "strict" });
    audit.write({ event: "recording-sealed", recording: id("a"), seal: "1", cause: "exited" });
    audit.write({ event: "recording-opened", recording: id("b"), target: "t", mode: "strict" });
    for (let count = 0; count < 3000; count += 1) audit.write(view(id("c"), "漢字".repeat(10)));
    audit.write({ event: "recording-deleted", actor, recording: id("a"), seal: "1", reason: "by policy" });
    expect(Object.fromEntries(await readAudited(path))).toEqual({
      [id("a")]: { opened: true, seal: "1", deleted: true },
      [id("b")]: { opened: true, deleted: false },
    });
  });

  test("notes that the wall clock was set", async () => {
    let aheadMs = 0;
    await using audit = open({ ...clock, wallMs: () => clock.wallMs() + aheadMs });
    aheadMs = -3_600_000;
    audit.write({ event: "reserve-hit", freeBytes: 1 });
    expect(chained().slice(2)).toMatchObject([{ event: "clock-jumped", byMs: -3_600_000 }, { event: "reserve-hit" }]);
  });

  test("does not follow a link, and does not go on with what is no log", async () => {
    writeFileSync(join(folder, "other"), "not a log\n");
    symlinkSync(join(folder, "other"), path);
    expect(() => open()).toThrow("ELOOP");
    rmSync(path);
    for (const text of ["not a log\n", "not a log"]) {
      writeFileSync(path, text);
      expect(() => open()).toThrow("Cannot use");
      expect(readFileSync(path, "utf8")).toBe(text);
    }
  });
});

describe("an audit log that cannot be written", () => {
  test("refuses what must not happen unnoted, and counts what happened anyway once it can be written again", async () => {
    await using audit = open();
    audit.assertWritable();
    const whole = readFileSync(path);
    appendFileSync(path, "from another writer\n");
    expect(() => audit.write(view(id("a")))).toThrow("cannot be written");
    expect(() => audit.assertWritable()).toThrow("no session may begin");
    audit.note({ event: "reserve-hit", freeBytes: 1 });
    audit.note({ event: "reserve-hit", freeBytes: 2 });
    truncateSync(path, whole.length);
    // Nobody has to try: it looks by itself whether it can go on.
    clock.pass(1000);
    audit.assertWritable();
    expect(chained().slice(2)).toMatchObject([
      { event: "events-lost", lost: 2, firstAtMs: 1_000_000, outcome: "failed" },
      { event: "checkpoint" },
    ]);
  });

  test("because it was removed is not written to where nobody finds it", async () => {
    await using audit = open();
    unlinkSync(path);
    expect(() => audit.write(view(id("a")))).toThrow("cannot be written");
  });

  test("because it was moved away is not written to where nobody looks for it, also when there is a new one", async () => {
    await using audit = open();
    renameSync(path, `${path}.1`);
    expect(() => audit.write(view(id("a")))).toThrow("cannot be written");
    writeFileSync(path, readFileSync(`${path}.1`));
    expect(() => audit.write(view(id("a")))).toThrow("cannot be written");
    renameSync(`${path}.1`, path);
    audit.write(view(id("a")));
  });

  test("says that the disk does not take it, until it does", async () => {
    // A log on a device that takes everything and keeps nothing cannot be had: the folder of the checkpoint is taken away.
    await using audit = open();
    await audit.synced();
    const kept = join(folder, "audit-checkpoint.json.new");
    mkdirSync(kept);
    for (let count = 0; count < 100; count += 1) audit.write({ event: "reserve-hit", freeBytes: count });
    await expect(audit.synced()).rejects.toThrow("EISDIR");
    expect(() => audit.assertWritable()).toThrow("no session may begin");
    rmSync(kept, { recursive: true });
    clock.pass(1000);
    await audit.synced();
    audit.assertWritable();
  });
});
