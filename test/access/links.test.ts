import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { faultOf } from "../../proto/client/index.ts";
import { AccessService } from "../../proto/gen/bartizan/v1/access_pb.ts";
import { Links } from "../../server/access/links.ts";
import { MemoryPageTokens } from "../../server/access/page-tokens.ts";
import type { Caller } from "../../server/access/policy.ts";
import { createHeldClock } from "../support/held-clock.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { openTestBastion, type TestBastion } from "../support/test-bastion.ts";
import { until } from "../support/until.ts";
import { operate } from "../support/viewing.ts";

const alice: Caller = { name: "alice", roles: new Set(["operator"]) };
const rolesOf = () => alice.roles;
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

describe("a link's code", () => {
  it("signs in once, and is worth nothing afterwards", () => {
    const links = new Links(createHeldClock());
    const { code } = links.create(alice);
    expect(code).toMatch(/^[\w-]{43}$/);
    expect(links.redeem(code)).toBe(alice);
    expect(() => links.redeem(code)).toThrow(expect.objectContaining({ word: "unauthenticated" }));
  });

  it("is good for two minutes and not a moment longer", () => {
    const clock = createHeldClock();
    const links = new Links(clock);
    const [first, second] = [links.create(alice), links.create(alice)];
    expect(first.expiresAtMs).toBe(clock.wallMs() + 2 * minuteMs);
    clock.pass(2 * minuteMs - 1);
    expect(links.redeem(first.code)).toBe(alice);
    clock.pass(1);
    expect(() => links.redeem(second.code)).toThrow(expect.objectContaining({ word: "unauthenticated" }));
  });

  it("is the oldest to go when very many are open", () => {
    const links = new Links(createHeldClock());
    const callers = Array.from({ length: 1001 }, (_, at): Caller => ({ ...alice, name: `caller-${at}` }));
    const codes = callers.map((caller) => links.create(caller).code);
    expect(() => links.redeem(codes[0] ?? "")).toThrow();
    expect(links.redeem(codes[1] ?? "")).toBe(callers[1]);
    expect(links.redeem(codes[1000] ?? "")).toBe(callers[1000]);
  });

  it("is pushed out by ten newer ones of the same caller, and by none of another", () => {
    const links = new Links(createHeldClock());
    const bob: Caller = { ...alice, name: "bob" };
    const foreign = links.create(bob).code;
    const codes = Array.from({ length: 11 }, () => links.create(alice).code);
    expect(() => links.redeem(codes[0] ?? "")).toThrow();
    expect(links.redeem(codes[1] ?? "")).toBe(alice);
    expect(links.redeem(codes[10] ?? "")).toBe(alice);
    expect(links.redeem(foreign)).toBe(bob);
  });
});

describe("a page's token", () => {
  const over = AbortSignal.abort();

  it("ends twelve hours after it was made, however much it is used", () => {
    const clock = createHeldClock();
    const tokens = new MemoryPageTokens(clock, rolesOf);
    const { token } = tokens.issue(alice);
    for (let hour = 0; hour < 11; hour += 1) {
      clock.pass(hourMs);
      expect(tokens.credentialOf(token, over)).toMatchObject({ caller: { name: "alice" } });
    }
    clock.pass(hourMs);
    expect(tokens.credentialOf(token, over)).toBeUndefined();
  });

  it("ends two hours after its last use, and an open stream is use", () => {
    const clock = createHeldClock();
    const tokens = new MemoryPageTokens(clock, rolesOf);
    const [idle, used] = [tokens.issue(alice), tokens.issue(alice)];
    const stream = new AbortController();
    expect(tokens.credentialOf(used.token, stream.signal)).toBeDefined();
    clock.pass(3 * hourMs);
    expect(tokens.credentialOf(idle.token, over)).toBeUndefined();
    stream.abort();
    clock.pass(2 * hourMs - 1);
    expect(tokens.credentialOf(used.token, over)).toBeDefined();
    clock.pass(2 * hourMs);
    expect(tokens.credentialOf(used.token, over)).toBeUndefined();
  });

  it("takes its streams with it when the twelve hours are over, and when it is ended", () => {
    const clock = createHeldClock();
    const tokens = new MemoryPageTokens(clock, rolesOf);
    const [lasting, ended] = [tokens.issue(alice).token, tokens.issue(alice).token];
    const never = new AbortController().signal;
    const [one, other] = [lasting, ended].map((token) => tokens.credentialOf(token, never));
    clock.pass(11 * hourMs);
    expect([one?.again()?.name, other?.again()?.name]).toEqual(["alice", "alice"]);
    other?.end?.();
    expect(other?.again()).toBeUndefined();
    expect(tokens.credentialOf(ended, over)).toBeUndefined();
    clock.pass(hourMs - 1);
    expect(one?.again()?.name).toBe("alice");
    clock.pass(1);
    expect(one?.again()).toBeUndefined();
  });

  it("is the longest unused to go when very many are out", () => {
    const tokens = new MemoryPageTokens(createHeldClock(), rolesOf);
    const first = tokens.issue(alice).token;
    const second = tokens.issue(alice).token;
    for (let count = 2; count < 1000; count += 1) tokens.issue(alice);
    expect(tokens.credentialOf(first, over)).toBeDefined();
    tokens.issue(alice);
    expect(tokens.credentialOf(first, over)).toBeDefined();
    expect(tokens.credentialOf(second, over)).toBeUndefined();
  });
});

describe("the way into the page", () => {
  const memory = createMemoryTarget({ echo: true });
  let bastion: TestBastion;
  beforeEach(async () => {
    bastion = await openTestBastion({
      targets: [memory.target],
      dial: memory.dial,
      principals: { alice: ["operator"] },
    });
  });
  afterEach(() => bastion[Symbol.asyncDispose]());

  /** The page before it has a token. */
  const stranger = () =>
    createClient(AccessService, createConnectTransport({ baseUrl: bastion.url, useBinaryFormat: true }));
  const codeOf = (url: string) => new URL(url).hash.replace("#code=", "");

  it("is a link that stands for whoever made it, once", async () => {
    const { url, expiresAt } = await bastion.clients("token-alice").access.createLink({});
    expect(url.startsWith(`${bastion.url}/#code=`)).toBe(true);
    expect(Number(expiresAt?.seconds) * 1000).toBeGreaterThan(Date.now());
    const redeemed = await stranger().redeemCode({ code: codeOf(url) });
    expect(redeemed).toMatchObject({ name: "alice", roles: ["operator"] });
    expect((await bastion.clients(redeemed.token).access.whoAmI({})).name).toBe("alice");
    const again = await stranger()
      .redeemCode({ code: codeOf(url) })
      .catch((error) => ConnectError.from(error));
    expect((again as ConnectError).code).toBe(Code.Unauthenticated);
  });

  it("of the server's own link stands for the local user with every role", async () => {
    const redeemed = await stranger().redeemCode({ code: codeOf(bastion.createLink()) });
    expect(redeemed.roles).toEqual(["operator", "auditor", "admin"]);
    await using shell = operate(bastion.clients(redeemed.token), "memory");
    await shell.started();
    shell.shell.hangUp();
    await shell.ended();
    await until(() => bastion.registry.size === 0, "the session is gone");
  });

  it("needs a token to be made, and a page's own token is not enough", async () => {
    const nobody = await stranger()
      .createLink({})
      .catch((error) => faultOf(error));
    expect(nobody).toMatchObject({ word: "unauthenticated" });
    const { token } = await stranger().redeemCode({ code: codeOf(bastion.createLink()) });
    const page = await bastion
      .clients(token)
      .access.createLink({})
      .catch((error) => faultOf(error));
    expect(page).toMatchObject({ word: "forbidden" });
  });

  it("is refused to who tries codes, with an error that says so", async () => {
    const words: string[] = [];
    for (let wrong = 0; wrong < 25; wrong += 1)
      words.push(
        await stranger()
          .redeemCode({ code: "x".repeat(43) })
          .then(
            () => "let in",
            (error) => faultOf(error).word,
          ),
      );
    expect(words.slice(0, 20)).toEqual(Array(20).fill("unauthenticated"));
    expect(words).toContain("limit");
    expect(words).not.toContain("let in");
  });
});
