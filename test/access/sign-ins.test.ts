import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openAccessDb } from "../../server/access/access-db.ts";
import { identitySchema } from "../../server/access/identity-settings.ts";
import { createPeople, type People } from "../../server/access/people.ts";
import type { RoleName } from "../../server/access/policy.ts";
import { createSignInStore, createSignIns, type SignIns } from "../../server/access/sign-ins.ts";
import { digestOf } from "../../server/access/tokens.ts";
import type { DatabaseSync } from "../../server/store/database.ts";
import { createHeldClock, type HeldClock } from "../support/held-clock.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
const over = AbortSignal.abort();

describe("a sign-in of the page", () => {
  let clock: HeldClock;
  let database: DatabaseSync;
  let roles: ReadonlySet<RoleName> | undefined;
  let signIns: SignIns;
  const open = () =>
    createSignIns({
      ...{ store: createSignInStore(database), clock, rolesOf: () => roles },
      ...{ idleMs: 15 * minuteMs, longestMs: 12 * hourMs },
    });
  beforeEach(() => {
    clock = createHeldClock();
    database = openAccessDb(":memory:");
    roles = new Set(["operator"]);
    signIns = open();
  });
  afterEach(() => database.close());
  const begin = (name = "zed") => signIns.begin(name, new Set(["operator", "auditor"]));
  const isIn = (cookie: string) => signIns.credentialOf(cookie, over) !== undefined;

  it("is over a quarter of an hour after its last use, and an open stream is use", () => {
    const [idle, used] = [begin(), begin()];
    const stream = new AbortController();
    expect(signIns.credentialOf(used, stream.signal)).toBeDefined();
    clock.pass(15 * minuteMs);
    expect(isIn(idle)).toBe(false);
    stream.abort();
    clock.pass(15 * minuteMs - 1);
    expect(isIn(used)).toBe(true);
    clock.pass(15 * minuteMs);
    expect(isIn(used)).toBe(false);
  });

  it("is over in time though a page that nobody looks at follows its lists", () => {
    const cookie = begin();
    clock.pass(10 * minuteMs);
    const list = signIns.credentialOf(cookie, undefined);
    expect(list?.again()).toBeDefined();
    clock.pass(5 * minuteMs);
    expect(list?.again()).toBeUndefined();
    expect(signIns.credentialOf(cookie, undefined)).toBeUndefined();
  });

  it("is over after twelve hours, however much it is used, and its streams with it", () => {
    const cookie = begin();
    const stream = signIns.credentialOf(cookie, new AbortController().signal);
    clock.pass(12 * hourMs - 1);
    expect(stream?.again()).toBeDefined();
    clock.pass(1);
    expect(stream?.again()).toBeUndefined();
    expect(isIn(cookie)).toBe(false);
  });

  it("has of the roles that it began with those that he still has, and is worth nothing for who is disabled", () => {
    const cookie = begin();
    const stream = signIns.credentialOf(cookie, over);
    expect([...(stream?.caller.roles ?? [])]).toEqual(["operator"]);
    roles = new Set(["auditor", "admin"]);
    expect([...(stream?.again()?.roles ?? [])]).toEqual(["auditor"]);
    roles = undefined;
    expect(stream?.again()).toBeUndefined();
    expect(isIn(cookie)).toBe(false);
  });

  it("outlives the server, and nothing that it keeps lets anybody in", () => {
    const cookie = begin();
    signIns = open();
    expect(isIn(cookie)).toBe(true);
    const [row] = database.prepare("SELECT * FROM sign_ins").all();
    expect(row?.digest).toEqual(new Uint8Array(digestOf(cookie)));
    expect(JSON.stringify(row)).not.toContain(cookie);
    expect(isIn(digestOf(cookie).toString("base64url"))).toBe(false);
  });

  it("ends for itself alone, and for the one longest unused when one person has very many", () => {
    const cookies = Array.from({ length: 20 }, () => {
      clock.pass(1);
      return begin();
    });
    const others = begin("ada");
    expect(isIn(cookies[0] ?? "")).toBe(true);
    begin();
    expect(cookies.filter((cookie) => !isIn(cookie))).toEqual([cookies[0]]);
    signIns.end(cookies[1] ?? "");
    expect(cookies.filter((cookie) => !isIn(cookie))).toEqual(cookies.slice(0, 2));
    expect(isIn(others)).toBe(true);
  });
});

describe("who signed in before", () => {
  const given = (roles: object) => {
    const { oidc } = identitySchema.parse({ oidc: { issuer: "https://id.example", clientId: "b", roles } });
    if (oidc === undefined) throw new Error("no settings");
    return oidc;
  };
  const zed = { claimed: "zed", issuer: "https://id.example", subject: "1", groups: new Set(["staff"]) };
  const refused = expect.objectContaining({ word: "unauthenticated" });
  const byGroup = given({ operator: { groups: ["staff"] }, auditor: { groups: ["readers"] } });
  let clock: HeldClock;
  let database: DatabaseSync;
  beforeEach(() => {
    clock = createHeldClock();
    database = openAccessDb(":memory:");
  });
  afterEach(() => database.close());
  const open = (settings = byGroup) =>
    createPeople({
      ...{ database, clock, isReserved: (name) => name === "root", believeDays: 30, given: settings },
    });
  const rolesOf = (people: People, name: string) => [...(people.rolesOf(name) ?? [])];

  it("is believed to have those roles for some days, and again from his next sign-in", () => {
    const people = open();
    expect(people.rolesOf("zed")).toBeUndefined();
    people.signedIn(zed);
    clock.pass(30 * dayMs - 1);
    expect(rolesOf(people, "zed")).toEqual(["operator"]);
    clock.pass(1);
    expect(people.rolesOf("zed")).toBeUndefined();
    people.signedIn({ ...zed, groups: new Set(["readers"]) });
    expect(rolesOf(people, "zed")).toEqual(["auditor"]);
    expect(() => people.signedIn({ ...zed, subject: "2" })).toThrow(refused);
    expect(() => people.signedIn({ ...zed, issuer: "https://other.example" })).toThrow(refused);
    expect(() => people.signedIn({ ...zed, claimed: "root", subject: "3" })).toThrow(refused);
  });

  it("has what the config gives to the name he goes by here, never to one that he took at the provider since", () => {
    const people = open(given({ operator: { groups: ["staff"] }, admin: { users: ["ada"] } }));
    people.signedIn(zed);
    expect(people.signedIn({ ...zed, claimed: "ada" })).toEqual({ name: "zed", roles: new Set(["operator"]) });
    expect(() => people.signedIn({ ...zed, claimed: "ada", groups: new Set() })).toThrow(refused);
    // Hers it is, from her first sign-in on; and the name that he keeps here is his.
    const ada = { ...zed, claimed: "ada", subject: "2", groups: new Set<string>() };
    expect(people.signedIn(ada)).toEqual({ name: "ada", roles: new Set(["admin"]) });
    expect(() => people.signedIn({ ...zed, claimed: "ada" })).toThrow(refused);
    expect(() => people.signedIn({ ...zed, claimed: "root" })).toThrow(refused);
    expect(() => people.signedIn({ ...ada, claimed: "zed" })).toThrow(refused);
    expect(people.signedIn(ada).name).toBe("ada");
  });

  it("loses at the next start the roles that the config does not give to his groups any more, and all with the provider", () => {
    open().signedIn(zed);
    const less = given({ operator: { groups: ["others"] }, auditor: { users: ["zed"] } });
    expect(rolesOf(open(less), "zed")).toEqual(["auditor"]);
    expect(open(given({ admin: { groups: ["others"] } })).rolesOf("zed")).toBeUndefined();
    expect(open({ ...byGroup, issuer: "https://other.example" }).rolesOf("zed")).toBeUndefined();
    expect(rolesOf(open({ ...byGroup, issuer: "https://id.example/" }), "zed")).toEqual(["operator"]);
    const none = createPeople({ database, clock, isReserved: () => false, believeDays: 30, given: undefined });
    expect(none.rolesOf("zed")).toBeUndefined();
  });
});
