import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { axeCode, seriousFaults } from "../support/axe-look.ts";
import { openBrowser, openPageRig } from "../support/browser.ts";

let browser: Browser & AsyncDisposable;
beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(() => browser[Symbol.asyncDispose]());

const principals = { alice: ["operator"], carol: ["auditor"] } as const;

test("the audit log shows what happened as text, narrowed as one likes, and what comes while it is followed", async () => {
  await using rig = await openPageRig(browser, { principals });
  const hostile = "<img src=x onerror=alert(1)>\u202e";
  const { commands } = rig.bastion.clients("token-carol");
  await commands.searchCommands({ text: hostile });
  const page = await rig.open({ as: "carol", script: axeCode });
  await page.getByRole("link", { name: "Audit" }).click();
  const entries = page.getByTestId("audit-entry");
  const about = entries.filter({ hasText: "commands-searched" });
  await about.getByText("<img src=x onerror=alert(1)>\\u202e").waitFor();
  await about.getByRole("button").click();
  await about.getByText('"prev":"').waitFor();
  expect(await seriousFaults(page, "light")).toEqual([]);
  await page.emulateMedia({ colorScheme: "dark" });
  await page.locator('[data-mantine-color-scheme="dark"]').waitFor();
  expect(await seriousFaults(page, "dark")).toEqual([]);

  await page.getByRole("combobox", { name: /^Event/ }).fill("login-");
  await page.waitForFunction(() => document.querySelectorAll('[data-event]:not([data-event^="login-"])').length === 0);
  expect(new URL(page.url()).search).toBe("?event=login-");
  const before = await entries.count();
  await page.getByRole("switch", { name: "Follow" }).click();
  await page.locator('[data-testid="audit-following"][data-following="true"]').waitFor();
  await expect(rig.bastion.clients("token-wrong").access.whoAmI({})).rejects.toThrow();
  await page.getByTestId("audit-entry").filter({ hasText: "login-failed" }).waitFor();
  expect(await entries.count()).toBeGreaterThan(before);

  const other = await rig.open({ as: "alice" });
  await other.getByRole("link", { name: "Commands" }).waitFor();
  expect(await other.getByRole("link", { name: "Audit" }).count()).toBe(0);
  await other.goto(`${rig.bastion.url}/audit`);
  await other.getByText("The audit log is for auditors and admins.").waitFor();
});
