import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Attempt, openThrottle, type Throttle } from "../../server/access/throttle.ts";
import { createThrottleFile } from "../../server/access/throttle-file.ts";
import { createLog } from "../../server/log.ts";
import { createHeldClock, type HeldClock } from "../support/held-clock.ts";

let clock: HeldClock;
let throttle: Throttle;
beforeEach(() => {
  clock = createHeldClock();
  throttle = openThrottle(clock);
});
afterEach(() => throttle[Symbol.asyncDispose]());

/** "in", "wrong" or "limit". */
function outcome(attempt: Attempt, principal?: string, at = throttle): string {
  try {
    at.admit(attempt, principal);
    return principal === undefined ? "wrong" : "in";
  } catch (error) {
    return (error as { word: string }).word;
  }
}
const times = (count: number, attempt: (index: number) => Attempt) =>
  Array.from({ length: count }, (_, index) => outcome(attempt(index)));
const stranger = (index: number) => ({ address: `10.${index >> 8}.${index & 255}.1` });

describe("failed logins", () => {
  it("from one address are taken twenty times, then one each three seconds", () => {
    expect(times(25, () => ({ address: "192.0.2.1" }))).toEqual([
      ...Array(20).fill("wrong"),
      ...Array(5).fill("limit"),
    ]);
    clock.pass(3_000);
    expect(times(2, () => ({ address: "192.0.2.1" }))).toEqual(["wrong", "limit"]);
  });

  it("count for the whole net: a /24, a /64, and an IPv4 address in IPv6's clothes", () => {
    for (const address of [
      (index: number) => `192.0.2.${index}`,
      (index: number) => `2001:db8:0:1::${index.toString(16)}`,
      (index: number) => `::ffff:203.0.113.${index}`,
    ])
      expect(times(21, (index) => ({ address: address(index) })).at(-1)).toBe("limit");
    expect(outcome({ address: "203.0.113.77" })).toBe("limit");
    expect(outcome({ address: "2001:db8:0:2::1" })).toBe("wrong");
  });

  it("for one name count from wherever they come", () => {
    const outcomes = times(30, (index) => ({ ...stranger(index), claims: "ann" }));
    expect(outcomes).toEqual([...Array(20).fill("wrong"), ...Array(10).fill("limit")]);
    expect(outcome({ ...stranger(99), claims: "bob" })).toBe("wrong");
  });

  it("for one name from one net count more", () => {
    expect(times(11, () => ({ address: "192.0.2.1", claims: "ann" })).at(-1)).toBe("limit");
    expect(outcome({ address: "192.0.2.1", claims: "bob" })).toBe("wrong");
  });

  it("of very many sources are bounded all together", () => {
    expect(times(1_001, stranger).at(-1)).toBe("limit");
    clock.pass(50);
    expect(outcome(stranger(5_000))).toBe("wrong");
  });

  it("by secrets that nobody guesses count as well", () => {
    for (let index = 0; index < 20; index += 1) throttle.failed({ address: "192.0.2.1" });
    expect(() => throttle.failed({ address: "192.0.2.1" })).toThrow(expect.objectContaining({ word: "limit" }));
    expect(outcome({ address: "192.0.2.1" })).toBe("limit");
  });
});

describe("a right login", () => {
  it("costs nothing", () => {
    for (let index = 0; index < 2_000; index += 1)
      expect(outcome({ address: "192.0.2.1", claims: "ann" }, "ann")).toBe("in");
  });

  it("that nobody can guess is let in from everywhere, whatever others do", () => {
    times(21, () => ({ address: "192.0.2.1", claims: "ann" }));
    times(2_000, (index) => ({ ...stranger(index), claims: "ann" }));
    expect(outcome({ address: "192.0.2.1", claims: "ann", unguessable: true })).toBe("limit");
    for (const address of ["192.0.2.1", "198.51.100.1"])
      expect(outcome({ address, claims: "ann", unguessable: true }, "ann")).toBe("in");
  });

  it("that could be guessed is refused after too many failures like a wrong one: a guess tells nothing", () => {
    times(21, () => ({ address: "192.0.2.1" }));
    expect(outcome({ address: "192.0.2.1" }, "ann")).toBe("limit");
  });

  it("from where the same principal was let in before is let in, whatever others do", () => {
    outcome({ address: "192.0.2.1", claims: "ann" }, "ann");
    times(100, () => ({ address: "192.0.2.9", claims: "ann" }));
    times(100, () => ({ address: "192.0.2.9" }));
    times(2_000, (index) => ({ ...stranger(index), claims: "ann" }));
    expect(outcome({ address: "192.0.2.7", claims: "ann" }, "ann")).toBe("in");
    // Another one there, and she elsewhere, are not.
    expect(outcome({ address: "192.0.2.7" }, "bob")).toBe("limit");
    expect(outcome({ address: "198.51.100.1", claims: "ann" }, "ann")).toBe("limit");
  });
});

it("holds a bounded number of sources", async () => {
  const kept: unknown[] = [];
  const file = {
    read: () => undefined,
    write: async (state: { buckets: readonly unknown[] }) => void kept.splice(0, kept.length, ...state.buckets),
  };
  await using small = openThrottle(clock, file, { everybody: { burst: 1e9, everyMs: 1 } });
  for (let index = 0; index < 60_000; index += 1) outcome(stranger(index), undefined, small);
  clock.pass(1_000);
  expect(kept).toHaveLength(4_096);
});

describe("over a restart", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "bartizan-throttle-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));
  const path = () => join(folder, "throttle.json");
  const file = () => createThrottleFile(path(), clock, createLog("silent"));

  it("failures count on, for as long as they would have, and who was let in is known", async () => {
    {
      await using before = openThrottle(clock, file());
      outcome({ address: "198.51.100.1" }, "ann", before);
      for (let index = 0; index < 20; index += 1) outcome({ address: "192.0.2.1" }, undefined, before);
    }
    expect(statSync(path()).mode & 0o777).toBe(0o600);
    clock.pass(2_000);
    await using after = openThrottle(clock, file());
    expect(outcome({ address: "192.0.2.1" }, undefined, after)).toBe("limit");
    for (let index = 0; index < 2_000; index += 1) outcome(stranger(index), undefined, after);
    expect(outcome({ address: "198.51.100.1" }, "ann", after)).toBe("in");
    clock.pass(1_000);
    expect(outcome({ address: "192.0.2.1" }, undefined, after)).toBe("wrong");
  });

  it("what was noted is there a second later, also when the process is killed", async () => {
    const before = openThrottle(clock, file());
    for (let index = 0; index < 20; index += 1) outcome({ address: "192.0.2.1" }, undefined, before);
    clock.pass(1_000);
    await using _after = before; // closed last, to give the timer back; by then the file was read
    await expect.poll(() => readFileSync(path(), "utf8")).toContain("192.0.2");
    await using killed = openThrottle(clock, file());
    expect(outcome({ address: "192.0.2.1" }, undefined, killed)).toBe("limit");
  });

  it("a wall clock that was set back keeps nobody out for longer", async () => {
    {
      await using before = openThrottle(clock, file());
      for (let index = 0; index < 20; index += 1) outcome({ address: "192.0.2.1" }, undefined, before);
    }
    const back = { ...createHeldClock(1_000), monotonicMs: clock.monotonicMs };
    await using after = openThrottle(clock, createThrottleFile(path(), back, createLog("silent")));
    clock.pass(3_000);
    expect(outcome({ address: "192.0.2.1" }, undefined, after)).toBe("wrong");
  });

  it.each([
    "",
    "{}",
    "null",
    '{"savedAtMs":1,"known":[],"buckets":[{"key":"x","left":"y","agoMs":0}]}',
    "x".repeat(5e6),
  ])("a file that is spoilt begins anew (%.20s)", async (text) => {
    writeFileSync(path(), text);
    await using after = openThrottle(clock, file());
    expect(outcome({ address: "192.0.2.1" }, "ann", after)).toBe("in");
  });
});
