import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openBrowser, openPageRig } from "../support/browser.ts";
import { openSshRig } from "../support/hostile-ssh.ts";
import { frontPane, shellIsOpen, shows, typeLine } from "../support/page-parts.ts";
import { until } from "../support/until.ts";

let browser: Browser & AsyncDisposable;
beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(() => browser[Symbol.asyncDispose]());

test("a target's several questions stand in one dialog, each hidden or not as it asks, and a wrong code asks anew", async () => {
  const given: string[][] = [];
  const questions = [
    { prompt: "Verification code <b>x</b>: ", echo: true },
    { prompt: "PIN: ", echo: false },
  ];
  await using server = await openSshRig({
    authenticate(context) {
      if (context.method !== "keyboard-interactive") return context.reject(["keyboard-interactive"]);
      context.prompt(questions, "Two steps", "Take your device.\nTurn it on.", (answers) => {
        given.push(answers);
        if (answers.join() === "123456,99") context.accept();
        else context.reject(["keyboard-interactive"]);
      });
    },
    shell: (channel) => void channel.write("welcome in\r\n"),
  });
  await using rig = await openPageRig(browser, { targets: [server.target] });
  const page = await rig.open();
  await page.locator('[data-target="rig"]').click();
  const dialog = page.getByRole("dialog", { name: "rig asks" });
  await dialog.getByText("These words come from the target.").waitFor();
  await dialog.getByText("Turn it on.").waitFor();
  const code = dialog.getByLabel("Verification code <b>x</b>:");
  const pin = dialog.locator('input[name="answer-1"]');
  await code.and(page.locator(":focus")).waitFor();
  expect(await code.getAttribute("type")).not.toBe("password");
  expect(await code.getAttribute("autocomplete")).toBe("one-time-code");
  expect(await pin.getAttribute("type")).toBe("password");

  await page.keyboard.type("000000");
  await page.keyboard.press("Tab");
  await typeLine(page, "11");
  await until(() => given.length === 1, "both answers came");
  await until(async () => (await code.count()) === 1 && (await code.inputValue()) === "", "it asks anew, empty");
  await code.and(page.locator(":focus")).waitFor();
  await page.keyboard.type("123456");
  await page.keyboard.press("Tab");
  await typeLine(page, "99");
  await shellIsOpen(page);
  await shows(page, "welcome in");
  expect(given).toEqual([
    ["000000", "11"],
    ["123456", "99"],
  ]);
  expect(await page.evaluate(() => document.documentElement.outerHTML)).not.toContain("123456");
});

test("giving the questions up ends the login, and the way to try again stands there", async () => {
  let asked = 0;
  await using server = await openSshRig({
    authenticate(context) {
      if (context.method !== "keyboard-interactive") return context.reject(["keyboard-interactive"]);
      asked += 1;
      context.prompt([{ prompt: "Code: ", echo: false }], () => context.reject());
    },
  });
  await using rig = await openPageRig(browser, { targets: [server.target] });
  const page = await rig.open();
  await page.locator('[data-target="rig"]').click();
  await page.getByRole("dialog", { name: "rig asks" }).getByRole("button", { name: "Give up" }).click();
  await frontPane(page).getByRole("alert").getByText("No shell on rig").waitFor();
  await frontPane(page).getByRole("button", { name: "Try again" }).click();
  await page.getByRole("dialog", { name: "rig asks" }).waitFor();
  await page.keyboard.press("Escape");
  await frontPane(page).getByRole("alert").waitFor();
  expect(asked).toBe(2);
  expect(rig.bastion.registry.size).toBe(0);
});
