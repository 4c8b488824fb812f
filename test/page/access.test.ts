import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openBrowser, openPageRig } from "../support/browser.ts";
import { createMemoryTarget } from "../support/memory-target.ts";

let browser: Browser & AsyncDisposable;
beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(() => browser[Symbol.asyncDispose]());

const memory = createMemoryTarget({ name: "play" });
const options = { targets: [memory.target], dial: memory.dial };

describe("the link", () => {
  test("opens the list of targets once: its code is gone from the address and the history at once", async () => {
    await using rig = await openPageRig(browser, options);
    const link = await rig.link();
    const page = await rig.open({ at: link });
    await page.locator('[data-target="play"]').waitFor();
    expect(page.url()).toBe(`${rig.bastion.url}/`);
    expect(await page.evaluate(() => history.length)).toBeLessThanOrEqual(2);
    await page.reload();
    await page.locator('[data-target="play"]').waitFor();

    const second = await rig.open({ at: link });
    await second.getByRole("heading", { name: "Open this page by its link" }).waitFor();
    await second.getByText("This link was used before").waitFor();
    await second.getByText("npx bartizan link").waitFor();
    expect(await second.evaluate(() => sessionStorage.length)).toBe(0);
  });

  test("is what a page without one asks for; a fresh one lets the same page in", async () => {
    await using rig = await openPageRig(browser, options);
    const page = await rig.open({ at: `${rig.bastion.url}/sessions` });
    await page.getByText("The page lets in only who comes by a link").waitFor();
    await page.goto((await rig.link()).replace("/#", "/sessions#"));
    await page.getByText("Nobody has a shell open").waitFor();
  });

  test("leaves no secret where other pages, other tabs or the next user find it", async () => {
    await using rig = await openPageRig(browser, options);
    const page = await rig.open();
    await page.locator('[data-target="play"]').waitFor();
    const kept = await page.evaluate(() => ({
      cookies: document.cookie,
      local: JSON.stringify({ ...localStorage }),
      tab: JSON.stringify({ ...sessionStorage }),
    }));
    const token = /[\w-]{40,}/.exec(kept.tab)?.[0] ?? "";
    expect(token).not.toBe("");
    expect(kept.cookies).toBe("");
    expect(kept.local).not.toContain(token);
    const other = await page.context().newPage();
    await other.goto(rig.bastion.url);
    await other.getByRole("heading", { name: "Open this page by its link" }).waitFor();
    await page.getByRole("button", { name: /Menu of/ }).click();
    await page.getByRole("menuitem", { name: "Forget this tab's access" }).click();
    await page.getByRole("heading", { name: "Open this page by its link" }).waitFor();
    expect(await page.evaluate(() => JSON.stringify({ ...sessionStorage }))).not.toContain(token);
  });

  test("opens for others with their own rights: who may not open shells is not offered any", async () => {
    await using rig = await openPageRig(browser, { ...options, principals: { aud: ["auditor"] } });
    const page = await rig.open({ as: "aud" });
    await page.getByText("Your role may look at the targets but not open shells.").waitFor();
    await page.locator('[data-target="play"]').click({ force: true });
    await page.getByRole("combobox").press("Enter");
    expect(page.url()).toBe(`${rig.bastion.url}/`);
    expect(rig.bastion.registry.size).toBe(0);
  });
});

test("a browser that prefers Chinese gets the page in Chinese, and another language by a choice that stays", async () => {
  await using rig = await openPageRig(browser, options);
  const page = await rig.open({ locale: "zh-CN" });
  await page.getByRole("heading", { name: "目标" }).waitFor();
  expect(await page.evaluate(() => document.documentElement.lang)).toBe("zh-Hans");
  await page.getByRole("link", { name: "会话" }).click();
  const empty = page.getByRole("main").getByRole("heading", { level: 2 });
  expect(await empty.textContent()).toMatch(/\p{Script=Han}/u);
  await page.locator("header button").last().click();
  await page.getByRole("menuitemradio", { name: "English" }).click();
  await page.getByText("Nobody has a shell open").waitFor();
  await page.reload();
  await page.getByText("Nobody has a shell open").waitFor();
  expect(await page.evaluate(() => document.documentElement.lang)).toBe("en");
});
