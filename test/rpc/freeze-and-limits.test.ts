import { afterEach, describe, expect, it } from "vitest";
import { faultOf } from "../../proto/client/index.ts";
import type { Config } from "../../server/config.ts";
import { createLeapingClock } from "../support/held-clock.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { carriers, openTestBastion, type TestBastion, type TestBastionOptions } from "../support/test-bastion.ts";
import { until } from "../support/until.ts";
import { operate, type Viewing, watch } from "../support/viewing.ts";

const principals = { alice: ["operator"], bob: ["operator"], carol: ["auditor"], root: ["admin"] } as const;
const memory = createMemoryTarget({ echo: true });
let bastion: TestBastion;
const open = async (options: TestBastionOptions = {}) => {
  bastion = await openTestBastion({ principals, targets: [memory.target], dial: memory.dial, ...options });
};
const as = (name: string) => bastion.clients(`token-${name}`);
afterEach(() => bastion[Symbol.asyncDispose]());

const freezes = ({ events }: Viewing) => events.filter((event) => event.kind === "freeze");
const notices = ({ events }: Viewing, about: string) =>
  events.flatMap((event) => (event.kind === "notice" && event.about === about ? [event.text] : []));

describe.each(carriers)("a frozen session over %s", (over) => {
  it("takes no key until it is given back, and everybody there is told by whom and why", async () => {
    await open({ over });
    const operator = operate(as("alice"), "memory");
    const { session } = await operator.started();
    await using watcher = watch(as("carol"), session.id);
    await watcher.started();
    await operator.type("before ");
    await operator.shows("before ");
    const sessionId = session.id;
    const { frozen } = await as("root").sessions.freeze({ sessionId, reason: "look first" });
    expect(frozen).toMatchObject({ by: { name: "root" }, reason: "look first" });
    await operator.type("x".repeat(100_000));
    const told = { kind: "freeze", frozen: { by: "root", reason: "look first" }, by: "root" };
    for (const each of [operator, watcher]) await until(() => freezes(each).length === 1, "he is told");
    expect([...freezes(operator), ...freezes(watcher)]).toEqual([told, told]);
    // Output goes on, and whoever comes now sees it, and that it is frozen.
    void memory.pty().print("still running ");
    await watcher.shows("still running ");
    await using late = watch(as("root"), sessionId);
    expect((await late.started()).session.frozen).toMatchObject({ reason: "look first" });
    // Whoever did it first stays.
    expect((await as("root").sessions.freeze({ sessionId, reason: "again" })).frozen?.reason).toBe("look first");
    await as("root").sessions.unfreeze({ sessionId });
    await until(() => freezes(operator).length === 2, "he is told that it is over");
    expect(freezes(operator)[1]).toEqual({ kind: "freeze", frozen: undefined, by: "root" });
    // The credit of what was thrown away came back: he can type on.
    await operator.type("after");
    await operator.shows("after");
    expect(memory.pty().typed().toString()).toBe("before after");
    operator.shell.hangUp();
    await operator.ended();
  });

  it("throws away what was typed before and has not reached the target yet, and says so", async () => {
    const opened = Promise.withResolvers<void>();
    let recalled = 0;
    await open({
      over,
      // The target reads nothing before it is opened.
      dial: async (...given) => {
        const channel = await memory.dial(...given);
        let held: Uint8Array | undefined;
        return {
          ...channel,
          async write(input) {
            held = input;
            await opened.promise;
            if (held !== undefined) await channel.write(held);
          },
          recall() {
            recalled += held?.length ?? 0;
            const bytes = held?.length ?? 0;
            held = undefined;
            return bytes;
          },
        };
      },
    });
    const operator = operate(as("alice"), "memory");
    const { session } = await operator.started();
    for (const text of ["under way ", "waits ", "waits too "]) void operator.type(text).catch(() => {});
    operator.shell.resize({ cols: 90, rows: 30 });
    await until(() => memory.pty().size().cols === 90, "all that he typed before is there");
    await as("root").sessions.freeze({ sessionId: session.id, reason: "look first" });
    await until(() => notices(operator, "info").length === 1, "he is told");
    expect(notices(operator, "info")[0]).toMatch(/^26 bytes .* thrown away\.$/);
    expect(recalled).toBe(10);
    await as("root").sessions.unfreeze({ sessionId: session.id });
    opened.resolve();
    await operator.type("after");
    await operator.shows("after");
    expect(memory.pty().typed().toString()).toBe("after");
    operator.shell.hangUp();
    await operator.ended();
  });

  it("stays so when its operator comes back, and may be ended by him", async () => {
    await open({ over });
    const operator = operate(as("alice"), "memory");
    const { session } = await operator.started();
    await as("root").sessions.freeze({ sessionId: session.id, reason: "wait" });
    await operator[Symbol.asyncDispose]();
    const again = operate(as("alice"), "memory", { sessionId: session.id });
    expect((await again.started()).session.frozen).toMatchObject({ reason: "wait" });
    await again.type("nothing");
    again.shell.hangUp();
    await again.ended();
    expect(memory.pty().typed().toString()).toBe("");
  });

  it("is frozen and given back only by who may, and what is not his looks as if it were not there", async () => {
    await open({ over });
    const operator = operate(as("alice"), "memory");
    const { session } = await operator.started();
    const tried = async (name: string, sessionId: string) => {
      const { sessions } = as(name);
      const word = (call: Promise<unknown>) =>
        call.then(
          () => "done",
          (error) => faultOf(error).word,
        );
      return [await word(sessions.freeze({ sessionId, reason: "x" })), await word(sessions.unfreeze({ sessionId }))];
    };
    for (const name of ["alice", "bob", "carol"])
      expect(await tried(name, session.id)).toEqual(["forbidden", "forbidden"]);
    expect(await tried("root", "missing")).toEqual(["not-found", "not-found"]);
    operator.shell.hangUp();
    await operator.ended();
  });
});

describe("limits", () => {
  const openWith = async (limits: Partial<Config["limits"]>) => {
    const clock = createLeapingClock(1000);
    await open({ clock, config: { limits: { idleSeconds: 0, longestSeconds: 0, warnSeconds: 60, ...limits } } });
    return clock;
  };

  it("end a shell that nobody types in, after a warning that any key answers", async () => {
    const clock = await openWith({ idleSeconds: 600, longestSeconds: 0, warnSeconds: 60 });
    const operator = operate(as("alice"), "memory");
    await operator.started();
    clock.pass(530_000);
    expect(notices(operator, "limit")).toEqual([]);
    clock.pass(20_000);
    await until(() => notices(operator, "limit").length === 1, "the warning");
    expect(notices(operator, "limit")[0]).toMatch(/ends in \d+ s: nobody has typed/);
    await operator.type("k");
    await operator.shows("k");
    clock.pass(1000);
    await until(() => notices(operator, "limit").length === 2, "it goes on");
    clock.pass(601_000);
    expect((await operator.ended()).cause).toEqual({ kind: "closed", why: "idle", detail: "nobody typed for 600 s" });
  });

  it("end a shell that lasts too long, however busy, after a warning", async () => {
    const clock = await openWith({ idleSeconds: 0, longestSeconds: 3600, warnSeconds: 60 });
    const operator = operate(as("alice"), "memory");
    await operator.started();
    clock.pass(3_550_000);
    await until(() => notices(operator, "limit").length === 1, "the warning");
    await operator.type("busy");
    await operator.shows("busy");
    clock.pass(60_000);
    const cause = { kind: "closed", why: "too-long", detail: "a session lasts 3600 s at most" };
    expect((await operator.ended()).cause).toEqual(cause);
    expect(notices(operator, "limit")).toHaveLength(1);
  });

  it("of a user and of a target hold beside the node's: the strictest counts, and a place is free at once", async () => {
    await openWith({ sessionsPerTarget: 2 });
    bastion.reload({
      ...bastion.config,
      principals: bastion.config.principals.map((each) =>
        each.name === "alice" ? { ...each, limits: { sessions: 1 } } : each,
      ),
    });
    const first = operate(as("alice"), "memory");
    await first.started();
    const wordOf = async (viewing: Viewing) => {
      const error = await viewing.over.then(
        () => new Error("fine"),
        (reason: unknown) => reason,
      );
      return [faultOf(error).word, faultOf(error).message];
    };
    expect(await wordOf(operate(as("alice"), "memory"))).toEqual(["limit", "Too many sessions of yours are open."]);
    const second = operate(as("bob"), "memory");
    await second.started();
    expect(await wordOf(operate(as("bob"), "memory"))).toEqual(["limit", "Too many sessions are open on memory."]);
    first.shell.hangUp();
    await first.ended();
    const third = operate(as("alice"), "memory");
    await third.started();
    for (const each of [second, third]) {
      each.shell.hangUp();
      await each.ended();
    }
  });

  it("do not count while the session is frozen", async () => {
    const clock = await openWith({ idleSeconds: 60, longestSeconds: 0, warnSeconds: 10 });
    const operator = operate(as("alice"), "memory");
    const { session } = await operator.started();
    await as("root").sessions.freeze({ sessionId: session.id, reason: "wait" });
    clock.pass(300_000);
    await as("root").sessions.unfreeze({ sessionId: session.id });
    clock.pass(30_000);
    await operator.type("on");
    await operator.shows("on");
    operator.shell.hangUp();
    await operator.ended();
  });
});

describe("the banner", () => {
  it("is told before anything else of a shell, and not to who takes it up again", async () => {
    await open({ config: { watching: { visible: true, banner: "This session is monitored and recorded." } } });
    const operator = operate(as("alice"), "memory");
    const { session } = await operator.started();
    expect(operator.events[0]).toEqual({
      ...{ kind: "notice", about: "monitored", text: "This session is monitored and recorded." },
    });
    await operator[Symbol.asyncDispose]();
    const again = operate(as("alice"), "memory", { sessionId: session.id });
    await again.started();
    expect(notices(again, "monitored")).toEqual([]);
    again.shell.hangUp();
    await again.ended();
  });
});
