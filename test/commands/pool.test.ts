import { describe, expect, it } from "vitest";
import { type CommandPool, openCommandPool } from "../../server/commands/command-pool.ts";
import type { CommandSeen, SessionId } from "../../server/events.ts";
import { systemClock } from "../../server/flow/clock.ts";
import { createLog } from "../../server/log.ts";
import { until } from "../support/until.ts";

function openPool(options: { workerUrl?: URL; stuckMs?: number; budgetMs?: number } = {}): CommandPool {
  return openCommandPool({ clock: systemClock, log: createLog("silent"), onCommand: () => {}, ...options });
}

const mortal = { workerUrl: new URL("../support/mortal-command-worker.ts", import.meta.url), stuckMs: 500 };

/** One session, whose prompt is there. */
function session(pool: CommandPool, name: string) {
  const seen = new Map<number, CommandSeen>();
  const origin = {
    sessionId: name as SessionId,
    operator: "a",
    target: "t",
    openedAtMs: 0,
    recordingId: () => undefined,
  };
  const tap = pool.openTap(origin, { cols: 80, rows: 24 }, (command) => seen.set(command.number, command));
  let offset = 0;
  const print = (text: string | Uint8Array) => {
    const bytes = typeof text === "string" ? Buffer.from(text) : text;
    tap.event({ kind: "output", offset, atMs: 1, bytes });
    offset += bytes.length;
  };
  const run = (text: string) => {
    print("\x1b[?2004h$ ");
    for (const key of text) {
      tap.input(Buffer.from(key), 1);
      print(key);
    }
    tap.input(Buffer.from("\r"), 1);
    print("\r\n\x1b[?2004l\r");
  };
  const texts = () => [...seen.values()].map(({ text }) => text);
  return { tap, print, run, texts, seen, offset: () => offset };
}

describe("the thread of the extractors", () => {
  it("tells commands as they are typed, and how many at the end", async () => {
    await using pool = openPool();
    const one = session(pool, "one");
    one.run("echo 1");
    await until(() => one.texts().includes("echo 1"), "the command is told");
    one.run("echo 2");
    expect(await one.tap.end()).toBe(2);
    expect(one.texts()).toEqual(["echo 1", "echo 2"]);
  });

  it.each([
    ["counts of 2^31 - 1", "\x1b[2147483647S\x1b[2147483647T\x1b[2147483647L\x1b[2147483647M\x1b[2147483647bx"],
    ["an endless OSC", `\x1b]633;E;${"x".repeat(3_000_000)}\x07`],
    ["a flood of plain text", "the quick brown fox\r\n".repeat(1_000_000)],
    ["a flood that moves the cursor about", "\x1b[5;5Hx\x1b[6;6Hy".repeat(500_000)],
    ["links without end", Array.from({ length: 20_000 }, (_, i) => `\x1b]8;;http://x/${i}\x07a`).join("")],
    ["prompts that nobody typed at", "\x1b[?2004h$ rm\r\n\x1b[?2004l\r".repeat(100_000)],
  ])("goes on after %s", async (_what, hostile) => {
    await using pool = openPool();
    const one = session(pool, "one");
    const other = session(pool, "other");
    one.run("cat hostile");
    const bytes = Buffer.from(hostile);
    for (let at = 0; at < bytes.length; at += 32_768) {
      one.print(bytes.subarray(at, at + 32_768));
      if (at % (32_768 * 8) === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    one.print("\x1b\\\x18\r\n");
    one.run("echo after");
    other.run("echo elsewhere");
    await until(() => one.texts().at(-1) === "echo after", "the next command is found", 15_000);
    await until(() => other.texts().includes("echo elsewhere"), "the other session's is, too");
    expect(pool.losses).toEqual({ restarts: 0, sessions: 0 });
    const last = [...one.seen.values()].at(-1);
    expect(last?.outputFrom).toBeGreaterThan(bytes.length);
    expect(last?.outputFrom).toBeLessThanOrEqual(one.offset());
  });

  it.each(["<hang>", "<exit>"])(
    "is replaced when a session makes it %s, which costs that session's commands alone",
    async (word) => {
      await using pool = openPool(mortal);
      const good = session(pool, "good");
      const bad = session(pool, "bad");
      good.run("echo before");
      await until(() => good.texts().includes("echo before"), "the first command");
      bad.print(word);
      await until(() => pool.losses.restarts === 1, "the thread is replaced");
      good.run("echo after");
      await until(() => good.texts().includes("echo after"), "the good one goes on");
      expect(good.seen.get(2)).toMatchObject({ text: "echo after", number: 2 });
      bad.run("echo lost");
      expect(await bad.tap.end()).toBe(0);
      expect(pool.losses).toEqual({ restarts: 1, sessions: 1 });
    },
  );

  it("gives a session up that costs more than its budget again and again", async () => {
    await using pool = openPool({ budgetMs: -1 });
    const one = session(pool, "one");
    const lost = () => {
      one.print("x");
      return pool.losses.sessions === 1;
    };
    await until(lost, "its commands are lost");
    expect(pool.losses.restarts).toBe(0);
    expect(await one.tap.end()).toBe(0);
  });
});
