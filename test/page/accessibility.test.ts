import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { axeCode, seriousFaults } from "../support/axe-look.ts";
import { openBrowser, openPageRig } from "../support/browser.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { openShellOn, shows } from "../support/page-parts.ts";
import { until } from "../support/until.ts";

let browser: Browser & AsyncDisposable;
beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(() => browser[Symbol.asyncDispose]());

describe.each(["light", "dark"] as const)("in %s colours", (colorScheme) => {
  test("no page has a serious fault by axe-core: list, shell, sessions, kick, watch, wall, access, questions", async () => {
    const memory = createMemoryTarget({ name: "play" });
    const target = { ...memory.target, labels: { role: "web", zone: "a" } };
    const principals = { mallory: ["operator"] } as const;
    await using rig = await openPageRig(browser, { targets: [target], dial: memory.dial, principals });
    const page = await rig.open({ colorScheme, script: axeCode });
    const found: string[] = [];
    const look = async (where: string) => void found.push(...(await seriousFaults(page, where)));

    await page.locator('[data-target="play"]').waitFor();
    await look("targets");
    await page.getByRole("button", { name: /^Menu of/ }).click();
    await page.getByRole("menu").waitFor();
    await look("menu");
    await page.keyboard.press("Escape");
    await openShellOn(page, "play");
    await memory.pty().print("\x1b]0;a title\x07\x1b[31mred \x1b[32mgreen \x1b[34mblue \x1b[90mgrey\x1b[0m plain");
    await shows(page, "plain");
    await look("shell");
    await memory.pty().print("\x1b]52;c;aGVsbG8=\x07");
    await page.getByRole("dialog", { name: "May the target use your clipboard?" }).waitFor();
    await look("clipboard question");
    await page.getByRole("button", { name: "Refuse" }).click();
    await page.keyboard.press("Control+Shift+F");
    await page.getByRole("textbox", { name: "Search in the terminal" }).waitFor();
    await look("search");
    await page.keyboard.press("Escape");
    await page.getByRole("link", { name: "Sessions" }).click();
    await page.getByTestId("session").waitFor();
    await look("sessions");
    await page.getByRole("button", { name: /^Kick/ }).click();
    await page.getByRole("dialog").getByLabel("Reason").waitFor();
    await look("kick");
    await page.keyboard.press("Escape");
    await page.getByRole("link", { name: "Wall" }).click();
    await shows(page.getByTestId("tile"), "plain");
    await look("wall");
    await page.getByTestId("tile").click();
    await page.getByTestId("live").waitFor();
    await look("watch");
    memory.pty().exit({ kind: "exited", code: 2 });
    await page.getByTestId("over").waitFor();
    await look("watch of an ended one");
    await page.getByRole("link", { name: /^Shells/ }).click();
    await page.getByTestId("ended").waitFor();
    await look("ended shell");
    await page.getByRole("link", { name: "Sessions" }).click();
    await page.getByTestId("session").getByText("exited with 2").waitFor();
    await look("ended sessions");
    await page.evaluate(() => sessionStorage.setItem("bartizan.token", "nobody-has-this"));
    await page.getByRole("link", { name: "Targets" }).click();
    await page.locator('[data-target="play"]').click();
    await page.getByTestId("shell-signed-out").waitFor();
    await look("signed out");
    await page.getByLabel("Paste the link").fill(await rig.link("mallory"));
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("dialog", { name: "Sign in as mallory?" }).waitFor();
    await look("a foreign link");
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: /^Menu of/ }).click();
    await page.getByRole("menuitem", { name: "Forget this tab's access" }).click();
    await page.getByRole("heading", { name: "Open this page by its link" }).waitFor();
    await look("access");
    expect(found).toEqual([]);
  });
});

test("what happens is said to a screen reader: the shell's output in its mode, and how a kick went", async () => {
  const memory = createMemoryTarget({ name: "play" });
  await using rig = await openPageRig(browser, { targets: [memory.target], dial: memory.dial });
  const page = await rig.open();
  await openShellOn(page, "play");
  await page.getByRole("button", { name: "Terminal settings" }).click();
  await page
    .getByRole("switch", { name: "Screen reader mode" })
    .or(page.getByLabel("Screen reader mode"))
    .first()
    .check();
  await page.getByRole("button", { name: "Done" }).click();
  await memory.pty().print("said aloud\r\n");
  await page.locator(".xterm-accessibility [aria-live]").getByText("said aloud").waitFor({ state: "attached" });
  await page.getByRole("link", { name: "Sessions" }).click();
  await page.getByRole("button", { name: /^Kick/ }).click();
  await page.getByLabel("Reason").and(page.locator(":focus")).waitFor();
  await page.keyboard.type("enough");
  await page.keyboard.press("Enter");
  await page.getByRole("status").filter({ hasText: "Ended: the channel to the target was closed" }).waitFor();
  await until(
    () =>
      page
        .getByRole("button", { name: "Close" })
        .last()
        .evaluate((each) => each === document.activeElement),
    "the answer has the focus",
  );
});
