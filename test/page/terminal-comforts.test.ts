import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openBrowser, openPageRig, type PageRig } from "../support/browser.ts";
import { createMemoryTarget, type MemoryPty } from "../support/memory-target.ts";
import { openShellOn, shows } from "../support/page-parts.ts";
import { openSshd } from "../support/sshd.ts";
import { until } from "../support/until.ts";

let browser: Browser & AsyncDisposable;
beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(() => browser[Symbol.asyncDispose]());

async function openShell(): Promise<{ rig: PageRig; page: Page; pty: MemoryPty }> {
  const memory = createMemoryTarget({ name: "play" });
  const rig = await openPageRig(browser, { targets: [memory.target], dial: memory.dial });
  const page = await rig.open({ colorScheme: "light" });
  await openShellOn(page, "play");
  return { rig, page, pty: memory.pty() };
}

test("a search finds what scrolled away too, goes on and back by Enter, counts, and gives the keys back at its end", async () => {
  const { rig, page, pty } = await openShell();
  await using _rig = rig;
  await pty.print(`needle one\r\n${"hay\r\n".repeat(80)}needle two\r\n${"hay\r\n".repeat(3)}a needle three\r\n`);
  await shows(page, "needle three");
  await page.keyboard.press("Control+Shift+F");
  const bar = page.getByTestId("search");
  await page.keyboard.type("needle");
  await bar.getByText(/^\d of 3$/).waitFor();
  const places = new Set<string | null>();
  for (let step = 0; step < 3; step += 1) {
    const before = (await bar.getByRole("status").textContent()) ?? "";
    places.add(before);
    await page.keyboard.press("Enter");
    await until(async () => (await bar.getByRole("status").textContent()) !== before, "it goes on");
  }
  expect([...places].sort()).toEqual(["1 of 3", "2 of 3", "3 of 3"]);
  await until(async () => {
    await page.keyboard.press("Shift+Enter");
    return (await bar.getByRole("status").textContent()) === "1 of 3";
  }, "it goes back");
  await shows(page, "needle one");
  await bar.getByRole("textbox").fill("nowhere");
  await bar.getByText("Nothing found").waitFor();
  await page.keyboard.press("Escape");
  await bar.waitFor({ state: "detached" });
  await page.locator("textarea:focus").waitFor({ state: "attached" });
  await page.keyboard.type("k");
  await until(() => pty.typed().toString() === "k", "the shell has the keys");
});

test("letters grow, shrink and go back by keys, and the target is told what then fits", async () => {
  const { rig, page, pty } = await openShell();
  await using _rig = rig;
  const usual = pty.size();
  await page.keyboard.press("Control+=");
  await page.keyboard.press("Control+=");
  await page.keyboard.press("Control+=");
  await until(() => pty.size().cols < usual.cols && pty.size().rows < usual.rows, "less fits");
  await page.keyboard.press("Control+0");
  await until(() => pty.size().cols === usual.cols && pty.size().rows === usual.rows, "it is as before");
  await page.keyboard.press("Control+-");
  await until(() => pty.size().cols > usual.cols, "more fits");
  expect(pty.typed().toString()).toBe("");
});

test("the terminal is light or dark as the page, or as it is set", async () => {
  const { rig, page } = await openShell();
  await using _rig = rig;
  const isDark = () =>
    page.locator(".shell-stack").evaluate((each) => {
      const [red = 255] = (getComputedStyle(each).backgroundColor.match(/\d+/g) ?? []).map(Number);
      return red < 128;
    });
  expect(await isDark()).toBe(false);
  await page.emulateMedia({ colorScheme: "dark" });
  await until(isDark, "it is dark with the system");
  await page.getByRole("button", { name: "Terminal settings" }).click();
  await page.getByRole("dialog").getByText("Light", { exact: true }).click();
  await until(async () => !(await isDark()), "it is light as set");
});

test("wide letters have the width of Unicode 11, as on the server's screens", async () => {
  const { rig, page, pty } = await openShell();
  await using _rig = rig;
  await pty.print("🥱你|\x1b[6n");
  await shows(page, "你");
  await until(() => pty.typed().toString() === "\x1b[1;6R", "the cursor stands in the sixth column");
});

test("the line below the terminal has the way to the bastion and from there to the target, each measured", async () => {
  await using sshd = await openSshd();
  await using rig = await openPageRig(browser, { targets: [sshd.target] });
  const page = await rig.open();
  await openShellOn(page, "box");
  const latency = page.getByTestId("latency");
  await latency.getByRole("img", { name: /^You to the bastion and back: [\d.]+ ms$/ }).waitFor();
  await latency.getByRole("img", { name: /^The bastion to the target and back: [\d.]+ ms$/ }).waitFor();
});
