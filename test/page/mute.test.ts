import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openBrowser, openPageRig } from "../support/browser.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { openShellOn, shows } from "../support/page-parts.ts";
import { until } from "../support/until.ts";

let browser: Browser & AsyncDisposable;
beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(() => browser[Symbol.asyncDispose]());

/** Counts the tones that a page plays, and the flashes that it shows. */
const count = `
  globalThis.tones = 0;
  globalThis.flashes = 0;
  const start = OscillatorNode.prototype.start;
  OscillatorNode.prototype.start = function (...when) {
    globalThis.tones += 1;
    return start.apply(this, when);
  };
  new MutationObserver((changes) => {
    for (const { target } of changes) if (target.dataset.bell === "true") globalThis.flashes += 1;
  }).observe(document, { subtree: true, attributeFilter: ["data-bell"] });
`;

test("a watcher is mute, and the page says so and why; the bell flashes, and sounds only when switched on", async () => {
  const memory = createMemoryTarget({ name: "play" });
  await using rig = await openPageRig(browser, {
    ...{ targets: [memory.target], dial: memory.dial, principals: { aud: ["auditor"] } },
  });
  const operator = await rig.open();
  await openShellOn(operator, "play");
  const page = await rig.open({ as: "aud", script: count });
  const counted = () =>
    page.evaluate(() => {
      const { tones, flashes } = globalThis as unknown as { tones: number; flashes: number };
      return { tones, flashes };
    });
  await page.getByRole("link", { name: "Sessions" }).click();
  await page.getByRole("link", { name: /^Watch/ }).click();
  await page.getByTestId("live").waitFor();
  const mark = page.getByTestId("muted");
  expect(await mark.textContent()).toBe("MUTE");
  await page.keyboard.press("Tab"); // by keyboard: a focus that shows
  await mark.focus();
  await page
    .getByRole("tooltip")
    .filter({ hasText: "Nothing that you type, paste or resize reaches the session" })
    .waitFor();

  await memory.pty().print("\x07first");
  await shows(page, "first");
  await until(async () => (await counted()).flashes === 1, "it flashes");
  expect((await counted()).tones).toBe(0);
  await page.locator('[data-testid="stage"][data-bell="false"]').waitFor();
  const bell = page.getByRole("switch", { name: "Bell off" });
  await bell.click();
  await page.getByRole("switch", { name: "Bell on", checked: true }).waitFor();
  await until(async () => (await counted()).tones === 1, "one hears what was switched on");
  await until(async () => (await counted()).flashes === 2, "and sees it");
  await until(async () => {
    await memory.pty().print("\x07");
    return (await counted()).tones > 1;
  }, "the session's bell sounds");

  await page.reload();
  await page.getByRole("switch", { name: "Bell on" }).click();
  const before = (await counted()).flashes;
  await until(async () => {
    await memory.pty().print("\x07");
    return (await counted()).flashes > before;
  }, "it flashes again");
  expect((await counted()).tones).toBe(0);
  expect(memory.pty().typed().toString()).toBe("");
});
