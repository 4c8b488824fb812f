import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { identitySchema } from "../../server/access/identity-settings.ts";
import { identityFrom, refusalOf, rolesGiven } from "../../server/access/oidc-identity.ts";
import { type Claims, type HostileIdp, openHostileIdp } from "../support/hostile-idp.ts";
import { createSignInBrowser, type SignInBrowser } from "../support/signed-in.ts";
import { openTestBastion, type TestBastion } from "../support/test-bastion.ts";

const refused = "/#sign-in=refused";
const nowS = () => Math.floor(Date.now() / 1000);
const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");

describe("A10: an identity provider's answer that is not quite right", () => {
  let idp: HostileIdp;
  let bastion: TestBastion;
  let browser: SignInBrowser;
  /** What the audit log says of those who were refused, and of who came in. */
  const noted = () =>
    readFileSync(join(bastion.folder, "state", "bartizan", "audit.jsonl"), "utf8")
      .split("\n")
      .filter((line) => /"login-/.test(line))
      .map((line) => JSON.parse(line) as { event: string; cause?: string });
  const causesOf = () => noted().flatMap(({ event, cause = "" }) => (event === "login-failed" ? [cause] : []));
  beforeEach(async () => {
    idp = await openHostileIdp("bartizan");
    const oidc = { issuer: idp.issuer, clientId: "bartizan", roles: { operator: { groups: ["staff"] } } };
    bastion = await openTestBastion({ config: { identity: identitySchema.parse({ oidc }) } });
    browser = createSignInBrowser(bastion.url);
  });
  afterEach(async () => {
    browser[Symbol.dispose]();
    await bastion[Symbol.asyncDispose]();
    await idp[Symbol.asyncDispose]();
  });

  /** Goes there and back; `change` may alter what the browser brings. */
  async function signIn(change: (query: URLSearchParams) => void = () => {}): Promise<string> {
    const there = new URL(await browser.begin());
    expect(there.searchParams.get("code_challenge_method")).toBe("S256");
    idp.nonce = there.searchParams.get("nonce") ?? "";
    const state = there.searchParams.get("state") ?? "";
    const query = new URLSearchParams({ code: `code-${idp.codes.length}`, state, iss: idp.issuer });
    change(query);
    return await browser.comeBack(`${bastion.url}/auth/callback?${query}`);
  }
  const withClaims = (claims: Claims) => {
    idp.answer = ({ good, sign }) => sign({ ...good, ...claims });
  };

  it("is let in when nothing is wrong with it", async () => {
    expect(await signIn()).toBe("/sessions#sign-in=done");
    expect(await browser.clients().access.whoAmI({})).toMatchObject({
      name: "zed",
      roles: ["operator"],
      way: "provider",
    });
    expect(noted()).toMatchObject([{ event: "login-ok", who: "zed", address: "127.0.0.1", signedIn: "oidc" }]);
  });

  const wrongClaims: Record<string, Claims> = {
    "another issuer": { iss: "https://elsewhere.example" },
    "another audience": { aud: "somebody-else" },
    "another nonce": { nonce: "an older one" },
    "no nonce": { nonce: undefined },
    "one that is over": { iat: nowS() - 600, exp: nowS() - 300 },
    "one that is not yet valid": { nbf: nowS() + 600 },
    "no end": { exp: undefined },
    "no subject": { sub: undefined },
    "an empty subject": { sub: "" },
    "no name": { preferred_username: undefined },
    "a name that is markup": { preferred_username: "<img src=x>" },
    "a name that is a list": { preferred_username: ["zed"] },
    "no group of ours": { groups: ["visitors"] },
    "groups that are no texts": { groups: { staff: true } },
  };
  it.each(Object.entries(wrongClaims))("is refused for %s", async (_what, claims) => {
    withClaims(claims);
    expect(await signIn()).toBe(refused);
    expect(browser.cookies.size).toBe(0);
    const causes = causesOf();
    expect(causes).toHaveLength(1);
    expect(["answer-unfit", "name-unfit", "no-role"]).toContain(causes[0]);
    if (causes[0] === "no-role") expect(noted()).toMatchObject([{ claimed: "zed" }]);
    if (claims.preferred_username === "<img src=x>") expect(noted()).toMatchObject([{ claimed: "<img src=x>" }]);
  });

  it("is refused without a signature, with one by the public key as a secret, and by a key that nobody knows", async () => {
    idp.answer = async ({ good }) => `${part({ alg: "none" })}.${part(good)}.`;
    expect(await signIn()).toBe(refused);
    idp.answer = async ({ good }) => {
      const signed = `${part({ alg: "HS256", kid: "one" })}.${part(good)}`;
      return `${signed}.${createHmac("sha256", idp.publicKey).update(signed).digest("base64url")}`;
    };
    expect(await signIn()).toBe(refused);
    idp.answer = ({ good, sign }) => sign(good, { kid: "two" });
    expect(await signIn()).toBe(refused);
    idp.answer = ({ good, sign }) => sign(good, { kid: "one" });
    expect(await signIn()).toBe(refused);
    idp.answer = async ({ good, sign }) => {
      const [head, , signature] = (await sign(good)).split(".");
      return `${head}.${part({ ...good, sub: "somebody-else" })}.${signature}`;
    };
    expect(await signIn()).toBe(refused);
    // Of one cause from one address there is one line a minute.
    expect(causesOf()).toEqual(["answer-unfit"]);
  });

  it("is refused before its code is spent when the state, the issuer or the browser is another", async () => {
    expect(await signIn((query) => query.set("state", "x"))).toBe(refused);
    expect(await signIn((query) => query.delete("state"))).toBe(refused);
    expect(await signIn((query) => query.set("iss", "https://elsewhere.example"))).toBe(refused);
    expect(await signIn((query) => query.append("state", query.get("state") ?? ""))).toBe(refused);
    expect(await signIn(() => browser.cookies.clear())).toBe(refused);
    expect(await signIn((query) => query.set("error", "access_denied"))).toBe(refused);
    expect(idp.codes).toEqual([]);
    expect(causesOf()).toContain("attempt-unknown");
    expect(causesOf()).toContain("provider-refused");
  });

  it("is refused when a name that was somebody's comes with another subject, and keeps a name that was changed there", async () => {
    expect(await signIn()).toBe("/sessions#sign-in=done");
    withClaims({ sub: "zed-2" });
    expect(await signIn()).toBe(refused);
    expect(causesOf()).toEqual(["subject-changed"]);
    expect(noted()).toContainEqual(expect.objectContaining({ event: "login-failed", claimed: "zed" }));
    withClaims({ preferred_username: "zed-the-great" });
    expect(await signIn()).toBe("/sessions#sign-in=done");
    expect(await browser.clients().access.whoAmI({})).toMatchObject({ name: "zed" });
  });

  it("says that a provider which is down does not answer, and keeps who is in", async () => {
    expect(await signIn()).toBe("/sessions#sign-in=done");
    const kept = browser.cookies.get("__Host-bartizan") ?? "";
    const there = new URL(await browser.begin());
    const back = `${bastion.url}/auth/callback?${new URLSearchParams({ code: "c", state: there.searchParams.get("state") ?? "", iss: idp.issuer })}`;
    await idp[Symbol.asyncDispose]();
    expect(await browser.comeBack(back)).toBe("/#sign-in=unreachable");
    browser.cookies.set("__Host-bartizan", kept);
    expect(await browser.clients().access.whoAmI({})).toMatchObject({ name: "zed" });
    idp = await openHostileIdp("bartizan");
  });
});

describe("what claims give", () => {
  const settingsOf = (more: object) => {
    const roles = { operator: { groups: ["staff"] }, admin: { users: ["root@example.com"] } };
    const oidc = { issuer: "https://id.example", clientId: "b", roles, ...more };
    const { oidc: settings } = identitySchema.parse({ oidc });
    if (settings === undefined) throw new Error("no settings");
    return settings;
  };
  const claims = { iss: "https://id.example", sub: "1", preferred_username: "zed", groups: ["staff"] };
  const rolesIn = (given: Claims, more: object) => {
    const { claimed, groups } = identityFrom(given, settingsOf(more));
    return [...rolesGiven(settingsOf(more), claimed, groups)];
  };
  const causeOf = (given: Claims, more: object) => {
    try {
      return rolesIn(given, more).length === 0 ? "no-role" : "none";
    } catch (error) {
      return refusalOf(error);
    }
  };

  it("an e-mail address is a name only when the provider has verified it", () => {
    const email = { ...claims, email: "root@example.com" };
    const byEmail = { nameClaim: "email" };
    for (const verified of [undefined, false, "true", 1])
      expect(causeOf({ ...email, email_verified: verified }, byEmail)).toBe("email-unverified");
    expect(rolesIn({ ...email, email_verified: true }, byEmail)).toEqual(["operator", "admin"]);
  });

  it("whoever has to prove himself twice comes in with nothing less", () => {
    const twice = { amr: ["mfa", "hwk"] };
    expect(causeOf(claims, twice)).toBe("assurance");
    expect(causeOf({ ...claims, amr: ["pwd"] }, twice)).toBe("assurance");
    expect(causeOf({ ...claims, amr: ["pwd", "mfa"] }, twice)).toBe("none");
  });

  it("a group is a role only when it is written so, also one that is named like an object's own part", () => {
    expect(causeOf({ ...claims, groups: ["constructor", "__proto__", "admin"] }, {})).toBe("no-role");
    expect(causeOf({ ...claims, groups: "staff" }, {})).toBe("none");
  });
});
