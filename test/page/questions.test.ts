import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openBrowser, openPageRig, type PageRig } from "../support/browser.ts";
import { createMemoryTarget, type MemoryPty } from "../support/memory-target.ts";
import { openShellOn, shows } from "../support/page-parts.ts";
import { until } from "../support/until.ts";

let browser: Browser & AsyncDisposable;
beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(() => browser[Symbol.asyncDispose]());

async function openPerson(): Promise<{ rig: PageRig; page: Page; pty: MemoryPty }> {
  const memory = createMemoryTarget({ name: "play" });
  const rig = await openPageRig(browser, { targets: [memory.target], dial: memory.dial });
  const page = await rig.open({ permissions: ["clipboard-read", "clipboard-write"] });
  await openShellOn(page, "play");
  await page.evaluate(() => navigator.clipboard.writeText("one\ntwo"));
  return { rig, page, pty: memory.pty() };
}

const wish = (text: string) => `\x1b]52;c;${Buffer.from(text).toString("base64")}\x07`;
const clipboard = (page: Page) => page.evaluate(() => navigator.clipboard.readText());
const asked = (page: Page) => page.getByRole("dialog", { name: "May the target use your clipboard?" });

test("the target's question about the clipboard takes no key: typing goes on in the shell, Enter and Space accept nothing", async () => {
  const { rig, page, pty } = await openPerson();
  await using _rig = rig;
  await page.keyboard.type("ab");
  await pty.print(wish("evil"));
  await asked(page).waitFor();
  const allow = asked(page).getByRole("button", { name: "Allow" });
  expect(await allow.isDisabled()).toBe(true);
  await page.keyboard.type("c d");
  await page.keyboard.press("Enter");
  await until(() => pty.typed().toString() === "abc d\r", "every key reached the shell");
  expect(await asked(page).count()).toBe(1);
  expect(await clipboard(page)).toBe("one\ntwo");

  // A newer text is to be read anew: what was armed is not any more.
  await until(() => allow.isEnabled(), "it can be allowed after a moment");
  await pty.print(wish("more evil"));
  await asked(page).getByText("more evil").waitFor();
  expect(await allow.isDisabled()).toBe(true);
  await allow.click();
  await until(async () => (await clipboard(page)) === "more evil", "what was read is on the clipboard");
  await page.locator("textarea:focus").waitFor({ state: "attached" });
  await pty.print(wish("allowed now"));
  await until(async () => (await clipboard(page)) === "allowed now", "the yes holds for the tab");
});

test("the target's question displaces none of the person's own, and is answered after it by keyboard alone", async () => {
  const { rig, page, pty } = await openPerson();
  await using _rig = rig;
  await page.keyboard.press("Control+Shift+V");
  const paste = page.getByRole("dialog", { name: "Paste several lines?" });
  await paste.waitFor();
  await pty.print(`${wish("evil")} printed`);
  await shows(page, "printed");
  expect(await paste.count()).toBe(1);
  await page.keyboard.press("Enter");
  await until(() => pty.typed().toString() === "one\rtwo", "the paste was meant, and arrives");
  await paste.waitFor({ state: "detached" });
  expect(await clipboard(page)).toBe("one\ntwo");
  await asked(page).waitFor();
  const allow = asked(page).getByRole("button", { name: "Allow" });
  await until(() => allow.isEnabled(), "it can be allowed after a moment");
  await page.keyboard.press("Control+Shift+Escape");
  await page.keyboard.press("Shift+Tab");
  await allow.and(page.locator(":focus")).waitFor();
  await page.keyboard.press("Enter");
  await until(async () => (await clipboard(page)) === "evil", "the deliberate yes counts");
});

test("what closing a tab asks is answered by Enter with the answer that ends nothing", async () => {
  const { rig, page } = await openPerson();
  await using _rig = rig;
  await page.getByRole("tab").focus();
  await page.keyboard.press("Delete");
  const question = page.getByRole("dialog", { name: "The shell on play is running" });
  await question.getByRole("button", { name: "Cancel" }).and(page.locator(":focus")).waitFor();
  await page.keyboard.press("Enter");
  await question.waitFor({ state: "detached" });
  await page.locator("textarea:focus").waitFor({ state: "attached" });
  expect(rig.bastion.registry.list().map(({ state }) => state)).toEqual(["attached"]);
});
