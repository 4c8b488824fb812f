import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type CallFault, faultOf } from "../../proto/client/index.ts";
import { KickLockScope, KickOutcome } from "../../proto/gen/bartizan/v1/session_pb.ts";
import { openAccessDb } from "../../server/access/access-db.ts";
import { createAccessChanges } from "../../server/access/changes.ts";
import { type LockRecord, newer } from "../../server/access/lock.ts";
import { openLocks } from "../../server/access/locks.ts";
import { createHeldClock } from "../support/held-clock.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { openTestBastion, type TestBastion } from "../support/test-bastion.ts";
import { until } from "../support/until.ts";
import { operate, type Viewing, watch } from "../support/viewing.ts";

const principals = { alice: ["operator"], bob: ["operator"], carol: ["auditor"], root: ["admin"] } as const;
const everybody = { user: "", role: "", target: "" } as const;
let ids = 0;
const fresh = () => ({ ...everybody, id: `lock-${++ids}` });

async function faultIn(viewing: Viewing): Promise<CallFault> {
  return faultOf(
    await viewing.over.then(
      () => new Error("it ended well"),
      (error: unknown) => error,
    ),
  );
}

describe("a lock", () => {
  const web = createMemoryTarget({ echo: true, name: "web1" });
  const data = createMemoryTarget({ echo: true, name: "db1" });
  let bastion: TestBastion;
  beforeEach(async () => {
    const dial: typeof web.dial = (target, ...rest) => (target.name === "web1" ? web : data).dial(target, ...rest);
    bastion = await openTestBastion({ principals, targets: [web.target, data.target], dial });
  });
  afterEach(() => bastion[Symbol.asyncDispose]());
  const as = (name: string) => bastion.clients(`token-${name}`);
  const opens = async (name: string, target: string) => {
    const operator = operate(as(name), target);
    const word = await Promise.race([operator.started().then(() => "open"), faultIn(operator).then((f) => f.word)]);
    if (word === "open") {
      operator.shell.hangUp();
      await operator.ended();
    }
    return word;
  };

  it.each([
    ["nobody on the target", KickLockScope.TARGET, { alice: ["locked", "open"], bob: ["locked", "open"] }],
    ["the user nowhere", KickLockScope.USER, { alice: ["locked", "locked"], bob: ["open", "open"] }],
    ["the user not there", KickLockScope.USER_ON_TARGET, { alice: ["locked", "open"], bob: ["open", "open"] }],
  ])("that goes with a kick lets %s come back", async (_what, scope, wanted) => {
    await using operator = operate(as("alice"), "web1", { reconnect: true });
    const { session } = await operator.started();
    const answer = await as("root").sessions.kick({
      ...{ sessionId: session.id, reason: "  production freeze " },
      lock: { scope, until: timestampFromMs(Date.now() + 3_600_000) },
    });
    expect(answer.outcome).toBe(KickOutcome.ENDED);
    expect(answer.lock).toMatchObject({ by: "root", reason: "production freeze" });
    expect((await operator.ended()).cause).toMatchObject({ kind: "kicked", by: "root" });
    for (const [name, [onWeb, onData]] of Object.entries(wanted))
      expect([name, await opens(name, "web1"), await opens(name, "db1")]).toEqual([name, onWeb, onData]);
    await as("root").locks.liftLock({ id: answer.lock?.id ?? "" });
    expect(await opens("alice", "web1")).toBe("open");
  });

  it("tells whom it bars by whom it was set, why, and until when, and shows it on what it bars", async () => {
    const untilMs = Date.UTC(2030, 0, 2, 3, 4);
    const set = { target: "web1", reason: "being \x1b[31mrepaired", until: timestampFromMs(untilMs) };
    const { lock } = await as("root").locks.setLock(set);
    await using operator = operate(as("alice"), "web1");
    const fault = await faultIn(operator);
    expect(fault).toMatchObject({ word: "locked", hint: "Ask root." });
    expect(fault.message).toMatch(/web1.*locked by root until 2030-01-02 03:04 UTC: being .*repaired$/);
    expect(fault.message).not.toContain("\x1b[");
    const { targets } = await as("alice").targets.listTargets({});
    expect(targets.map((each) => [each.name, each.lock?.id])).toEqual([
      ["db1", undefined],
      ["web1", lock?.id],
    ]);
    expect((await as("alice").locks.listLocks({})).locks.map(({ id }) => id)).toEqual([lock?.id]);
    expect((await as("alice").access.whoAmI({})).locks.map(({ id }) => id)).toEqual([lock?.id]);
  });

  it("is set, lifted and seen only by whom it is for: foreign and missing look alike", async () => {
    const { lock } = await as("root").locks.setLock({ user: "bob", reason: "left" });
    const id = lock?.id ?? "";
    expect((await as("alice").locks.listLocks({})).locks).toEqual([]);
    expect((await as("bob").locks.listLocks({})).locks).toHaveLength(1);
    const wordOf = async (call: Promise<unknown>) => {
      const error = await call.then(() => undefined, faultOf);
      return error && [error.word, error.message];
    };
    const lift = (name: string, which: string) => wordOf(as(name).locks.liftLock({ id: which }));
    // No operator has the right at all, so the answer is the same before anything is looked at.
    expect(await lift("alice", id)).toEqual(await lift("alice", "missing"));
    expect(await lift("bob", id)).toEqual(await lift("bob", "missing"));
    expect(await wordOf(as("bob").locks.setLock({ user: "root", reason: "revenge" }))).toMatchObject([
      "forbidden",
      expect.any(String),
    ]);
    expect(await lift("root", "missing")).toMatchObject(["not-found", expect.any(String)]);
    expect(await lift("root", id)).toBeUndefined();
    expect(await lift("root", id)).toMatchObject(["not-found", expect.any(String)]);
  });

  it("without right to lock is refused with the kick that it goes with: nothing is ended", async () => {
    await using operator = operate(as("alice"), "web1");
    const { session } = await operator.started();
    const kick = as("alice").sessions.kick({
      ...{ sessionId: session.id, reason: "x" },
      lock: { scope: KickLockScope.TARGET },
    });
    expect(await kick.then(() => undefined, faultOf)).toMatchObject({ word: "forbidden" });
    expect(bastion.registry.size).toBe(1);
    expect((await as("root").locks.listLocks({})).locks).toEqual([]);
    operator.shell.hangUp();
    await operator.ended();
  });

  it("of everything ends everything and bars everybody, in one call, and watching goes on being allowed", async () => {
    const first = operate(as("alice"), "web1");
    const second = operate(as("bob"), "db1");
    await Promise.all([first.started(), second.started()]);
    const answer = await as("root").locks.setLock({ reason: "break-in", endSessions: true });
    expect(answer).toMatchObject({ sessionsEnded: 2, sessionsUnreachable: 0, notEverywhere: false });
    await Promise.all([first.ended(), second.ended()]);
    expect([await opens("alice", "web1"), await opens("bob", "db1")]).toEqual(["locked", "locked"]);
    expect((await as("carol").sessions.listSessions({ includeEnded: true })).sessions).toHaveLength(2);
  });

  it("keeps an operator from taking his own shell up again, and ends nothing that it was not asked to", async () => {
    await using operator = operate(as("alice"), "web1");
    const { session } = await operator.started();
    await using watcher = watch(as("carol"), session.id);
    await watcher.started();
    const { lock } = await as("root").locks.setLock({ user: "alice", reason: "ask me" });
    await operator.type("goes on");
    await operator.shows("goes on");
    await operator[Symbol.asyncDispose]();
    await until(() => bastion.registry.list()[0]?.state === "detached", "he is gone");
    await using again = operate(as("alice"), "web1", { sessionId: session.id });
    expect(await faultIn(again)).toMatchObject({ word: "locked" });
    await as("root").locks.liftLock({ id: lock?.id ?? "" });
    await using once = operate(as("alice"), "web1", { sessionId: session.id });
    await once.started();
    once.shell.hangUp();
    await once.ended();
  });

  it("by a role bars whoever has it", async () => {
    await as("root").locks.setLock({ role: "operator", target: "db1", reason: "upgrade" });
    expect([await opens("alice", "db1"), await opens("alice", "web1")]).toEqual(["locked", "open"]);
  });

  it("that makes no sense is refused", async () => {
    const wordOf = (call: Promise<unknown>) =>
      call.then(
        () => "done",
        (error) => faultOf(error).word,
      );
    const { locks } = as("root");
    expect(await wordOf(locks.setLock({ reason: "" }))).toBe("invalid");
    expect(await wordOf(locks.setLock({ reason: "x", role: "emperor" }))).toBe("invalid");
    expect(await wordOf(locks.setLock({ reason: "x", until: timestampFromMs(1000) }))).toBe("invalid");
    expect(await wordOf(locks.setLock({ reason: "x", user: "a\nb" }))).toBe("invalid");
  });
});

describe("the store of locks", () => {
  it("remembers them over a restart, and forgets them when their time is over", () => {
    const clock = createHeldClock();
    const db = openAccessDb(":memory:");
    const locks = openLocks(db, clock, createAccessChanges());
    const short = locks.set({ ...fresh(), reason: "a", by: "root", untilMs: clock.wallMs() + 1000 }).lock;
    const lasting = locks.set({ ...fresh(), target: "web1", reason: "b", by: "root", untilMs: undefined }).lock;
    const lifted = locks.set({ ...fresh(), user: "ana", reason: "c", by: "root", untilMs: undefined }).lock;
    locks.lift(lifted.id, "root");
    const again = openLocks(db, clock, createAccessChanges());
    expect(again.list().map(({ id }) => id)).toEqual([lasting.id, short.id]);
    const who = { name: "ana", roles: new Set(["operator"] as const) };
    // The one that lasts longest is the one that is told.
    expect(again.barring(who, "web1")?.id).toBe(lasting.id);
    expect(again.barring(who, "db1")?.id).toBe(short.id);
    clock.pass(1000);
    expect(again.barring(who, "db1")).toBeUndefined();
    expect(again.list().map(({ id }) => id)).toEqual([lasting.id]);
  });

  it("takes over what other nodes know, in whatever order it comes: lifted once is lifted for good", () => {
    const clock = createHeldClock();
    const [here, there] = [0, 1]
      .map(() => openAccessDb(":memory:"))
      .map((db) => openLocks(db, clock, createAccessChanges()));
    if (here === undefined || there === undefined) throw new Error("two stores");
    const { lock } = here.set({ ...fresh(), reason: "a", by: "root", untilMs: undefined });
    expect(there.merge(here.records())).toEqual({ changed: true, dropped: 0 });
    expect(there.merge(here.records()).changed).toBe(false);
    expect(there.list()).toHaveLength(1);
    const before = here.records();
    there.lift(lock.id, "eve");
    expect(there.merge(before).changed).toBe(false);
    expect(there.list()).toEqual([]);
    expect(here.merge(there.records()).changed).toBe(true);
    expect(here.list()).toEqual([]);
    expect(newer(here.records()[0] ?? lock, lock).lifted?.by).toBe("eve");
  });

  it("takes what is in force however many are over, and says of how many it does not", () => {
    const clock = createHeldClock();
    const db = openAccessDb(":memory:");
    // One transaction: a disk has nothing to do with it.
    db.exec("BEGIN");
    const locks = openLocks(db, clock, createAccessChanges());
    const record = (id: string, change: Partial<LockRecord> = {}): LockRecord => ({
      ...{ ...everybody, id, reason: "x", by: "root", setAtMs: clock.wallMs(), untilMs: undefined, lifted: undefined },
      ...change,
    });
    const many = (count: number, change: Partial<LockRecord>, prefix: string) =>
      Array.from({ length: count }, (_, at) => record(`${prefix}${at}`, change));
    const lifted = { by: "root", atMs: clock.wallMs() };
    expect(locks.merge(many(25_000, { lifted }, "over"))).toEqual({ changed: true, dropped: 0 });
    expect(locks.records()).toHaveLength(20_000);
    expect(locks.merge(many(25_000, { lifted }, "over")).changed).toBe(false);
    expect(locks.merge([record("new")])).toEqual({ changed: true, dropped: 0 });
    expect(locks.find("new")?.id).toBe("new");
    expect(locks.merge(many(20_000, { user: "eve" }, "force"))).toEqual({ changed: true, dropped: 1 });
    // A word of one that it has is taken all the same.
    expect(locks.merge([record("new", { lifted })])).toEqual({ changed: true, dropped: 0 });
    expect(locks.merge([record("force19999")])).toEqual({ changed: true, dropped: 0 });
    clock.pass(91 * 24 * 3_600_000);
    locks.merge([]);
    expect(locks.records()).toHaveLength(20_000);
    expect(locks.merge(many(10, { lifted }, "over"))).toEqual({ changed: false, dropped: 0 });
    db.exec("COMMIT");
    expect(openLocks(db, clock, createAccessChanges()).records()).toHaveLength(20_000);
    db.close();
  });
});
