import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { identitySchema } from "../../server/access/identity-settings.ts";
import { spawnCli } from "../cli/cli-in-pty.ts";
import { axeCode, seriousFaults } from "../support/axe-look.ts";
import { openBrowser, openPageRig, type PageRig } from "../support/browser.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { type Idp, openIdp } from "../support/open-idp.ts";
import { frontPane, openShellOn, shellIsOpen, shows, typeLine } from "../support/page-parts.ts";
import { until } from "../support/until.ts";

const client = { clientId: "bartizan", clientSecret: "a secret of 32 characters or more" };
const people = {
  zed: { preferred_username: "zed", groups: ["staff"] },
  ada: { preferred_username: "ada", groups: ["staff", "ops"] },
  eve: { preferred_username: "eve", groups: ["visitors"] },
};

let browser: Browser & AsyncDisposable;
let idp: Idp;
let folder: string;
beforeAll(async () => {
  browser = await openBrowser();
  idp = await openIdp({ ...client, people });
  folder = mkdtempSync(join(tmpdir(), "bartizan-page-identity-"));
  writeFileSync(join(folder, "secret"), client.clientSecret);
  const made = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"];
  const subject = ["-subj", "/CN=localhost", "-keyout", join(folder, "key.pem"), "-out", join(folder, "cert.pem")];
  execFileSync("openssl", [...made, ...subject], { stdio: "ignore" });
});
afterAll(async () => {
  await browser[Symbol.asyncDispose]();
  await idp[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const memory = createMemoryTarget({ name: "play", echo: true });

async function openRig(): Promise<PageRig> {
  const oidc = { issuer: idp.issuer, label: "the test's provider", clientId: client.clientId };
  const roles = { operator: { groups: ["staff"] }, admin: { groups: ["ops"] } };
  const rig = await openPageRig(browser, {
    ...{ targets: [memory.target], dial: memory.dial, principals: { alice: ["operator"] } },
    config: {
      listen: {
        ...{ host: "127.0.0.1", port: 0, names: [] },
        tls: { cert: join(folder, "cert.pem"), key: join(folder, "key.pem") },
      },
      identity: identitySchema.parse({ oidc: { ...oidc, clientSecretFile: join(folder, "secret"), roles } }),
    },
  });
  await idp.allow(`${rig.bastion.url}/auth/callback`);
  return rig;
}
const open = (rig: PageRig, path: string, script?: string) =>
  rig.open({ at: `${rig.bastion.url}${path}`, ignoreHTTPSErrors: true, ...(script === undefined ? {} : { script }) });

/** Cookies know no ports: the provider's own stand beside it. */
const ours = async (page: Page) => (await page.context().cookies()).find(({ name }) => name === "__Host-bartizan");

/** At the provider's own pages. */
async function approve(page: Page, account: string): Promise<void> {
  await page.locator('input[name="login"]').fill(account);
  await page.locator('input[name="password"]').fill("x");
  await page.locator('button[type="submit"]').click();
  await page.getByRole("button", { name: "Continue" }).click();
}
async function signIn(page: Page, account: string): Promise<void> {
  await page.getByRole("link", { name: "Sign in with the test's provider" }).click();
  await approve(page, account);
}

describe("the page's sign-in by an identity provider", () => {
  test("leads back to the page one was on, keeps no secret where scripts find it, and ends by signing out", async () => {
    await using rig = await openRig();
    const page = await open(rig, "/sessions", axeCode);
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    const found = await seriousFaults(page, "sign-in");
    await signIn(page, "zed");
    await page.getByText("Nobody has a shell open").waitFor();
    expect(page.url()).toBe(`${rig.bastion.url}/sessions`);
    const kept = await page.evaluate(() => document.cookie + JSON.stringify({ ...localStorage, ...sessionStorage }));
    const cookie = await ours(page);
    expect(cookie).toMatchObject({ httpOnly: true, secure: true, sameSite: "Strict" });
    expect(kept).not.toContain(cookie?.value ?? "none");
    await page.reload();
    await page.getByText("Nobody has a shell open").waitFor();
    await page.getByRole("button", { name: "Menu of zed" }).click();
    await page.getByRole("menuitem", { name: "Sign out" }).click();
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    expect(await ours(page)).toBeUndefined();
    expect(found).toEqual([]);
  });

  test("lets nobody in without a role, and says so in one sentence", async () => {
    await using rig = await openRig();
    const page = await open(rig, "/");
    await signIn(page, "eve");
    await page.getByText("The sign-in did not succeed.").waitFor();
    expect(new URL(page.url()).hash).toBe("");
  });

  test("that another tab ended ends shells here, and signing in again brings them back", async () => {
    await using rig = await openRig();
    const page = await open(rig, "/");
    await signIn(page, "zed");
    await openShellOn(page, "play");
    await typeLine(page, "before");
    await shows(frontPane(page), "before");
    const other = await page.context().newPage();
    await other.goto(`${rig.bastion.url}/sessions`);
    await other.getByTestId("session").waitFor();
    await other.getByRole("button", { name: "Menu of zed" }).click();
    await other.getByRole("menuitem", { name: "Sign out" }).click();
    await other.getByRole("heading", { name: "Sign in" }).waitFor();
    await page.getByTestId("signed-out").waitFor();
    await until(() => rig.bastion.registry.list()[0]?.state === "detached", "the shell waits");
    await page.getByRole("link", { name: "Sign in again with the test's provider" }).click();
    await page.getByRole("button", { name: "Continue" }).or(page.getByTestId("shell-pane")).first().waitFor();
    await shellIsOpen(page);
    await shows(frontPane(page), "before");
  });
});

describe("the page of API tokens", () => {
  test("makes one that is shown once, lists it with its last use, and revokes it after a question", async () => {
    await using rig = await openRig();
    const page = await open(rig, "/tokens", axeCode);
    await signIn(page, "ada");
    await page.getByRole("heading", { name: "No tokens" }).waitFor();
    await page.getByRole("button", { name: "Make a token" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("button", { name: "Make it" }).click();
    await dialog.getByText("Say what it is for.").waitFor();
    const found = await seriousFaults(page, "making");
    await dialog.getByLabel("What it is for").fill("night job");
    await dialog.getByLabel("admin").uncheck();
    await dialog.getByRole("button", { name: "Make it" }).click();
    const token = (await dialog.getByTestId("new-token").textContent()) ?? "";
    expect(token).toMatch(/^bzt_[a-z2-7]{16}_[\w-]{43}$/);
    found.push(...(await seriousFaults(page, "made")));
    await dialog.getByRole("button", { name: "I have it" }).click();
    expect(await rig.bastion.clients(token).access.whoAmI({})).toMatchObject({ name: "ada", roles: ["operator"] });
    await page.reload();
    const row = page.getByTestId("token");
    await row.getByText("from 127.0.0.1").waitFor();
    expect(await page.content()).not.toContain(token.slice(-43));
    found.push(...(await seriousFaults(page, "list")));
    await row.getByRole("button", { name: "Revoke night job" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
    await page.getByRole("heading", { name: "No tokens" }).waitFor();
    await expect(rig.bastion.clients(token).access.whoAmI({})).rejects.toThrow();
    expect(found).toEqual([]);
  });

  test("lets who came by a link make one for hours, not for days", async () => {
    await using rig = await openPageRig(browser, { principals: { alice: ["operator"] } });
    const page = await rig.open({ at: (await rig.link("alice")).replace("/#", "/tokens#") });
    await page.getByRole("button", { name: "Make a token" }).click();
    await page.getByRole("dialog").getByText("what you make here lasts 12 hours at most").waitFor();
    await page.getByRole("dialog").getByLabel("What it is for").fill("now");
    await page.getByRole("dialog").getByRole("button", { name: "Make it" }).click();
    await page.getByTestId("new-token").waitFor();
    const { tokens } = await rig.bastion.clients("token-alice").access.listTokens({});
    expect(
      tokens.map(({ expiresAt, createdAt }) => Number((expiresAt?.seconds ?? 0n) - (createdAt?.seconds ?? 0n))),
    ).toEqual([12 * 3600]);
  });
});

test("`bartizan login` is let in by whoever signs in on the page that it names, after a look at who asks", async () => {
  await using rig = await openRig();
  const child = spawnCli(["--ca", join(folder, "cert.pem"), "login"], {
    url: rig.bastion.url.replace("https:", "http:"),
    ...{ token: "", folder: rig.bastion.folder },
  });
  const closed = once(child, "close");
  let said = "";
  child.stderr?.on("data", (data) => (said += data));
  const url = await until(() => /https:\S+#login=\S+/.exec(said)?.[0], "an address is shown");
  const page = await open(rig, url.replace(rig.bastion.url, ""), axeCode);
  await signIn(page, "zed");
  const asked = page.getByTestId("login-asked");
  await asked.getByText("127.0.0.1").waitFor();
  await asked.getByText("It becomes zed here, as operator, for 12 hours.").waitFor();
  expect(await seriousFaults(page, "login")).toEqual([]);
  expect(page.url()).toBe(`${rig.bastion.url}/login`);
  await asked.getByRole("button", { name: "Allow it" }).click();
  await page.getByText("It is let in").waitFor();
  expect((await closed)[0]).toBe(0);
  expect(said).toContain("You are zed at");
});
