import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { faultOf } from "../../proto/client/index.ts";
import { openAccessDb } from "../../server/access/access-db.ts";
import { type ApiTokens, createApiTokens, type TokenWish } from "../../server/access/api-tokens.ts";
import { createAccessChanges } from "../../server/access/changes.ts";
import { identitySchema } from "../../server/access/identity-settings.ts";
import { openIdentity } from "../../server/access/open-identity.ts";
import type { Caller, RoleName } from "../../server/access/policy.ts";
import { createPrincipals, type PrincipalList } from "../../server/access/principals.ts";
import { digestOf } from "../../server/access/tokens.ts";
import { createLog } from "../../server/log.ts";
import type { DatabaseSync } from "../../server/store/database.ts";
import { cliInPipe } from "../cli/cli-in-pty.ts";
import { createHeldClock, type HeldClock } from "../support/held-clock.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { openTestBastion, type TestBastion } from "../support/test-bastion.ts";
import { operate, watch } from "../support/viewing.ts";

const dayMs = 86_400_000;
const alice: Caller = { name: "alice", roles: new Set(["operator", "auditor"]) };
const wish: TokenWish = { label: "report", kind: "api", roles: [], narrowed: {}, forMs: dayMs };
const word = (call: () => unknown) => {
  try {
    call();
  } catch (error) {
    return (error as { word: string }).word;
  }
  return "none";
};

describe("an API token", () => {
  let clock: HeldClock;
  let database: DatabaseSync;
  let tokens: ApiTokens;
  let roles: ReadonlySet<RoleName> | undefined;
  let origin: string | undefined;
  const moves: string[] = [];
  beforeEach(() => {
    clock = createHeldClock();
    database = openAccessDb(":memory:");
    roles = alice.roles;
    origin = "config";
    moves.length = 0;
    const onNewSource = (_token: unknown, address: string) => void moves.push(address);
    tokens = createApiTokens({ database, clock, rolesOf: () => roles, originOf: () => origin, onNewSource });
  });
  afterEach(() => database.close());

  it("has its owner's roles of now, and never one that it was not made with", () => {
    const { token } = tokens.create(alice, { ...wish, roles: ["operator"] });
    const again = tokens.credentialOf(token, "::1");
    expect([...(again?.caller.roles ?? [])]).toEqual(["operator"]);
    roles = new Set(["auditor", "admin"]);
    expect(tokens.credentialOf(token, "::1")).toBeUndefined();
    expect(again?.again()).toBeUndefined();
    roles = new Set(["operator", "admin"]);
    expect([...(again?.again()?.roles ?? [])]).toEqual(["operator"]);
    roles = undefined;
    expect(tokens.credentialOf(token, "::1")).toBeUndefined();
  });

  it("is its owner's alone: whoever has his name later has none of his tokens", () => {
    const { token } = tokens.create(alice, wish);
    const stream = tokens.credentialOf(token, "::1");
    origin = JSON.stringify(["https://id.example", "1"]);
    expect([stream?.again(), tokens.credentialOf(token, "::1")]).toEqual([undefined, undefined]);
    const hers = tokens.create(alice, wish).token;
    expect(tokens.credentialOf(hers, "::1")?.caller.name).toBe("alice");
    tokens.forgetStrangers();
    origin = "config";
    expect(tokens.credentialOf(token, "::1")).toBeUndefined();
    expect(tokens.credentialOf(hers, "::1")).toBeUndefined();
    origin = undefined;
    expect(word(() => tokens.create(alice, wish))).toBe("forbidden");
  });

  it("of who is taken out of the config is gone for good, at a reload as at the next start", () => {
    const changes = createAccessChanges();
    const list = (...names: string[]): PrincipalList => ({
      local: { name: "me", digest: digestOf("local"), roles: ["admin"] },
      principals: names.map((name) => ({
        ...{ name, roles: ["operator"] as const, tokenSha256: digestOf(name).toString("hex") },
      })),
      disabledUsers: [],
    });
    const start = (...names: string[]) => {
      const principals = createPrincipals(list(...names), changes);
      const identity = openIdentity({
        ...{ settings: identitySchema.parse({}), database, principals, pageUrl: () => "", clock },
        ...{ log: createLog("silent"), tell: () => {} },
      });
      return { principals, isGood: (token: string) => identity.byToken(token, "::1") !== undefined, identity };
    };
    const first = start("alice", "bob");
    const { token } = first.identity.apiTokens.create(alice, { ...wish, roles: ["operator"] });
    expect(first.isGood(token)).toBe(true);
    expect(start("alice").isGood(token)).toBe(true);
    expect(start("bob").isGood(token)).toBe(false);
    expect(start("alice", "bob").isGood(token)).toBe(false);
  });

  it("ends at its time, and at once when it is revoked", () => {
    const [first, second] = [tokens.create(alice, wish), tokens.create(alice, wish)];
    const open = tokens.credentialOf(second.token, "::1");
    tokens.revoke(second.made.id);
    expect(open?.again()).toBeUndefined();
    expect(tokens.credentialOf(second.token, "::1")).toBeUndefined();
    clock.pass(dayMs - 1);
    expect(tokens.credentialOf(first.token, "::1")).toBeDefined();
    clock.pass(1);
    expect(tokens.credentialOf(first.token, "::1")).toBeUndefined();
  });

  it("is not given away by what is nearly it", () => {
    const { token, made } = tokens.create(alice, wish);
    expect(token).toMatch(new RegExp(`^bzt_${made.id}_[\\w-]{43}$`));
    const other = tokens.create(alice, wish);
    const secretOf = (whole: string) => whole.slice(-43);
    const wrong = [
      `bzt_${made.id}_${secretOf(other.token)}`,
      `${token.slice(0, -1)}${token.endsWith("A") ? "B" : "A"}`,
      `bzt_${"a".repeat(16)}_${secretOf(token)}`,
      made.id,
      "",
    ];
    for (const each of wrong) expect(tokens.credentialOf(each, "::1")).toBeUndefined();
  });

  it("gives nobody more than he has, makes no further tokens, and lasts no longer than the link it came by", () => {
    expect(word(() => tokens.create(alice, { ...wish, roles: ["admin"] }))).toBe("forbidden");
    const made = tokens.credentialOf(tokens.create(alice, wish).token, "::1")?.caller as Caller;
    expect(word(() => tokens.create(made, wish))).toBe("forbidden");
    const byLink = { ...alice, byLink: true };
    expect(word(() => tokens.create(byLink, wish))).toBe("invalid");
    expect(word(() => tokens.create(byLink, { ...wish, forMs: dayMs / 2 }))).toBe("none");
    expect(word(() => tokens.create(alice, { ...wish, forMs: 367 * dayMs }))).toBe("invalid");
    expect(word(() => tokens.create(alice, { ...wish, forMs: 0 }))).toBe("invalid");
    expect(word(() => tokens.create(alice, { ...wish, label: " " }))).toBe("invalid");
  });

  it("tells when and from where it was last used, and says when that place is new", () => {
    const { token } = tokens.create(alice, wish);
    expect(tokens.list("alice")[0]).toMatchObject({ usedAtMs: undefined, usedFrom: undefined });
    const firstAt = clock.wallMs();
    tokens.credentialOf(token, "10.0.0.1");
    clock.pass(59_000);
    tokens.credentialOf(token, "10.0.0.1");
    expect(tokens.list("alice")[0]).toMatchObject({ usedAtMs: firstAt, usedFrom: "10.0.0.1" });
    clock.pass(1000);
    tokens.credentialOf(token, "10.0.0.1");
    expect(tokens.list("alice")[0]?.usedAtMs).toBe(firstAt + 60_000);
    tokens.credentialOf(token, "10.0.0.2");
    expect(moves).toEqual(["10.0.0.1", "10.0.0.2"]);
  });

  it("is one of a hundred at most, and those that are over do not count", () => {
    for (let count = 0; count < 100; count += 1) tokens.create(alice, wish);
    expect(word(() => tokens.create(alice, wish))).toBe("limit");
    clock.pass(dayMs);
    tokens.create(alice, wish);
    expect(tokens.list("alice")).toHaveLength(1);
  });
});

describe("API tokens over the wire", () => {
  const memory = createMemoryTarget({ name: "play", echo: true });
  let bastion: TestBastion;
  beforeEach(async () => {
    bastion = await openTestBastion({
      ...{ targets: [memory.target], dial: memory.dial },
      principals: { alice: ["operator"], bob: ["operator"], root: ["admin"] },
    });
  });
  afterEach(() => bastion[Symbol.asyncDispose]());
  const as = (name: string) => bastion.clients(`token-${name}`).access;
  const lasts = durationFromMs(dayMs);
  const wordOf = (call: Promise<unknown>) =>
    call.then(
      () => "none",
      (error) => faultOf(error).word,
    );

  it("A06: a token is nowhere on the disk in clear, and its file is its owner's alone", async () => {
    const { token } = await as("alice").createToken({ label: "report", lasts });
    await bastion.clients(token).access.whoAmI({});
    const data = join(bastion.folder, "state", "bartizan");
    const files = readdirSync(data, { recursive: true, withFileTypes: true }).filter((each) => each.isFile());
    const texts = files.map(({ parentPath, name }) => readFileSync(join(parentPath, name)));
    expect(texts.some((text) => text.includes(digestOf(token)))).toBe(true);
    expect(texts.some((text) => text.includes(token.slice(-43)))).toBe(false);
    expect(statSync(join(data, "access.db")).mode & 0o777).toBe(0o600);
  });

  it("may what it is for and nothing else", async () => {
    const scope = { actions: ["list-sessions"] };
    const { token } = await as("alice").createToken({ label: "list", lasts, scope });
    const clients = bastion.clients(token);
    expect(await clients.access.whoAmI({})).toMatchObject({ name: "alice", roles: ["operator"] });
    await clients.sessions.listSessions({});
    expect(await wordOf(clients.targets.listTargets({}))).toBe("forbidden");
    expect(await wordOf(clients.access.listTokens({}))).toBe("forbidden");
    expect(await wordOf(clients.access.createLink({}))).toBe("forbidden");
    expect(await wordOf(as("alice").createToken({ label: "x", lasts, scope: { actions: ["fly"] } }))).toBe("invalid");
    expect(await wordOf(as("alice").createToken({ label: "x", lasts, roles: ["god"] }))).toBe("invalid");
    const other = await as("alice").createToken({ label: "web only", lasts, scope: { targets: ["web*"] } });
    expect((await bastion.clients(other.token).targets.listTargets({})).targets).toEqual([]);
  });

  it("is its owner's to see and to revoke, an admin's too, and to others as if it were not there", async () => {
    const { made } = await as("alice").createToken({ label: "mine", lasts });
    const id = made?.id ?? "";
    const labels = async (name: string, all: boolean) =>
      (await as(name).listTokens({ all })).tokens.map(({ owner, label }) => `${owner}: ${label}`);
    expect(await labels("alice", false)).toEqual(["alice: mine"]);
    expect(await labels("bob", true)).toEqual([]);
    expect(await labels("root", true)).toEqual(["alice: mine"]);
    const [foreign, missing] = await Promise.all(
      [id, "a".repeat(16)].map((each) =>
        as("bob")
          .revokeToken({ id: each })
          .catch((error) => faultOf(error)),
      ),
    );
    expect(foreign).toMatchObject({ word: "not-found" });
    expect(foreign).toEqual(missing);
    await as("root").revokeToken({ id });
    expect(await labels("alice", false)).toEqual([]);
    const lines = readFileSync(join(bastion.folder, "state", "bartizan", "audit.jsonl"), "utf8").split("\n");
    const noted = lines.filter((line) => line.includes('"token-')).map((line) => JSON.parse(line));
    expect(noted).toMatchObject([
      { event: "token-created", who: "alice", address: "127.0.0.1", token: id },
      { event: "token-revoked", who: "root", token: id, owner: "alice" },
    ]);
  });

  it("does not come back with the name when its owner is taken out of the config and somebody is put in again", async () => {
    const { token } = await as("alice").createToken({ label: "mine", lasts });
    const whoAmI = () =>
      bastion
        .clients(token)
        .access.whoAmI({})
        .then(
          ({ name }) => name,
          (error) => faultOf(error).word,
        );
    expect(await whoAmI()).toBe("alice");
    bastion.reload({ ...bastion.config, principals: bastion.config.principals.filter(({ name }) => name !== "alice") });
    expect(await whoAmI()).toBe("unauthenticated");
    bastion.reload(bastion.config);
    expect(await whoAmI()).toBe("unauthenticated");
    expect((await as("alice").listTokens({})).tokens).toEqual([]);
  });

  it("takes the streams that came by it along when it is revoked, and no others", async () => {
    const operator = operate(bastion.clients("token-alice"), "play");
    const { session } = await operator.started();
    const { token, made } = await as("alice").createToken({ label: "watch", lasts });
    const watching = watch(bastion.clients(token), session.id);
    await watching.started();
    await as("alice").revokeToken({ id: made?.id ?? "" });
    const failed = await watching.over.catch((error) => error);
    expect(faultOf(failed).word).toBe("unauthenticated");
    await operator.type("still here");
    await operator.shows("still here");
    operator.shell.hangUp();
    await operator.ended();
  });

  it("is made, listed and revoked by the command line", async () => {
    const env = { url: bastion.url, token: "token-alice", folder: bastion.folder };
    const made = await cliInPipe(["token", "create", "night job", "--only", "list-sessions", "--lasts", "2h"], env);
    expect(made).toMatchObject({ code: 0 });
    const token = made.stdout.trim();
    expect(token).toMatch(/^bzt_[a-z2-7]{16}_[\w-]{43}$/);
    expect((await cliInPipe(["sessions"], { ...env, token })).code).toBe(0);
    const list = await cliInPipe(["token", "list"], env);
    expect(list.stdout).toMatch(/^ID +OWNER +FOR +ROLES +ONLY +LEFT +USED +FROM\n/);
    expect(list.stdout).toMatch(/alice +night job +operator +list-sessions see +\d+m +\d+s +127\.0\.0\.1/);
    expect(list.stdout).not.toContain(token);
    const [id = ""] = list.stdout.split("\n")[1]?.split(" ") ?? [];
    expect(await cliInPipe(["token", "revoke", id], env)).toMatchObject({ code: 0, stdout: "" });
    expect(await cliInPipe(["sessions"], { ...env, token })).toMatchObject({ code: 1, stdout: "" });
    expect(await cliInPipe(["token", "revoke", id], env)).toMatchObject({ code: 1 });
    expect(await cliInPipe(["token", "create", "x", "--lasts", "long"], env)).toMatchObject({ code: 2 });
  });
});
