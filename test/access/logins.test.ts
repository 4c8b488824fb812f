import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openAccessDb } from "../../server/access/access-db.ts";
import { type ApiTokens, createApiTokens } from "../../server/access/api-tokens.ts";
import { createLogins, type Logins } from "../../server/access/logins.ts";
import type { Caller, RoleName } from "../../server/access/policy.ts";
import type { DatabaseSync } from "../../server/store/database.ts";
import { createHeldClock, type HeldClock } from "../support/held-clock.ts";

const alice: Caller = { name: "alice", roles: new Set(["operator"]) };
const bob: Caller = { name: "bob", roles: new Set(["auditor"]) };
const word = (call: () => unknown) => {
  try {
    call();
  } catch (error) {
    return (error as { word: string }).word;
  }
  return "none";
};

describe("A12: a program that logs in by a code", () => {
  let clock: HeldClock;
  let database: DatabaseSync;
  let apiTokens: ApiTokens;
  let logins: Logins;
  const roles: Record<string, ReadonlySet<RoleName>> = { alice: alice.roles, bob: bob.roles };
  beforeEach(() => {
    clock = createHeldClock();
    database = openAccessDb(":memory:");
    apiTokens = createApiTokens({ database, clock, rolesOf: (name) => roles[name], originOf: () => "config" });
    logins = createLogins({ apiTokens, clock, tokenMs: 3_600_000, enabled: true });
  });
  afterEach(() => database.close());
  const poll = (id: string, afterMs = 3000) => {
    clock.pass(afterMs);
    return logins.poll(id);
  };

  it("gets, once, a token of the person who allowed it, which ends in an hour", () => {
    const { id, code } = logins.begin("laptop", "10.0.0.9");
    expect(code).toMatch(/^[B-DF-HJ-NP-TV-XZ]{4}-[B-DF-HJ-NP-TV-XZ]{4}$/);
    expect(poll(id)).toEqual({ kind: "pending", everyMs: 3000 });
    expect(logins.find(code, alice)).toMatchObject({ host: "laptop", address: "10.0.0.9", atMs: 1_000_000 });
    logins.answer(code.toLowerCase().replace("-", " "), alice, true);
    const untilMs = clock.wallMs() + 3_600_000;
    const answer = poll(id);
    if (answer.kind !== "allowed") throw new Error(answer.kind);
    expect(answer).toMatchObject({ name: "alice", expiresAtMs: untilMs });
    expect(apiTokens.credentialOf(answer.token, "x")?.caller).toMatchObject({ name: "alice", roles: alice.roles });
    expect(apiTokens.list("alice")[0]).toMatchObject({ kind: "login", label: "login on laptop" });
    clock.pass(3000);
    expect(word(() => logins.poll(id))).toBe("not-found");
  });

  it("waits longer each time that it asks too soon, and learns nothing by it", () => {
    const { id, code } = logins.begin("", "a");
    logins.answer(code, alice, true);
    expect(word(() => logins.poll(id))).toBe("limit");
    expect(word(() => poll(id, 3000))).toBe("limit");
    expect(word(() => poll(id, 12_000))).toBe("limit");
    expect(poll(id, 18_000)).toMatchObject({ kind: "allowed" });
  });

  it("is over after five minutes, for who asks and for who would allow it", () => {
    const { id, code, forMs } = logins.begin("", "a");
    expect(forMs).toBe(300_000);
    clock.pass(300_000);
    expect(word(() => logins.find(code, alice))).toBe("not-found");
    expect(word(() => logins.poll(id))).toBe("not-found");
  });

  it("is answered once: nobody allows it again, denies it afterwards, or becomes who it is for", () => {
    const { id, code } = logins.begin("", "a");
    logins.answer(code, alice, true);
    expect(word(() => logins.answer(code, alice, true))).toBe("not-found");
    expect(word(() => logins.answer(code, bob, true))).toBe("not-found");
    expect(word(() => logins.answer(code, bob, false))).toBe("not-found");
    expect(poll(id)).toMatchObject({ kind: "allowed", name: "alice" });
  });

  it("is told when it was denied, and it is over then", () => {
    const { id, code } = logins.begin("", "a");
    logins.answer(code, alice, false);
    expect(poll(id)).toEqual({ kind: "denied" });
    expect(word(() => poll(id))).toBe("not-found");
    expect(apiTokens.list(undefined)).toEqual([]);
  });

  it("ends with twelve hours when who allowed it came by a link, and leaves no token behind that nobody came for", () => {
    const long = createLogins({ apiTokens, clock, tokenMs: 48 * 3_600_000, enabled: true });
    const { code } = long.begin("", "a");
    long.answer(code, { ...alice, byLink: true }, true);
    const [made] = apiTokens.list("alice");
    expect((made?.expiresAtMs ?? 0) - (made?.createdAtMs ?? 0)).toBe(12 * 3_600_000);
    clock.pass(300_000);
    long.begin("", "a");
    expect(apiTokens.list("alice")).toEqual([]);
  });

  it("cannot be let in by a token, nor by who tries codes", () => {
    const { code } = logins.begin("", "a");
    expect(word(() => logins.answer(code, { ...alice, byToken: "x" }, true))).toBe("forbidden");
    const tried = Array.from({ length: 11 }, () => word(() => logins.find("BBBB-BBBB", bob)));
    expect(tried).toEqual([...Array(10).fill("not-found"), "limit"]);
    expect(word(() => logins.find(code, bob))).toBe("limit");
    expect(word(() => logins.find(code, alice))).toBe("none");
  });

  it("is begun a few times from one address or net, and not at all where it is switched off", () => {
    const begun = Array.from({ length: 11 }, () => word(() => logins.begin("", "a")));
    expect(begun).toEqual([...Array(10).fill("none"), "limit"]);
    expect(word(() => logins.begin("", "b"))).toBe("none");
    const net = (host: number) => word(() => logins.begin("", `2001:db8:0:7::${host.toString(16)}`));
    expect(Array.from({ length: 11 }, (_, host) => net(host))).toEqual([...Array(10).fill("none"), "limit"]);
    expect(word(() => logins.begin("", "2001:db8:0:8::1"))).toBe("none");
    // Also one after another: no more than ten of them wait.
    for (let more = 0; more < 20; more += 1) {
      clock.pass(10_000);
      expect(net(100 + more)).toBe("limit");
    }
    const off = createLogins({ apiTokens, clock, tokenMs: 1, enabled: false });
    expect(word(() => off.begin("", "a"))).toBe("forbidden");
  });
});
