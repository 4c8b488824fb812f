import { execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readdirSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { faultOf } from "../../proto/client/index.ts";
import type { Dial } from "../../server/target/target.ts";
import { readCast } from "../support/cast-reader.ts";
import { createCountingClock } from "../support/counting-clock.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { auditOf, castFiles, dataOf, onlyCast, publicKeyOf } from "../support/recordings-of.ts";
import { createSickDisk } from "../support/sick-disk.ts";
import { openTestBastion, type TestBastionOptions } from "../support/test-bastion.ts";
import { until } from "../support/until.ts";
import { operate, watch } from "../support/viewing.ts";

const unrecorded = { kind: "closed", why: "unrecorded" } as const;

/** A bastion with one target in memory and a disk to make sick. */
async function opened(options: TestBastionOptions & { labels?: Record<string, string>; echo?: boolean } = {}) {
  const { labels = {}, echo = false, ...rest } = options;
  const memory = createMemoryTarget({ echo });
  const disk = createSickDisk();
  let dialled = 0;
  const dial: Dial = (...given) => {
    dialled += 1;
    return memory.dial(...given);
  };
  const target = { ...memory.target, labels };
  const bastion = await openTestBastion({ targets: [target], dial, disk, ...rest });
  return { memory, disk, bastion, data: dataOf(bastion), dialled: () => dialled };
}

async function refusal(bastion: Awaited<ReturnType<typeof opened>>["bastion"]) {
  await using shell = operate(bastion.clients(), "memory");
  return faultOf(
    await shell.over.then(
      () => undefined,
      (error: unknown) => error,
    ),
  );
}

describe("no recorder, no shell:", () => {
  test.each([
    ["EMFILE", "create", "no more file descriptors"],
    ["EACCES", "create", "cannot be written"],
    ["EROFS", "create", "read-only"],
    ["ENOENT", "create", "is gone"],
    ["ENOSPC", "write", "full"],
    ["EIO", "datasync", "failed"],
    ["EIO", "syncFolder", "failed"],
  ] as const)(
    "%s at %s refuses the session before anything is dialled, and leaves no file",
    async (code, call, said) => {
      const { bastion, disk, data, dialled } = await opened();
      await using _bastion = bastion;
      disk.refuse(code, call);
      const fault = await refusal(bastion);
      expect(fault?.word).toBe("recorder-lost");
      expect(fault?.message).toContain(said);
      expect(dialled()).toBe(0);
      expect(castFiles(data)).toEqual([]);
      disk.heal();
      await using shell = operate(bastion.clients(), "memory");
      expect((await shell.started()).session.recorded).toBe(true);
      bastion.registry.list();
      shell.shell.hangUp();
      await shell.ended();
    },
  );

  test("below the reserve sessions are refused, and the audit log says so", async () => {
    const { bastion, disk, data, dialled } = await opened();
    await using _bastion = bastion;
    disk.free(1024);
    expect((await refusal(bastion))?.message).toBe(
      "This session cannot be recorded: the disk of the recordings is nearly full.",
    );
    expect(dialled()).toBe(0);
    expect(auditOf(data).at(-1)).toMatchObject({ event: "reserve-hit", freeBytes: 1024 });
  });

  test("a dial that fails leaves no recording behind", async () => {
    const failing: Dial = () => Promise.reject(new Error("no"));
    const { bastion, data } = await opened({ dial: failing });
    await using _bastion = bastion;
    expect(await refusal(bastion)).toBeDefined();
    await until(() => castFiles(data).length === 0, "the file is gone");
    expect(auditOf(data)).toEqual([]);
  });

  test.skipIf(process.getuid?.() !== 0)("a folder on a read-only disk refuses sessions, not the start", async () => {
    await using tmpfs = mountTmpfs("4m");
    execFileSync("mount", ["-o", "remount,ro", tmpfs.folder]);
    const recording = { folder: tmpfs.folder, bestEffort: {}, reserveBytes: 0 };
    const memory = createMemoryTarget();
    await using bastion = await openTestBastion({ targets: [memory.target], dial: memory.dial, config: { recording } });
    expect((await refusal(bastion))?.message).toContain("read-only");
  });
});

describe("a strict session whose disk fails", () => {
  test("ends unrecorded, says why, shows nothing that is not in the file, and the file is sealed", async () => {
    const { bastion, disk, memory, data } = await opened();
    await using _bastion = bastion;
    const clients = bastion.clients();
    await using shell = operate(clients, "memory");
    const { session } = await shell.started();
    await using watcher = watch(clients, session.id);
    await watcher.started();
    await memory.pty().print("before 漢");
    await memory.pty().print(Buffer.from("漢").subarray(0, 2));
    await shell.shows("before");
    disk.refuse("ENOSPC", "write");
    void memory.pty().print("after");
    await until(() => memory.pty().hungUp(), "the target is hung up");
    disk.heal();
    for (const viewer of [shell, watcher]) {
      const { cause } = await viewer.ended();
      expect(cause).toMatchObject(unrecorded);
      expect(cause.kind === "closed" && cause.detail).toContain("the disk is full");
      expect(viewer.text()).not.toContain("after");
    }
    await until(() => auditOf(data).some(({ event }) => event === "recording-sealed"), "the seal");
    const cast = onlyCast(data);
    expect(cast.output).toEqual(Buffer.concat([Buffer.from("before 漢"), Buffer.from("漢").subarray(0, 2)]));
    expect(cast.final).toMatchObject(unrecorded);
    expect(auditOf(data).map((e) => e.event)).toEqual(["recording-opened", "recording-failed", "recording-sealed"]);
  });

  test("at its seal is told to have ended unrecorded", async () => {
    const { bastion, disk, memory, data } = await opened();
    await using _bastion = bastion;
    await using shell = operate(bastion.clients(), "memory");
    await shell.started();
    await memory.pty().print("all");
    await shell.shows("all");
    disk.refuse("EIO", "write", "datasync");
    memory.pty().exit({ kind: "exited", code: 0 });
    expect((await shell.ended()).cause).toMatchObject(unrecorded);
    expect(auditOf(data).at(-1)).toMatchObject({ event: "recording-failed" });
  });

  test("ends alone where the list of recordings has no room either", async () => {
    const { bastion, data } = await opened();
    await using _bastion = bastion;
    {
      // What SQLite says of a full disk, from now on and for every change of a row.
      using list = new DatabaseSync(join(data, "recordings.db"));
      list.exec(`CREATE TRIGGER full BEFORE UPDATE ON recordings
        BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END`);
    }
    await using shell = operate(bastion.clients(), "memory");
    await shell.started();
    shell.shell.hangUp();
    await shell.ended();
    await until(() => bastion.registry.size === 0, "the session is over, and what is counted after it");
    await using next = operate(bastion.clients(), "memory");
    await next.started();
    next.shell.hangUp();
    await next.ended();
  });

  test("gets 30 s notice when the disk is nearly full, and then ends in order", async () => {
    const { bastion, disk, data } = await opened({ clock: fastClock() });
    await using _bastion = bastion;
    await using shell = operate(bastion.clients(), "memory");
    await shell.started();
    disk.free(1000);
    await until(() => shell.events.some((e) => e.kind === "notice" && e.text.includes("in 30 seconds")), "the notice");
    expect((await shell.ended()).cause).toMatchObject(unrecorded);
    await until(() => auditOf(data).some(({ event }) => event === "recording-sealed"), "the seal");
    expect(onlyCast(data).comments("notice")).toMatchObject([{ about: "recording" }]);
  });
});

/** Its timers come twenty times as fast. */
function fastClock() {
  const clock = createCountingClock();
  const every = clock.every.bind(clock);
  return {
    ...clock,
    monotonicMs: () => clock.monotonicMs() * 20,
    every: (ms: number, call: () => void) => every(ms / 20, call),
    get pending() {
      return clock.pending;
    },
  };
}

describe("a slow disk", () => {
  test("delays output but not keys, order or memory, and holds nobody else up", { timeout: 60_000 }, async () => {
    const { bastion, disk, memory, data } = await opened();
    await using _bastion = bastion;
    const clients = bastion.clients();
    await using shell = operate(clients, "memory");
    const { session } = await shell.started();
    disk.slow(40);
    const sent: string[] = [];
    for (let index = 0; index < 30; index += 1) {
      sent.push(`line ${index}\r\n`);
      void memory.pty().print(sent[index] ?? "");
      if (index % 10 === 5) shell.shell.resize({ cols: 80 + index, rows: 24 });
    }
    await using watcher = watch(clients, session.id);
    await watcher.started();
    await shell.shows("line 29");
    expect(shell.bytes().toString()).toBe(sent.join(""));
    let latest = performance.now();
    let longest = 0;
    const timer = setInterval(() => {
      longest = Math.max(longest, performance.now() - latest);
      latest = performance.now();
    }, 1);
    disk.slow(400);
    await memory.pty().print("first");
    await memory.pty().print("second");
    await shell.shows("second");
    clearInterval(timer);
    disk.slow(2500);
    await memory.pty().print("third");
    const stalls = (e: (typeof shell.events)[number]) =>
      e.kind === "notice" && e.text.includes("disk of the recordings is slow");
    expect(shell.events.some(stalls)).toBe(true);
    // The disk was known to be slow: nothing waited for it in the thread of all.
    expect(longest).toBeLessThan(300);
    disk.heal();
    memory.pty().exit({ kind: "exited", code: 0 });
    await shell.ended();
    expect(onlyCast(data).output.toString()).toBe(`${sent.join("")}firstsecondthird`);
  });

  test("has everything synced and sealed within a second of its coming", async () => {
    const { bastion, disk, memory, data } = await opened();
    await using _bastion = bastion;
    await using shell = operate(bastion.clients(), "memory");
    await shell.started();
    for (let round = 0; round < 3; round += 1) {
      const syncs = disk.syncs;
      await memory.pty().print(`round ${round} `);
      const start = performance.now();
      await until(() => disk.syncs > syncs && disk.unsyncedBytes === 0, "all is synced");
      expect(performance.now() - start).toBeLessThan(1200);
      expect(onlyCast(data).unsealedBytes).toBe(0);
    }
    shell.shell.hangUp();
    await shell.ended();
  });
});

describe("best effort", () => {
  const recording = { bestEffort: { tier: "break-glass" }, reserveBytes: 0 };
  const labels = { tier: "break-glass" };

  test("goes on without its recording, loudly, and is recorded again from an exact screen", {
    timeout: 30_000,
  }, async () => {
    const { bastion, disk, memory, data } = await opened({ labels, config: { recording } });
    await using _bastion = bastion;
    const clients = bastion.clients();
    await using shell = operate(clients, "memory");
    const { session } = await shell.started();
    const told = (text: string) => shell.events.some((e) => e.kind === "notice" && e.text.includes(text));
    await until(() => told("goes on even when it cannot be recorded"), "the standing notice");
    await memory.pty().print("before ");
    disk.refuse("ENOSPC", "write");
    await memory.pty().print("missing ");
    await shell.shows("missing");
    await until(() => told("NOT recorded"), "the notice");
    expect(bastion.registry.list()[0]?.recorded).toBe(false);
    await using late = watch(clients, session.id);
    await until(() => late.events.some((e) => e.kind === "notice" && e.text.includes("NOT recorded")), "told late");
    disk.heal();
    await until(() => told("recorded again"), "it is recorded again");
    expect(bastion.registry.list()[0]?.recorded).toBe(true);
    await memory.pty().print("after");
    await shell.shows("after");
    memory.pty().exit({ kind: "exited", code: 0 });
    await shell.ended();
    const cast = onlyCast(data);
    expect(cast.output.toString()).toBe("before after");
    expect(cast.comments("gap")).toMatchObject([{ from: 7, to: 15, reason: "the disk is full" }]);
    const redrawn = cast.events.find(({ code, text }) => code === "o" && text.includes("missing"));
    expect(redrawn?.text.startsWith("\x1bc")).toBe(true);
    const kinds = auditOf(data).map(({ event }) => event);
    expect(kinds).toEqual(["recording-opened", "recording-degraded", "recording-recovered", "recording-sealed"]);
  });

  test("begins without a recording that cannot be made, and makes it when it can", { timeout: 30_000 }, async () => {
    const { bastion, disk, memory, data } = await opened({ labels, config: { recording } });
    await using _bastion = bastion;
    disk.refuse("EMFILE", "create");
    await using shell = operate(bastion.clients(), "memory");
    expect((await shell.started()).session.recorded).toBe(false);
    await memory.pty().print("unseen ");
    await shell.shows("unseen");
    disk.heal();
    await until(() => bastion.registry.list()[0]?.recorded === true, "it is recorded");
    await memory.pty().print("seen");
    await shell.shows("seen");
    shell.shell.hangUp();
    await shell.ended();
    const cast = onlyCast(data);
    expect(cast.comments("gap")).toMatchObject([{ from: 0, to: 7 }]);
    expect(cast.output.toString()).toBe("seen");
  });
});

function mountTmpfs(size: string) {
  const folder = mkdtempSync(join(tmpdir(), "bartizan-disk-"));
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", folder]);
  return {
    folder,
    /** Leaves so many bytes. */
    fill(leaveBytes: number) {
      const file = openSync(join(folder, "filler"), "w");
      try {
        for (;;) writeSync(file, Buffer.alloc(4096));
      } catch {
        // Full.
      }
      closeSync(file);
      execFileSync("truncate", ["-s", `-${leaveBytes}`, join(folder, "filler")]);
    },
    [Symbol.asyncDispose]: async () => {
      execFileSync("umount", ["-l", folder]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

describe.skipIf(process.getuid?.() !== 0)("a disk that is really full", () => {
  async function onTmpfs(size: string) {
    const tmpfs = mountTmpfs(size);
    const recording = { folder: tmpfs.folder, bestEffort: {}, reserveBytes: 0 };
    const memory = createMemoryTarget();
    const bastion = await openTestBastion({ targets: [memory.target], dial: memory.dial, config: { recording } });
    return { tmpfs, memory, bastion, recording };
  }

  test("refuses a session at its start", async () => {
    const { tmpfs, bastion } = await onTmpfs("4m");
    await using _tmpfs = tmpfs;
    await using _bastion = bastion;
    tmpfs.fill(0);
    expect((await refusal(bastion))?.message).toContain("full");
    expect(readdirSync(tmpfs.folder).filter((name) => name.endsWith(".cast"))).toEqual([]);
  });

  test.each(["in the middle", "at the seal"])(
    "ends a session %s, and the reserve has room for its seal",
    async (when) => {
      const { tmpfs, bastion, memory } = await onTmpfs("4m");
      await using _tmpfs = tmpfs;
      await using _bastion = bastion;
      await using shell = operate(bastion.clients(), "memory");
      await shell.started();
      await memory.pty().print("begin ");
      await shell.shows("begin");
      tmpfs.fill(0);
      if (when === "at the seal") memory.pty().exit({ kind: "exited", code: 7 });
      else
        for (let count = 0; count < 64 && !memory.pty().hungUp(); count += 1)
          await Promise.race([
            memory.pty().print("x".repeat(4096)),
            until(() => memory.pty().hungUp(), "hung up").catch(() => {}),
          ]);
      const { cause } = await shell.ended();
      if (when === "at the seal") expect(cause).toEqual({ kind: "exited", code: 7 });
      else expect(cause).toMatchObject(unrecorded);
      await until(() => auditOf(dataOf(bastion)).some(({ event }) => event === "recording-sealed"), "the seal");
      const [name = ""] = readdirSync(tmpfs.folder).filter((each) => each.endsWith(".cast"));
      const cast = readCast(join(tmpfs.folder, name), publicKeyOf(dataOf(bastion)));
      expect(cast.final).toMatchObject(when === "at the seal" ? { kind: "exited" } : unrecorded);
      expect(cast.output.subarray(0, shell.bytes().length)).toEqual(shell.bytes());
    },
  );
});

test("steps of the wall clock do not move the times of a recording", async () => {
  const clock = createCountingClock();
  let stepMs = 0;
  const stepping = { ...clock, wallMs: () => clock.wallMs() + stepMs };
  const { bastion, memory, data } = await opened({ clock: stepping });
  await using _bastion = bastion;
  await using shell = operate(bastion.clients(), "memory");
  await shell.started();
  for (const ms of [86_400_000, -86_400_000, 0]) {
    stepMs = ms;
    await memory.pty().print(`step ${ms} `);
    await shell.shows(`step ${ms} `);
  }
  memory.pty().exit({ kind: "exited", code: 0 });
  await shell.ended();
  const times = onlyCast(data).events.map(({ atMs }) => atMs);
  expect(times).toEqual(times.toSorted((one, other) => one - other));
  expect(times.at(-1)).toBeLessThan(10_000);
});
