import { Code } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type CallFault, faultOf, type SessionInfo } from "../../proto/client/index.ts";
import type { Config } from "../../server/config.ts";
import { createPartlyHeldClock } from "../support/held-clock.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { carriers, openTestBastion, type TestBastion } from "../support/test-bastion.ts";
import { until } from "../support/until.ts";
import { operate, type Viewing, watch } from "../support/viewing.ts";

const principals = { alice: ["operator"], carol: ["auditor"], ada: ["admin"] } as const;
const askAgainMs = 5000;

let policies = 0;
const policy = (what: Partial<Config["policies"][number]>) => ({
  name: `p${++policies}`,
  whose: "any" as const,
  ...what,
});

async function faultIn(viewing: Viewing): Promise<CallFault> {
  return faultOf(
    await viewing.over.then(
      () => new Error("it ended well"),
      (error: unknown) => error,
    ),
  );
}

describe.each(carriers)("over %s", (over) => {
  const memory = createMemoryTarget({ echo: true });
  const clock = createPartlyHeldClock(askAgainMs);
  let bastion: TestBastion;
  beforeEach(async () => {
    bastion = await openTestBastion({ over, clock, principals, targets: [memory.target], dial: memory.dial });
  });
  afterEach(() => bastion[Symbol.asyncDispose]());
  const as = (name: string) => bastion.clients(`token-${name}`);
  const change = (changes: Partial<Config>) => bastion.reload({ ...bastion.config, ...changes });
  const without = (name: string) => bastion.config.principals.filter((each) => each.name !== name);
  const changed = (name: string, changes: object) =>
    bastion.config.principals.map((each) => (each.name === name ? { ...each, ...changes } : each));

  it("a watcher who is disabled is out at once, and nothing more reaches him", async () => {
    const operator = operate(as("alice"), "memory");
    const { session } = await operator.started();
    await using watcher = watch(as("carol"), session.id);
    await watcher.started();
    change({ principals: changed("carol", { disabled: true }) });
    expect(await faultIn(watcher)).toMatchObject({ word: "unauthenticated", code: Code.Unauthenticated });
    await until(() => bastion.registry.list()[0]?.attachments.length === 1, "his seat is given back");
    await operator.type("secret");
    await operator.shows("secret");
    expect(watcher.text()).not.toContain("secret");
    const refused = as("carol").sessions.listSessions({});
    expect(faultOf(await refused.catch((error: unknown) => error)).word).toBe("unauthenticated");
    operator.shell.hangUp();
    await operator.ended();
  });

  it.each([
    ["disabled", (c: Config) => ({ principals: c.principals.map((p) => ({ ...p, disabled: p.name === "alice" })) })],
    ["taken out of the config", (c: Config) => ({ principals: c.principals.filter(({ name }) => name !== "alice") })],
    ["among the disabled users", () => ({ disabledUsers: ["alice"] })],
  ])("an operator who is %s types nothing more, and his shell ends for that cause", async (_how, changes) => {
    const operator = operate(as("alice"), "memory");
    await operator.type("before");
    await operator.shows("before");
    const pty = memory.pty();
    change(changes(bastion.config));
    // Sent before he can know of it.
    void operator.type("after").catch(() => {});
    await operator.over.catch(() => {});
    await until(() => bastion.registry.size === 0, "his shell has ended");
    expect(bastion.registry.listEnded()[0]?.ended?.cause).toEqual({ kind: "closed", why: "access-ended" });
    expect(pty.typed().toString()).toBe("before");
    expect(pty.hungUp()).toBe(true);
  });

  it("whoever loses the role that lets him watch is told so, by the word for it", async () => {
    const operator = operate(as("alice"), "memory");
    const { session } = await operator.started();
    await using watcher = watch(as("carol"), session.id);
    await watcher.started();
    change({ principals: changed("carol", { roles: ["operator"] }) });
    expect(await faultIn(watcher)).toMatchObject({ word: "forbidden" });
    operator.shell.hangUp();
    await operator.ended();
  });

  it("a policy that no longer lets him watch this target ends his view, and takes it off his list", async () => {
    const operator = operate(as("alice"), "memory");
    const { session } = await operator.started();
    await using watcher = watch(as("carol"), session.id);
    await watcher.started();
    const lists: SessionInfo[][] = [];
    const leaving = new AbortController();
    const following = (async () => {
      for await (const { event } of as("carol").sessions.watchSessions({}, { signal: leaving.signal }))
        if (event.case === "snapshot") lists.push(event.value.sessions);
    })().catch(() => {});
    await until(() => lists[0]?.length === 1, "the list has it");
    change({
      policies: [
        { name: "ops", allow: ["open"], roles: ["operator"], whose: "any" },
        { name: "others", allow: ["watch"], roles: ["auditor"], whose: "any", targets: ["other"] },
      ],
    });
    expect(await faultIn(watcher)).toMatchObject({ word: "forbidden" });
    await until(() => lists.at(-1)?.length === 0, "the list is told anew, without it");
    leaving.abort();
    await following;
    operator.shell.hangUp();
    await operator.ended();
  });

  it.each([
    ["by the policies", () => ({ policies: [policy({ allow: ["watch"] })] })],
    [
      "on this target",
      () => ({ policies: [policy({ allow: ["open"] }), policy({ deny: ["open"], targets: ["memory"] })] }),
    ],
    ["by his roles", () => ({ principals: changed("alice", { roles: ["auditor"] }) })],
  ])("an operator who may open no shell any more %s has none, also one that he is away from", async (_how, changes) => {
    const operator = operate(as("alice"), "memory");
    const away = operate(as("alice"), "memory");
    const [{ session }, left] = [await operator.started(), await away.started()];
    await away[Symbol.asyncDispose]();
    await until(() => bastion.registry.find(left.session.id)?.info.state === "detached", "he is away");
    change(changes());
    await operator.over.catch(() => {});
    await until(() => bastion.registry.size === 0, "his shells have ended");
    for (const { id } of [session, left.session])
      expect(bastion.registry.findEnded(id)?.ended?.cause).toEqual({ kind: "closed", why: "access-ended" });
  });

  it("a shell whose operator keeps his right is left alone, whatever else changes", async () => {
    const operator = operate(as("alice"), "memory");
    await operator.started();
    change({
      policies: [policy({ allow: ["open"], roles: ["operator"] }), policy({ deny: ["open"], targets: ["other"] })],
      principals: changed("alice", { roles: ["operator", "auditor"] }),
    });
    await operator.type("goes on");
    await operator.shows("goes on");
    operator.shell.hangUp();
    await operator.ended();
  });

  it("a page that came by a link goes on when it is asked again, and is out with the one who made the link", async () => {
    const operator = operate(as("alice"), "memory");
    const { session } = await operator.started();
    const { url } = await as("ada").access.createLink({});
    const { token } = await as("ada").access.redeemCode({ code: url.slice(url.indexOf("#code=") + 6) });
    await using watcher = watch(bastion.clients(token), session.id);
    await watcher.started();
    clock.pass(askAgainMs);
    await operator.type("x");
    await operator.shows("x");
    await watcher.shows("x");
    change({ principals: without("ada") });
    expect(await faultIn(watcher)).toMatchObject({ word: "unauthenticated" });
    operator.shell.hangUp();
    await operator.ended();
  });

  it("a reload that changes nothing disturbs nobody, and names what has to wait for a start", async () => {
    const operator = operate(as("alice"), "memory");
    await operator.started();
    expect(change({})).toEqual({ changed: [], later: [] });
    expect(change({ graceSeconds: 5, disabledUsers: ["nobody"] })).toEqual({
      ...{ changed: ["disabledUsers"], later: ["graceSeconds"] },
    });
    await operator.type("still here");
    await operator.shows("still here");
    operator.shell.hangUp();
    await operator.ended();
  });
});
