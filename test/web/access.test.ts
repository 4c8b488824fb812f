import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Interceptor } from "@connectrpc/connect";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { bearer, createClients } from "../../proto/client/index.ts";
import { createNodeTransport } from "../../proto/client/node-transport.ts";
import { createAccess, noticeRefusal, storedToken } from "../../web/access.ts";
import { openTestBastion, type TestBastion } from "../support/test-bastion.ts";
import { until } from "../support/until.ts";

let bastion: TestBastion;
let kept: Map<string, string>;
let address: URL;
const transports: Disposable[] = [];
beforeEach(async () => {
  bastion = await openTestBastion({ principals: { mallory: ["operator"] } });
  kept = new Map();
  address = new URL(bastion.url);
  vi.stubGlobal("sessionStorage", {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => kept.set(key, value),
    removeItem: (key: string) => kept.delete(key),
  });
  vi.stubGlobal("location", {
    get hash() {
      return address.hash;
    },
    pathname: "/",
    search: "",
  });
  vi.stubGlobal("history", {
    state: null,
    replaceState: (_state: unknown, _title: string, to: string) => {
      address = new URL(to, address);
    },
  });
});
afterEach(async () => {
  vi.unstubAllGlobals();
  for (const transport of transports.splice(0)) transport[Symbol.dispose]();
  await bastion[Symbol.asyncDispose]();
});

/** What one tab of a browser has; `elsewhere`: who is signed in in its other tabs. */
function openTab(baseUrl = () => bastion.url, elsewhere: readonly string[] = []) {
  const seen: string[] = [];
  const look: Interceptor = (next) => (request) => {
    seen.push(`${request.method.name} at ${address.hash || "no fragment"}`);
    return next(request);
  };
  const clients = () => {
    const interceptors = [bearer(storedToken), noticeRefusal(() => access.refused()), look];
    const transport = createNodeTransport({ baseUrl: baseUrl(), interceptors });
    transports.push(transport);
    return createClients(transport);
  };
  const access = createAccess(() => clients().access, { names: async () => elsewhere, hold: () => {} });
  return { access, clients, seen };
}

const follow = (link: string) => {
  address = new URL(link);
};

it("a link lets in, and its code is out of the address before the first call", async () => {
  follow(bastion.createLink());
  const { access, seen } = openTab();
  await access.check();
  expect(access.state).toMatchObject({ kind: "in", who: { roles: ["operator", "auditor", "admin"], node: "test" } });
  expect(seen).toEqual(["RedeemCode at no fragment", "WhoAmI at no fragment"]);
  expect(storedToken()).not.toBe(bastion.token);
  expect([...kept.values()]).toEqual([storedToken()]);
});

it("a tab without a link is told how to get one, and one with a used link that it is used", async () => {
  const { access } = openTab();
  await access.check();
  expect(access.state).toEqual({ kind: "out", why: "no-link" });
  const link = bastion.createLink();
  follow(link);
  await access.check();
  expect(access.state.kind).toBe("in");
  kept.clear(); // another tab
  follow(link);
  const other = openTab();
  await other.access.check();
  expect(other.access.state).toEqual({ kind: "out", why: "link-used" });
});

it("a used link does not put out who is in", async () => {
  const link = bastion.createLink();
  follow(link);
  const { access } = openTab();
  await access.check();
  const token = storedToken();
  follow(link);
  await access.check();
  expect(access.state.kind).toBe("in");
  expect(storedToken()).toBe(token);
});

it("a code is not lost when the server does not answer at first", async () => {
  follow(bastion.createLink());
  let url = "http://127.0.0.1:1";
  const { access } = openTab(() => url);
  await access.check();
  expect(access.state.kind).toBe("unreachable");
  url = bastion.url;
  await access.check();
  expect(access.state.kind).toBe("in");
});

it("a token that the server no longer knows ends the sign-in, whichever call finds out, and not the page", async () => {
  for (const kind of ["unary", "stream"]) {
    follow(bastion.createLink());
    const { access, clients } = openTab();
    await access.check();
    kept.set("bartizan.token", "nobody-has-this-token");
    const { sessions } = clients();
    if (kind === "unary") await expect(sessions.listSessions({})).rejects.toThrow();
    else await expect(sessions.watchSessions({})[Symbol.asyncIterator]().next()).rejects.toThrow();
    await until(() => access.state.kind === "over", "the page knows");
    expect(storedToken()).toBe("");
    expect(await access.use("rubbish")).toBe("no-link");
    expect(await access.use(`${bastion.url}/#code=${"x".repeat(43)}`)).toBe("link-used");
    expect(access.state.kind).toBe("over");
    expect(await access.use(` ${bastion.createLink()}\n`)).toBe("in");
    expect(access.state.kind).toBe("in");
    await sessions.listSessions({});
  }
});

const foreignLink = async () => (await bastion.clients("token-mallory").access.createLink({})).url;

it("a link of somebody else replaces nobody before a yes, in a tab that is in, was reloaded, or has lost its sign-in", async () => {
  for (const how of ["in", "reloaded", "over"]) {
    follow(bastion.createLink());
    let { access } = openTab();
    await access.check();
    const name = access.state.kind === "in" ? access.state.who.name : "";
    const token = storedToken();
    if (how === "reloaded") ({ access } = openTab());
    if (how === "over") access.refused();
    follow(await foreignLink());
    await access.check();
    expect(access.offer).toMatchObject({ name: "mallory", instead: [name], here: true });
    expect(storedToken()).toBe(how === "over" ? "" : token);
    expect(access.state).toMatchObject({ kind: how === "over" ? "over" : "in", who: { name } });
    await access.answer(false);
    expect(access.offer).toBeUndefined();
    expect(access.state).toMatchObject({ kind: how === "over" ? "over" : "in", who: { name } });

    expect(await access.use(await foreignLink())).toBe("asked");
    await access.answer(true);
    expect(access.state).toMatchObject({ kind: "in", who: { name: "mallory" } });
    kept.clear();
  }
});

it("a fresh tab asks, too, when somebody else is signed in in another tab of the browser, and a no leaves it out", async () => {
  const { access } = openTab(undefined, ["ana", "mallory"]);
  follow(await foreignLink());
  await access.check();
  expect(access.offer).toMatchObject({ name: "mallory", instead: ["ana"], here: false });
  expect(access.state.kind).toBe("checking");
  await access.answer(false);
  expect(access.state).toEqual({ kind: "out", why: "no-link" });
  expect(storedToken()).toBe("");
});

it("leaving ends the token on the server, and forgets it here also when the server is away", async () => {
  let baseUrl = bastion.url;
  const { access } = openTab(() => baseUrl);
  const isGood = (token: string) =>
    bastion
      .clients(token)
      .access.whoAmI({})
      .then(
        () => true,
        () => false,
      );
  follow(bastion.createLink());
  await access.check();
  const first = storedToken();
  await access.leave();
  expect([access.state, storedToken()]).toEqual([{ kind: "out", why: "over" }, ""]);
  expect(await isGood(first)).toBe(false);
  follow(bastion.createLink());
  await access.check();
  const second = storedToken();
  baseUrl = "http://127.0.0.1:9";
  await access.leave();
  expect([access.state, storedToken()]).toEqual([{ kind: "out", why: "over" }, ""]);
  expect(await isGood(second)).toBe(true);
  const auditLog = readFileSync(join(bastion.folder, "state", "bartizan", "audit.jsonl"), "utf8");
  expect(auditLog.split("\n").filter((line) => line.includes('"logout"'))).toHaveLength(1);
  // A token of the config cannot be ended, and nothing says that it was.
  expect(await bastion.clients("token-mallory").access.logout({})).toMatchObject({ ended: false });
  const later = readFileSync(join(bastion.folder, "state", "bartizan", "audit.jsonl"), "utf8");
  expect(later.split("\n").filter((line) => line.includes('"logout"'))).toHaveLength(1);
});

it("a further link of the same person is taken without a question", async () => {
  follow(bastion.createLink());
  const { access } = openTab(undefined, ["ana"]);
  await access.check();
  await access.answer(true);
  const token = storedToken();
  expect(token).not.toBe("");
  expect(await access.use(bastion.createLink())).toBe("in");
  expect(access.offer).toBeUndefined();
  expect(storedToken()).not.toBe(token);
});
