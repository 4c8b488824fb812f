import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { faultOf } from "../../proto/client/index.ts";
import { AccessService } from "../../proto/gen/bartizan/v1/access_pb.ts";
import { identitySchema } from "../../server/access/identity-settings.ts";
import { anyone, policyTable } from "../../server/access/policy.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { type Idp, openIdp } from "../support/open-idp.ts";
import { createSignInBrowser, type SignInBrowser } from "../support/signed-in.ts";
import { openTestBastion, type TestBastion } from "../support/test-bastion.ts";
import { operate } from "../support/viewing.ts";

const client = { clientId: "bartizan", clientSecret: "a secret of 32 characters or more" };
const people = {
  "zed-1": { preferred_username: "zed", groups: ["staff"] },
  "zed-2": { preferred_username: "zed", groups: ["staff", "ops"] },
  "ada-1": { preferred_username: "ada", groups: ["staff", "ops"] },
  "eve-1": { preferred_username: "eve", groups: ["visitors"] },
  "alice-9": { preferred_username: "alice", groups: ["ops"] },
};

it("links lead to identity.url, also where a group has an address of its own", async () => {
  const identity = identitySchema.parse({ url: "https://bastion.example" });
  await using bastion = await openTestBastion({ config: { identity, group: { url: "https://other.example" } } });
  expect(bastion.createLink()).toMatch(/^https:\/\/bastion\.example\/#code=/);
});

describe("the sign-in of the page by a real identity provider", () => {
  const memory = createMemoryTarget({ name: "play", echo: true });
  let folder: string;
  let idp: Idp;
  let bastion: TestBastion;
  let browser: SignInBrowser;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "bartizan-sign-in-"));
    writeFileSync(join(folder, "secret"), `${client.clientSecret}\n`);
    idp = await openIdp({ ...client, people });
  });
  afterAll(async () => {
    await idp[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });
  beforeEach(async () => {
    const oidc = { issuer: idp.issuer, clientId: client.clientId, clientSecretFile: join(folder, "secret") };
    const roles = { operator: { groups: ["staff"] }, admin: { groups: ["ops"], users: ["zed-the-boss"] } };
    bastion = await openTestBastion({
      ...{ targets: [memory.target], dial: memory.dial, principals: { alice: ["operator"] } },
      config: { identity: identitySchema.parse({ oidc: { ...oidc, roles } }) },
    });
    await idp.allow(`${bastion.url}/auth/callback`);
    browser = createSignInBrowser(bastion.url);
  });
  afterEach(async () => {
    browser[Symbol.dispose]();
    await bastion[Symbol.asyncDispose]();
  });
  const signIn = async (account: string, to?: string) =>
    await browser.comeBack(await idp.approve(await browser.begin(to), account));
  const whoAmI = (headers?: Record<string, string>) =>
    browser
      .clients(headers)
      .access.whoAmI({})
      .catch((error) => faultOf(error).word);

  it("lets in who the provider vouches for, with the roles of his groups, by a cookie no script can read", async () => {
    expect(await signIn("ada-1", "recordings")).toBe("/recordings#sign-in=done");
    expect(await whoAmI()).toMatchObject({ name: "ada", roles: ["operator", "admin"] });
    const cookie = browser.set.find((line) => line.startsWith("__Host-bartizan="));
    expect(cookie).toMatch(/^__Host-bartizan=[\w-]{43}; Path=\/; Secure; HttpOnly; SameSite=Strict$/);
    expect([...browser.cookies.keys()]).toEqual(["__Host-bartizan"]);
  });

  it("carries shells over the page's WebSockets, and logout ends them at once", async () => {
    await signIn("zed-1");
    const clients = browser.clients();
    const shell = operate(clients, "play", { reconnect: false });
    const { session } = await shell.started();
    await shell.type("typed");
    await shell.shows("typed");
    expect(await clients.access.logout({})).toMatchObject({ ended: true });
    expect(faultOf(await shell.over.catch((error) => error)).word).toBe("unauthenticated");
    expect(browser.cookies.size).toBe(0);
    // The shell waits for its operator to sign in again.
    await bastion.clients().sessions.kick({ sessionId: session.id, reason: "the test is over" });
  });

  it("A11: begins with a fresh cookie whatever a browser brings, and an old one is worth nothing after logout", async () => {
    const preset = "A".repeat(43);
    browser.cookies.set("__Host-bartizan", preset);
    await signIn("zed-1");
    const first = browser.cookies.get("__Host-bartizan") ?? "";
    expect(first).not.toBe(preset);
    await signIn("zed-1");
    const second = browser.cookies.get("__Host-bartizan") ?? "";
    expect(second).not.toBe(first);
    await browser.clients().access.logout({});
    browser.cookies.set("__Host-bartizan", second);
    expect(await whoAmI()).toBe("unauthenticated");
    browser.cookies.set("__Host-bartizan", preset);
    expect(await whoAmI()).toBe("unauthenticated");
  });

  it("believes the cookie from its own page alone", async () => {
    await signIn("zed-1");
    const nobody = "unauthenticated";
    expect(await whoAmI({ "sec-fetch-site": "cross-site" })).toBe("forbidden");
    expect(await whoAmI({ "sec-fetch-site": "same-site" })).toBe("forbidden");
    expect(await whoAmI({ "sec-fetch-site": "none" })).toBe("forbidden");
    expect(await whoAmI({ "x-other": "nothing says where it is from" })).toBe(nobody);
    expect(await whoAmI({ origin: bastion.url })).toMatchObject({ name: "zed" });
    expect(await whoAmI({ "sec-fetch-site": "same-origin" })).toMatchObject({ name: "zed" });
    const foreign = browser.clients({ origin: "http://evil.example" });
    const stream = foreign.sessions.watchSessions({})[Symbol.asyncIterator]();
    await expect(stream.next()).rejects.toThrow();
    const twice = browser.cookies.get("__Host-bartizan") ?? "";
    browser.cookies.set("__Host-bartizan", `${"B".repeat(43)}; __Host-bartizan=${twice}`);
    expect(await whoAmI()).toBe(nobody);
  });

  it("is for one person by name: another subject of the same name, a name of the config, one without a role stay out", async () => {
    expect(await signIn("zed-1")).toBe("/sessions#sign-in=done");
    for (const account of ["zed-2", "alice-9", "eve-1"]) {
      browser.cookies.clear();
      expect(await signIn(account)).toBe("/#sign-in=refused");
      expect(browser.cookies.size).toBe(0);
    }
  });

  it("goes to a place of its own list, and is not begun by another site", async () => {
    expect(await signIn("zed-1", encodeURIComponent("//evil.example/"))).toBe("/#sign-in=done");
    const sent = await fetch(`${bastion.url}/auth/login`, {
      ...{ redirect: "manual", headers: { "sec-fetch-site": "cross-site", connection: "close" } },
    });
    expect(sent.status).toBe(403);
    expect(sent.headers.getSetCookie()).toEqual([]);
  });

  it("takes each way back once, from the browser that went", async () => {
    const back = await idp.approve(await browser.begin(), "zed-1");
    using other = createSignInBrowser(bastion.url);
    await other.begin();
    expect(await other.comeBack(back)).toBe("/#sign-in=refused");
    const secret = browser.cookies.get("__Host-bartizan-away") ?? "";
    expect(await browser.comeBack(back)).toBe("/sessions#sign-in=done");
    browser.cookies.set("__Host-bartizan-away", secret);
    expect(await browser.comeBack(back)).toBe("/#sign-in=refused");
  });

  it("gives tokens to who signed in, and they end with his roles", async () => {
    await signIn("zed-1");
    const { token } = await browser.clients().access.createToken({ label: "mine", lasts: { seconds: 3600n } });
    expect(await bastion.clients(token).access.whoAmI({})).toMatchObject({ name: "zed", roles: ["operator"] });
  });

  it("is over at once for who is disabled: his streams end, and neither his cookie nor his tokens let him in", async () => {
    await signIn("zed-1");
    const clients = browser.clients();
    const { token } = await clients.access.createToken({ label: "mine", lasts: { seconds: 3600n } });
    const [byCookie, byToken] = [clients, bastion.clients(token)].map(({ sessions }) =>
      sessions.watchSessions({})[Symbol.asyncIterator](),
    );
    for (const stream of [byCookie, byToken]) expect((await stream?.next())?.value.event.case).toBe("snapshot");
    bastion.reload({ ...bastion.config, disabledUsers: ["zed"] });
    for (const stream of [byCookie, byToken]) {
      const ended = await stream?.next().catch((error) => faultOf(error).word);
      expect(ended).toBe("unauthenticated");
    }
    expect(await whoAmI()).toBe("unauthenticated");
    await expect(bastion.clients(token).access.whoAmI({})).rejects.toThrow();
    expect(await signIn("zed-1")).toBe("/#sign-in=refused");
    bastion.reload({ ...bastion.config, disabledUsers: [] });
    expect(await signIn("zed-1")).toBe("/sessions#sign-in=done");
  });

  it("A15: no form, link or simple request of any kind does anything with a good cookie", async () => {
    await signIn("ada-1");
    const cookie = `__Host-bartizan=${browser.cookies.get("__Host-bartizan")}`;
    const label = JSON.stringify({ label: "stolen", lasts: "3600s" });
    const statuses = new Set<number>();
    for (const { name, parent } of Object.values(AccessService.method)) {
      if (policyTable[`${parent.typeName}/${name}`] === anyone) continue;
      const path = `${bastion.url}/${parent.typeName}/${name}`;
      const headers = { cookie, connection: "close" };
      for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]) {
        const typed = type === "" ? headers : { ...headers, "content-type": type };
        const own = { ...typed, "sec-fetch-site": "same-origin", origin: bastion.url };
        statuses.add((await fetch(path, { method: "POST", headers: own, body: Buffer.from(label) })).status);
        const foreign = { ...typed, origin: "https://evil.example", "sec-fetch-site": "cross-site" };
        statuses.add((await fetch(path, { method: "POST", headers: foreign, body: Buffer.from(label) })).status);
      }
      const query = new URLSearchParams({ connect: "v1", encoding: "json", message: label });
      statuses.add(
        (await fetch(`${path}?${query}`, { headers: { ...headers, "sec-fetch-site": "same-origin" } })).status,
      );
      const json = { ...headers, "content-type": "application/json", "sec-fetch-site": "cross-site" };
      statuses.add((await fetch(path, { method: "POST", headers: json, body: label })).status);
    }
    expect([...statuses].filter((status) => status < 400 || status >= 500)).toEqual([]);
    expect((await browser.clients().access.listTokens({})).tokens).toEqual([]);
    expect(await whoAmI()).toMatchObject({ name: "ada" });
  });

  it("survives whatever is sent to its two addresses, and answers with nothing but the way to its own page", async () => {
    const queries = [
      "",
      "?",
      "?code",
      "?code=%00%ff%zz",
      "?state=a&state=b",
      `?${"x=1&".repeat(2000)}`,
      "?iss=\u0000",
      "?%",
    ];
    const methods = ["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD"];
    for (const path of [
      "/auth/login",
      "/auth/callback",
      "/auth/callback/",
      "/auth//login",
      "/AUTH/login",
      "/auth/%6cogin",
    ]) {
      for (const query of queries) {
        for (const method of query === "" ? methods : ["GET"]) {
          const answer = await fetch(`${bastion.url}${path}${query}`, {
            ...{ method, redirect: "manual", headers: { connection: "close", "sec-fetch-site": "none" } },
          });
          const location = answer.headers.get("location");
          if (location !== null)
            expect(location.startsWith("/#") || location.startsWith(`${idp.issuer}/auth?`)).toBe(true);
          else expect(answer.status).toBeGreaterThanOrEqual(400);
        }
      }
    }
    expect(await signIn("zed-1")).toBe("/sessions#sign-in=done");
  });
});
