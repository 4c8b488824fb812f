/** Acceptance A45: the chain of the audit log finds every change of it, and names the first bad line. */
import { spawn, spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { hashOf, noHash } from "../../server/audit/audit-lines.ts";
import { type KeptCheckpoint, readKeptCheckpoint } from "../../server/audit/checkpoint.ts";
import { openAudit } from "../../server/audit/open-audit.ts";
import { verifyAudit } from "../../server/audit/verify-audit.ts";
import { createLog } from "../../server/log.ts";
import { keyRing } from "../../server/recording/public-key.ts";
import { openSealKey, type SealKey } from "../../server/recording/seal-key.ts";
import { root } from "../house/sources.ts";
import { createHeldClock } from "../support/held-clock.ts";
import { until } from "../support/until.ts";

let folder: string;
let path: string;
let key: SealKey;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bartizan-audit-"));
  path = join(folder, "audit.jsonl");
  key = openSealKey(folder);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const log = createLog("silent");
const clock = createHeldClock();
const { signal } = new AbortController();
const open = () => openAudit({ path, clock, log, node: "n1", signer: key });

/** One life of a server: opened, checkpoint, `events` lines, checkpoint. */
async function life(events: number): Promise<void> {
  await using audit = open();
  for (let count = 1; count <= events; count += 1) audit.write({ event: "reserve-hit", freeBytes: count });
}

const lines = () => readFileSync(path, "utf8").trimEnd().split("\n");
const put = (text: readonly string[]) => writeFileSync(path, text.map((line) => `${line}\n`).join(""));
const kept = () => readKeptCheckpoint(join(folder, "audit-checkpoint.json"));
const keyOf = () => keyRing([key.publicKey]);
const verify = (checkpoint: KeptCheckpoint | undefined = kept(), seals: ReadonlyMap<string, string> = new Map()) =>
  verifyAudit({ path, keyOf: keyOf(), checkpoint, signal, seals });

/** What somebody without the key can do: every line bound anew. */
function boundAnew(all: readonly string[]): string[] {
  let prev = noHash;
  return all.map((line, index) => {
    const text = JSON.stringify({ ...JSON.parse(line), n: index + 1, prev });
    prev = hashOf(`${text}\n`);
    return text;
  });
}

describe("an audit log that was left alone", () => {
  test("is complete over restarts, and says how many lines are signed", async () => {
    await life(3);
    await life(120);
    expect(await verify()).toEqual({
      ...{ verdict: "complete", detail: "130 lines, 2 starts, signed up to line 130", lines: 130 },
    });
  });

  test("is complete while its server runs, and says what no checkpoint covers yet", async () => {
    await using audit = open();
    audit.write({ event: "reserve-hit", freeBytes: 1 });
    await audit.synced();
    expect(await verify()).toMatchObject({
      verdict: "complete",
      detail: expect.stringContaining("1 at the end not yet"),
    });
  });

  test("is complete after a crash in the middle of a line and a restart, which tells of it", async () => {
    const crashed = open();
    crashed.write({ event: "reserve-hit", freeBytes: 1 });
    await crashed.synced();
    writeFileSync(path, '{"n":4,"id"', { flag: "a" });
    expect(await verify()).toMatchObject({ verdict: "incomplete" });
    await life(1);
    expect(await verify()).toMatchObject({ verdict: "complete" });
    expect(JSON.parse(lines()[3] ?? "")).toMatchObject({ event: "log-opened", previous: "crashed", tornBytes: 11 });
  });
});

test("a writer that is killed at any moment leaves a log that the next one goes on with, whole", async () => {
  const script = join(root, "test", "audit", "log-writer.ts");
  for (let round = 0; round < 5; round += 1) {
    const writer = spawn(process.execPath, [script, folder], { stdio: "ignore" });
    const over = new Promise((resolve) => writer.once("exit", resolve));
    const before = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    await until(
      () => (statSync(path, { throwIfNoEntry: false })?.size ?? 0) > before + 3000 * (round + 1),
      "it writes",
    );
    writer.kill("SIGKILL");
    await over;
    expect(["complete", "incomplete"]).toContain((await verify()).verdict);
  }
  await life(1);
  expect(await verify()).toMatchObject({ verdict: "complete", detail: expect.stringContaining("6 starts") });
  const starts = lines().flatMap((line) => (line.includes('"log-opened"') ? [JSON.parse(line).previous] : []));
  expect(starts).toEqual(["none", ...Array.from({ length: 5 }, () => "crashed")]);
}, 60_000);

describe("verifying an audit log names the first bad line", () => {
  // Lines: 1 opened, 2 checkpoint, 3 to 7 events, 8 checkpoint, 9 opened, 10 checkpoint, 11 and 12 events, 13 checkpoint.
  beforeEach(async () => {
    await life(5);
    await life(2);
  });

  test("of an edit, wherever it is", async () => {
    const whole = lines();
    for (const at of whole.keys()) {
      const changed = (whole[at] ?? "").replace('"node":"n1"', '"node":"n2"');
      put(whole.with(at, changed));
      expect(await verify()).toMatchObject({ verdict: "altered", line: at + 1 });
    }
  });

  test("of a deletion, wherever it is", async () => {
    const whole = lines();
    for (const at of whole.keys()) {
      put(whole.toSpliced(at, 1));
      const last = at === whole.length - 1;
      expect(await verify()).toMatchObject({ verdict: last ? "missing" : "altered", line: at + 1 });
    }
  });

  test("of a reordering, an insertion and a repetition", async () => {
    const whole = lines();
    for (let at = 0; at + 1 < whole.length; at += 1) {
      put(whole.with(at, whole[at + 1] ?? "").with(at + 1, whole[at] ?? ""));
      expect(await verify()).toMatchObject({ verdict: "altered", line: at + 1 });
      put(whole.toSpliced(at, 0, whole[at] ?? ""));
      expect(await verify()).toMatchObject({ verdict: "altered", line: at + 2 });
    }
  });

  test("of a cut tail, against the checkpoint that was kept", async () => {
    const whole = lines();
    for (let length = 0; length < whole.length; length += 1) {
      put(whole.slice(0, length));
      expect(await verify()).toMatchObject({ verdict: "missing", line: length + 1 });
    }
  });

  test("of a cut tail, against the seals of the recordings, where the checkpoint was put back as well", async () => {
    const seals = new Map([["a".repeat(32), "5ea1"]]);
    const [old, before] = [kept(), lines()];
    {
      await using audit = open();
      audit.write({ event: "recording-sealed", recording: "a".repeat(32) as never, seal: "5ea1", cause: "exited" });
    }
    expect(await verify(kept(), seals)).toMatchObject({ verdict: "complete" });
    put(before);
    expect(await verify(old)).toMatchObject({ verdict: "complete" });
    expect(await verify(old, seals)).toMatchObject({ verdict: "missing", line: 14 });
  });

  test("of a cut that the next start found, for ever", async () => {
    put(lines().slice(0, 11));
    await life(1);
    expect(await verify()).toMatchObject({ verdict: "missing", line: 12, detail: expect.stringContaining("line 12") });
  });

  test("of a log that was written anew by somebody without the key", async () => {
    const whole = lines();
    put(boundAnew(whole.with(4, (whole[4] ?? "").replace('"freeBytes":3', '"freeBytes":4'))));
    // Between the last good checkpoint and the first that does not fit.
    expect(await verify()).toMatchObject({ verdict: "altered", line: 3 });
    put(boundAnew(whole.filter((line) => !line.includes('"checkpoint"'))));
    expect(await verifyAudit({ path, keyOf: keyOf(), signal })).toMatchObject({ verdict: "unsigned" });
    expect(await verify()).toMatchObject({ verdict: "missing" });
  });

  test("of two writers, of whom neither goes on as if nothing were", async () => {
    const [one, other] = [open(), open()];
    other.write({ event: "reserve-hit", freeBytes: 1 });
    expect(() => one.write({ event: "reserve-hit", freeBytes: 2 })).toThrow("cannot be written");
    await Promise.all([one, other].map((each) => each[Symbol.asyncDispose]()));
    expect(await verify()).toMatchObject({ verdict: "complete" });
    put([...lines(), lines().at(-1) ?? ""]);
    expect(await verify()).toMatchObject({ verdict: "altered", line: lines().length });
  });

  test("says that events were lost, and that nobody known has signed", async () => {
    const whole = lines();
    const lost = JSON.stringify({ event: "events-lost", lost: 7, n: 14, prev: hashOf(`${whole.at(-1)}\n`), atMs: 1 });
    put([...whole, lost]);
    expect(await verify()).toMatchObject({ verdict: "gap", detail: expect.stringContaining("7 events") });
    const stranger = await verifyAudit({ path, keyOf: () => undefined, checkpoint: kept(), signal });
    expect(stranger).toMatchObject({ verdict: "unsigned" });
  });

  test("bears anything", async () => {
    for (const text of ["\n", "null\n", "[]\n", '{"n":1}\n', "x".repeat(300_000), "\xff\xfe\n"]) {
      writeFileSync(path, text);
      expect(["altered", "missing"]).toContain((await verify()).verdict);
    }
  });
});

describe("a log whose end was written anew behind an early checkpoint, by somebody without the key", () => {
  const checkpointFile = () => join(folder, "audit-checkpoint.json");
  const openedAs = () => lines().flatMap((line) => (line.includes('"log-opened"') ? [JSON.parse(line).previous] : []));

  /** Keeps what the checkpoint in this line covers; `changed` of the lines behind it are left, none of them signed. */
  async function forge(changed: number, atLine = 2): Promise<void> {
    await life(1200);
    const whole = lines();
    const rest = whole.slice(atLine).filter((line) => !line.includes('"checkpoint"'));
    put(boundAnew([...whole.slice(0, atLine), ...rest.slice(0, changed).map((line) => line.replace('"n1"', '"n9"'))]));
    writeFileSync(checkpointFile(), `${whole[atLine - 1]}\n`);
  }

  test("is not complete, whether the early checkpoint is kept or none is", async () => {
    await forge(1000);
    expect(await verify()).toMatchObject({ verdict: "altered", line: 3 });
    rmSync(checkpointFile());
    expect(await verify(undefined)).toMatchObject({ verdict: "altered", line: 3 });
  });

  test("is not signed by the next start as if nothing were: it says so, for ever", async () => {
    await forge(1000);
    await life(3);
    expect(openedAs()).toEqual(["none", "altered"]);
    // Also where nobody looks at how many lines have no checkpoint.
    expect(await verify()).toMatchObject({ verdict: "altered", line: 3 });
  });

  test("says so at the next start when the kept checkpoint is gone or is not the server's", async () => {
    await life(3);
    await life(3);
    rmSync(checkpointFile());
    await life(1);
    expect(openedAs()).toEqual(["none", "closed", "cut"]);
    writeFileSync(checkpointFile(), (lines().at(-1) ?? "").replace(/"sig":"..../, '"sig":"AAAA'));
    await life(1);
    expect(openedAs()).toEqual(["none", "closed", "cut", "altered"]);
    expect(await verify()).toMatchObject({ verdict: "missing" });
  });

  test("is found by its missing checkpoint file, by a start without a checkpoint, and by a checkpoint of another key", async () => {
    await life(3);
    await life(3);
    expect(await verifyAudit({ path, keyOf: keyOf(), signal })).toMatchObject({ verdict: "missing" });
    const whole = lines();
    put(boundAnew(whole.toSpliced(7, 1)));
    expect(JSON.parse(lines()[6] ?? "")).toMatchObject({ event: "log-opened" });
    expect(await verify()).toMatchObject({ verdict: "altered", line: 7 });
    const other = JSON.stringify({ ...JSON.parse(whole[7] ?? ""), key: "0".repeat(16) });
    put(boundAnew(whole.with(7, other)).slice(0, 8));
    writeFileSync(checkpointFile(), `${whole[1]}\n`);
    expect(await verify()).toMatchObject({ verdict: "unsigned", line: 8 });
    await life(1);
    expect(openedAs().at(-1)).toBe("altered");
  });

  test("can only be forged unseen in the short tail that no checkpoint covers", async () => {
    await forge(100);
    expect(await verify()).toMatchObject({
      verdict: "complete",
      detail: expect.stringContaining("100 at the end not"),
    });
    await forge(140);
    expect(await verify()).toMatchObject({ verdict: "altered" });
  });
});

test("`bartizan verify --audit` needs no server, and exits with what it found", async () => {
  await life(2);
  const data = join(folder, "state", "bartizan");
  mkdirSync(data, { recursive: true });
  const names = ["audit.jsonl", "audit-checkpoint.json", "recording-key.pub"];
  for (const name of names) copyFileSync(join(folder, name), join(data, name));
  const run = (...args: string[]) => {
    const env = { ...process.env, HOME: folder, XDG_STATE_HOME: join(folder, "state") };
    const command = ["server/main.ts", "verify", "--audit", ...args];
    const { status, stdout } = spawnSync(process.execPath, command, { cwd: root, env, encoding: "utf8" });
    return [status, stdout];
  };
  expect(run()).toEqual([0, expect.stringContaining("complete: 5 lines, 1 starts")]);
  expect(run(path, "--json")).toEqual([0, expect.stringContaining('"verdict":"complete"')]);
  const [first, ...rest] = lines();
  writeFileSync(join(data, "audit.jsonl"), rest.map((line) => `${line}\n`).join(""));
  expect(first).toContain("log-opened");
  expect(run()).toEqual([5, expect.stringContaining("altered: line 1 is missing")]);
  writeFileSync(join(data, "audit.jsonl"), `${first}\n`);
  expect(run()).toEqual([7, expect.stringContaining("missing: lines 2 to 5")]);
  rmSync(join(data, "audit.jsonl"));
  expect(run()).toEqual([7, expect.stringContaining("no such file")]);
});
