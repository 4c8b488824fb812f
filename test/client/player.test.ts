import { describe, expect, it } from "vitest";
import { createPlayer, type PlayerOptions } from "../../proto/client/player.ts";
import type { ReplayEvent } from "../../proto/client/replay.ts";

const bytes = new TextEncoder();

/** Output at these times, then the end; a seek begins at the newest multiple of 1000. */
function recording(times: readonly number[], opened: number[] = []): PlayerOptions["open"] {
  return async function* (fromMs) {
    opened.push(fromMs);
    const from = Math.floor(fromMs / 1000) * 1000;
    const size = { cols: 80, rows: 24 };
    yield {
      kind: "key-frame",
      offset: from,
      size,
      bytes: bytes.encode("f"),
      skippedBytes: 0,
      approximate: false,
      atMs: from,
    };
    for (const atMs of times) if (atMs > from) yield { kind: "output", offset: atMs, bytes: bytes.encode("x"), atMs };
    yield { kind: "ended", offset: 0, cause: { kind: "exited", code: 0 }, atMs: times.at(-1) ?? 0 };
  };
}

/** A player with a clock that only `pass` moves; `shown`: what was shown at which time of that clock. */
function played(open: PlayerOptions["open"], options: Partial<PlayerOptions> & { lateMs?: number } = {}) {
  const { lateMs = 0, ...wishes } = options;
  let nowMs = 0;
  const timers = new Set<{ atMs: number; call: () => void }>();
  const shown: string[] = [];
  const states: string[] = [];
  const player = createPlayer({
    open,
    show: (event: ReplayEvent) => {
      if (event.kind !== "started") shown.push(`${nowMs}: ${event.kind} ${event.atMs}`);
      return undefined;
    },
    clock: {
      nowMs: () => nowMs,
      after(ms, call) {
        const timer = { atMs: nowMs + ms + lateMs, call };
        timers.add(timer);
        return () => timers.delete(timer);
      },
    },
    onState: ({ is }) => states.push(is),
    ...wishes,
  });
  const turns = async () => {
    for (let count = 0; count < 50; count += 1) await Promise.resolve();
  };
  const pass = async (ms: number) => {
    const end = nowMs + ms;
    await turns();
    for (;;) {
      const [next] = [...timers].filter(({ atMs }) => atMs <= end).sort((a, b) => a.atMs - b.atMs);
      if (next === undefined) break;
      timers.delete(next);
      nowMs = Math.max(nowMs, next.atMs);
      next.call();
      await turns();
    }
    nowMs = end;
    await turns();
  };
  const take = () => shown.splice(0);
  return { player, pass, take, states, timers };
}

describe("a player", () => {
  it("shows each event at its time, and tells where it is in between", async () => {
    const { player, pass, take, states } = played(recording([100, 250, 3000]));
    await pass(0);
    expect(take()).toEqual(["0: key-frame 0"]);
    await pass(200);
    expect(take()).toEqual(["100: output 100"]);
    expect(player.state).toMatchObject({ is: "playing", atMs: 200 });
    await pass(5000);
    expect(take()).toEqual(["250: output 250", "3000: output 3000", "3000: ended 3000"]);
    expect(player.state).toMatchObject({ is: "ended", atMs: 3000 });
    expect(states).toEqual(["waiting", "playing", "ended"]);
  });

  it("goes faster and slower, also in the middle of a wait", async () => {
    const { player, pass, take } = played(recording([1000, 3000]), { speed: 2 });
    await pass(750);
    expect(take()).toEqual(["0: key-frame 0", "500: output 1000"]);
    expect(player.state.atMs).toBe(1500);
    player.setSpeed(0.5);
    await pass(3000);
    expect(take()).toEqual(["3750: output 3000", "3750: ended 3000"]);
  });

  it("plays of what is longer than the idle limit only so much", async () => {
    const { pass, take } = played(recording([100, 60_000, 60_100]), { idleMs: 2000 });
    await pass(10_000);
    expect(take()).toEqual([
      "0: key-frame 0",
      "100: output 100",
      "2100: output 60000",
      "2200: output 60100",
      "2200: ended 60100",
    ]);
  });

  it("stands still while it is paused, and goes on from there", async () => {
    const { player, pass, take } = played(recording([1000, 2000]));
    await pass(400);
    player.pause();
    await pass(10_000);
    expect(player.state).toMatchObject({ is: "paused", atMs: 400 });
    player.play();
    await pass(600);
    expect(take()).toEqual(["0: key-frame 0", "11000: output 1000"]);
  });

  it("seeks to a screen, draws at once what is before the time, and stays paused when it was", async () => {
    const opened: number[] = [];
    const { player, pass, take } = played(recording([1200, 1400, 1900], opened));
    await pass(10);
    player.pause();
    take();
    player.seek(1500);
    await pass(1000);
    expect(take()).toEqual(["10: key-frame 1000", "10: output 1200", "10: output 1400"]);
    expect(player.state).toMatchObject({ is: "paused", atMs: 1500 });
    player.play();
    await pass(400);
    expect(take()).toEqual(["1410: output 1900", "1410: ended 1900"]);
    player.seek(-5);
    await pass(0);
    expect(take()).toEqual(["1410: key-frame 0"]);
    expect(opened).toEqual([0, 1500, 0]);
  });

  it("goes on at its own pace after a seek back out of a long wait", async () => {
    const { player, pass, take } = played(recording([1000, 9000]));
    await pass(3000);
    take();
    player.seek(400);
    await pass(0);
    expect(player.state.atMs).toBe(400);
    await pass(600);
    expect(take()).toEqual(["3000: key-frame 0", "3600: output 1000"]);
  });

  it("plays much output as fast as it came, although every timer is late", async () => {
    const times = Array.from({ length: 1000 }, (_, at) => 10 + at);
    const { player, pass, take } = played(recording(times), { lateMs: 4 });
    await pass(505);
    expect(take().at(-1)).toMatch(/output 50\d$/);
    await pass(510);
    expect(player.state).toMatchObject({ is: "ended", atMs: 1009 });
  });

  it("counts the time that showing takes, or the way to the server, as none", async () => {
    const slow = Promise.withResolvers<void>();
    const shown: number[] = [];
    const { player, pass } = played(recording([100, 1100]), {
      show(event) {
        if (event.kind !== "output") return undefined;
        shown.push(event.atMs);
        return event.atMs === 100 ? slow.promise : undefined;
      },
    });
    await pass(5000);
    expect(player.state.atMs).toBe(100);
    slow.resolve();
    await pass(800);
    expect(shown).toEqual([100]);
    await pass(200);
    expect(shown).toEqual([100, 1100]);
  });

  it("never shows two replays at once, and nothing after it was stopped", async () => {
    const { player, pass, take, timers } = played(recording([1000, 2000]));
    await pass(500);
    for (const to of [100, 1500, 700, 1900]) player.seek(to);
    await pass(50);
    expect(take()).toEqual(["0: key-frame 0", "500: key-frame 1000"]);
    await player.stop();
    await pass(5000);
    expect(take()).toEqual([]);
    expect(timers.size).toBe(0);
  });

  it("fails as its replay does, and can be sought again", async () => {
    let broken = true;
    const good = recording([10]);
    const { player, pass } = played((fromMs, signal) => {
      if (broken) throw new Error("no way");
      return good(fromMs, signal);
    });
    await pass(1);
    expect(player.state).toMatchObject({ is: "failed", error: new Error("no way") });
    broken = false;
    player.seek(0);
    await pass(100);
    expect(player.state.is).toBe("ended");
  });
});
