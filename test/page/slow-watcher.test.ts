import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openBrowser, openPageRig } from "../support/browser.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { openShellOn, screenOf, shows } from "../support/page-parts.ts";
import { until } from "../support/until.ts";

let browser: Browser & AsyncDisposable;
beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(() => browser[Symbol.asyncDispose]());

/** Every text that the mark of how late the watcher is has had. */
const noteLags = `
  globalThis.lags = [];
  new MutationObserver(() => {
    const text = document.querySelector('[data-testid="lag"]')?.textContent;
    if (text !== undefined && globalThis.lags.at(-1) !== text) globalThis.lags.push(text);
  }).observe(document, { subtree: true, childList: true, characterData: true });
`;

test("a watcher whose page stands still slows nobody; then it says how late it was, how much it skipped, and is exact", async () => {
  const memory = createMemoryTarget({ name: "play" });
  await using rig = await openPageRig(browser, {
    ...{ targets: [memory.target], dial: memory.dial, principals: { aud: ["auditor"] } },
  });
  const operator = await rig.open();
  await openShellOn(operator, "play");
  const page = await rig.open({ as: "aud", script: noteLags });
  await page.getByRole("link", { name: "Sessions" }).click();
  await page.getByRole("link", { name: /^Watch/ }).click();
  await page.getByTestId("live").waitFor();
  await memory.pty().print("at the start\r\n");
  await shows(page, "at the start");
  expect(await page.getByTestId("skipped").count()).toBe(0);

  const debuggee = await page.context().newCDPSession(page);
  await debuggee.send("Debugger.enable");
  const paused = new Promise((resolve) => debuggee.once("Debugger.paused", resolve));
  await debuggee.send("Debugger.pause");
  await paused;
  const stoodStillMs = performance.now();
  const lines = Buffer.from(`${"y".repeat(78)}\r\n`.repeat(800));
  let printed = 0;
  // More than the sockets in between take, for longer than a second.
  while (printed < 24e6 || performance.now() - stoodStillMs < 1500) {
    await memory.pty().print(lines);
    printed += lines.length;
  }
  await memory.pty().print("the present\r\n");
  await shows(operator, "the present");
  await debuggee.send("Debugger.resume");
  await debuggee.send("Debugger.disable");

  await shows(page, "the present");
  const skipped = page.getByTestId("skipped");
  await skipped.waitFor();
  expect(await skipped.textContent()).toMatch(/^skipped [\d.]+ (KB|MB)$/);
  await until(async () => {
    const lags = await page.evaluate(() => (globalThis as unknown as { lags: string[] }).lags);
    return lags.some((text) => /^[\d.]+ s behind$/.test(text));
  }, "it said that it was seconds late");
  await until(async () => {
    await memory.pty().print(".");
    return /^\d+ ms behind$/.test((await page.getByTestId("lag").textContent()) ?? "");
  }, "it is up to date again");
  await until(
    async () => (await screenOf(page)).join("\n") === (await screenOf(operator)).join("\n"),
    "the screens are the same",
  );
});
