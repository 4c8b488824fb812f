import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { CommandQuery, CommandStore, StoredCommand } from "../../server/commands/command.ts";
import { openCommandStore } from "../../server/commands/command-store.ts";
import type { SessionId } from "../../server/events.ts";
import { systemClock } from "../../server/flow/clock.ts";
import { createLog, type Log } from "../../server/log.ts";
import { until } from "../support/until.ts";

const baseMs = 1_750_000_000_000;

function stored(number: number, text: string, change: Partial<StoredCommand> = {}): StoredCommand {
  return {
    ...{ sessionId: "n1-a" as SessionId, number, operator: "alice", target: "web1", recordingId: "r1", text, cwd: "" },
    ...{ startedMs: number * 1000, atMs: baseMs + number * 1000, outputFrom: number, outputTo: number + 1 },
    confidence: "observed",
    ...change,
  };
}

describe("the store of commands", () => {
  let folder: string;
  let store: CommandStore;
  const errors: unknown[][] = [];
  const log = { ...createLog("silent"), error: (...given: unknown[]) => errors.push(given) } as unknown as Log;
  const open = () => openCommandStore({ path: join(folder, "commands.db"), clock: systemClock, log });
  const search = (query: Partial<CommandQuery>) => store.search({ limit: 50, ...query }, AbortSignal.timeout(5000));
  const found = async (query: Partial<CommandQuery>) => (await search(query)).commands.map(({ text }) => text);
  beforeEach(() => {
    errors.length = 0;
    folder = mkdtempSync(join(tmpdir(), "bartizan-commands-"));
    store = open();
  });
  afterEach(async () => {
    await store[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  it("finds words by their beginnings, phrases as they stand, newest first", async () => {
    store.put(stored(1, "systemctl restart nginx"));
    store.put(stored(2, "rm -rf /tmp/build"));
    store.put(stored(3, "echo rf rm"));
    store.put(stored(4, "echo Grüße 你好"));
    expect(await found({})).toEqual(["echo Grüße 你好", "echo rf rm", "rm -rf /tmp/build", "systemctl restart nginx"]);
    expect(await found({ text: "rest sys" })).toEqual(["systemctl restart nginx"]);
    expect(await found({ text: "rm rf" })).toEqual(["echo rf rm", "rm -rf /tmp/build"]);
    expect(await found({ text: '"rm -rf"' })).toEqual(["rm -rf /tmp/build"]);
    expect(await found({ text: "gru" })).toEqual(["echo Grüße 你好"]);
    expect(await found({ text: "/tmp/bu" })).toEqual(["rm -rf /tmp/build"]);
    expect(await found({ text: "tart" })).toEqual([]);
  });

  it("keeps nothing of a session that was deleted, though more is found in it afterwards", async () => {
    store.put(stored(1, "echo before"));
    await store.forget("n1-a");
    store.put(stored(2, "echo after"));
    expect(await found({})).toEqual([]);
  });

  it("holds no more than 8 MiB while the disk stands still, says what it lost, and goes on", async () => {
    store.put(stored(1, "echo first"));
    expect(await found({ text: "first" })).toEqual(["echo first"]);
    const other = new DatabaseSync(join(folder, "commands.db"));
    other.exec("BEGIN IMMEDIATE");
    const text = `echo ${"x".repeat(20_000)}`;
    for (let number = 2; number < 602; number++) store.put(stored(number, text));
    other.exec("COMMIT");
    other.close();
    await until(() => errors.length > 0, "the loss is told");
    expect(errors[0]?.[1]).toContain("commands were lost");
    const kept = (await store.search({ limit: 500, sessionId: "n1-a" }, AbortSignal.timeout(5000))).commands.length;
    expect(kept).toBeGreaterThan(150);
    const [lost] = errors.map(([what]) => (what as { commands: number }).commands);
    expect(kept + (lost ?? 0)).toBe(601);
    store.put(stored(700, "echo last"));
    expect(await found({ text: "last" })).toEqual(["echo last"]);
  });

  it("narrows by operator, target, session and time, and by all of them with words", async () => {
    store.put(stored(1, "echo one"));
    store.put(stored(2, "echo two", { operator: "bob" }));
    store.put(stored(3, "echo three", { target: "db1", sessionId: "n1-b" as SessionId }));
    expect(await found({ operator: "bob" })).toEqual(["echo two"]);
    expect(await found({ target: "db1", text: "ec" })).toEqual(["echo three"]);
    expect(await found({ sessionId: "n1-a" })).toEqual(["echo one", "echo two"]);
    expect(await found({ sessionId: "n1-a", text: "echo" })).toEqual(["echo one", "echo two"]);
    expect(await found({ fromMs: baseMs + 2000, untilMs: baseMs + 3000 })).toEqual(["echo two"]);
    expect(await found({ text: "echo", fromMs: baseMs + 1001 })).toEqual(["echo three", "echo two"]);
    expect(await found({ text: "echo", operator: "alice", target: "web1" })).toEqual(["echo one"]);
    expect(await found({ operator: 'alice" OR "bob' })).toEqual([]);
  });

  it.each([
    '"',
    '""',
    'a" OR text:b',
    "NEAR(",
    "text : x",
    "* ^ -",
    "col:x AND",
    "'; DROP TABLE commands; --",
    "%",
    "\0a",
  ])("takes %j as text, not as syntax", async (text) => {
    store.put(stored(1, "echo safe"));
    const outcome = await found({ text }).catch((error) => error.word);
    expect([[], "invalid"]).toContainEqual(outcome);
    expect(await found({})).toEqual(["echo safe"]);
  });

  it("pages without a gap and without a double, newest first, and in order within a session", async () => {
    for (let number = 1; number <= 25; number++)
      store.put(stored(number, `echo ${number}`, { atMs: baseMs + (number >> 2) }));
    for (const sessionId of [undefined, "n1-a"]) {
      for (const text of [undefined, "echo"]) {
        const all: number[] = [];
        let after: number | undefined;
        do {
          const query = { limit: 7, ...(sessionId && { sessionId }), ...(text && { text }), ...(after && { after }) };
          const page = await search(query);
          all.push(...page.commands.map(({ number }) => number));
          after = page.next;
        } while (after !== undefined);
        const order = Array.from({ length: 25 }, (_, index) => index + 1);
        expect(all).toEqual(sessionId === undefined ? order.reverse() : order);
      }
    }
  });

  it("replaces a command of which more is known, also in what words find", async () => {
    store.put(stored(1, "!!"));
    await found({});
    store.put(stored(1, "make install", { exitCode: 2, endedMs: 5000, cwd: "/src" }));
    expect((await search({})).commands).toMatchObject([
      { text: "make install", exitCode: 2, endedMs: 5000, cwd: "/src" },
    ]);
    expect(await found({ text: "inst" })).toEqual(["make install"]);
  });

  it("forgets a session, and keeps the rest over a restart", async () => {
    store.put(stored(1, "echo gone"));
    store.put(stored(2, "echo kept", { sessionId: "n1-b" as SessionId }));
    await store.forget("n1-a");
    await store[Symbol.asyncDispose]();
    store = open();
    expect(await found({ text: "echo" })).toEqual(["echo kept"]);
    expect(await found({ sessionId: "n1-a" })).toEqual([]);
  });

  it("refuses a file that is no database, with its reason", () => {
    writeFileSync(join(folder, "broken.db"), "not a database, but long enough to be looked at".repeat(50));
    const options = { path: join(folder, "broken.db"), clock: systemClock, log: createLog("silent") };
    expect(() => openCommandStore(options)).toThrow(/broken\.db cannot be used/);
  });
});
