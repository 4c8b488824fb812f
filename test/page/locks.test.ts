import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { axeCode, seriousFaults } from "../support/axe-look.ts";
import { openBrowser, openPageRig } from "../support/browser.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { frontPane, openShellOn, shows, typeLine } from "../support/page-parts.ts";

let browser: Browser & AsyncDisposable;
beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(() => browser[Symbol.asyncDispose]());

const principals = { maria: ["operator"], boss: ["admin"] } as const;

test("a kick can bar its operator in the same step; he reads why on the page, and an admin lifts it there", async () => {
  const memory = createMemoryTarget({ name: "play" });
  await using rig = await openPageRig(browser, { targets: [memory.target], dial: memory.dial, principals });
  const maria = await rig.open({ as: "maria" });
  await openShellOn(maria, "play");
  const boss = await rig.open({ as: "boss", script: axeCode });
  await boss.getByRole("link", { name: "Sessions" }).click();
  await boss.getByRole("button", { name: /^Kick/ }).click();
  const dialog = boss.getByRole("dialog");
  await dialog.getByLabel("Reason").fill("token lost");
  await dialog.getByRole("combobox", { name: "And who may not come back" }).click();
  await boss.getByRole("option", { name: "maria opens no shell on play" }).click();
  await dialog.getByRole("button", { name: "Kick", exact: true }).click();
  await dialog.getByText("The lock is in force.").waitFor();
  await maria.getByTestId("ended").getByText("token lost").waitFor();

  await maria.getByRole("link", { name: "Targets" }).click();
  await maria.reload();
  await maria.locator('[data-target="play"]').getByTestId("locked").waitFor();
  expect(await maria.locator('[data-target="play"]').getAttribute("aria-disabled")).toBe("true");
  await maria.getByRole("button", { name: /^Menu of/ }).click();
  await maria.getByRole("menuitem", { name: "Locks" }).click();
  await maria.getByTestId("lock").getByText("token lost").waitFor();
  expect(await maria.getByRole("button", { name: "Set a lock" }).count()).toBe(0);

  await boss.keyboard.press("Escape");
  await boss.getByRole("button", { name: /^Menu of/ }).click();
  await boss.getByRole("menuitem", { name: "Locks" }).click();
  await boss.getByTestId("lock").waitFor();
  expect(await seriousFaults(boss, "locks")).toEqual([]);
  await boss.getByRole("button", { name: "Lift the lock “token lost”" }).click();
  await boss.getByRole("button", { name: "Lift it" }).click();
  await boss.getByText("Nothing keeps anybody from opening a shell.").waitFor();
  await maria.getByRole("link", { name: "Targets" }).click();
  await openShellOn(maria, "play");
});

test("a lock is set with all that it says, and tells how many sessions it ended", async () => {
  const memory = createMemoryTarget({ name: "play" });
  await using rig = await openPageRig(browser, { targets: [memory.target], dial: memory.dial, principals });
  const maria = await rig.open({ as: "maria" });
  await openShellOn(maria, "play");
  const boss = await rig.open({ as: "boss", script: axeCode });
  await boss.getByRole("button", { name: /^Menu of/ }).click();
  await boss.getByRole("menuitem", { name: "Locks" }).click();
  await boss.getByRole("button", { name: "Set a lock" }).click();
  const dialog = boss.getByRole("dialog");
  await dialog.getByRole("textbox", { name: "Reason" }).fill("x");
  await dialog.getByRole("button", { name: "Set it" }).click();
  await dialog.getByText("Say whom it bars, or that it is everybody.").waitFor();
  await dialog.getByRole("textbox", { name: "Reason" }).fill("");
  await dialog.getByLabel("Everybody, everywhere").check();
  await dialog.getByText("This bars everybody everywhere.").waitFor();
  await dialog.getByLabel("Everybody, everywhere").uncheck();
  await dialog.getByRole("textbox", { name: "Only on this target" }).fill("play");
  await dialog.getByRole("button", { name: "Set it" }).click();
  await dialog.getByText("Say why: whom it bars will read it.").waitFor();
  await dialog.getByRole("textbox", { name: "Reason" }).fill("being repaired");
  await dialog.getByLabel("Also end the sessions that it bars").check();
  expect(await seriousFaults(boss, "lock dialog")).toEqual([]);
  await dialog.getByRole("button", { name: "Set it" }).click();
  await dialog.getByText("1 session was ended.").waitFor();
  await maria.getByTestId("ended").getByText("being repaired").waitFor();
});

test("a frozen shell says so to its operator and its watcher, takes no key, and goes on when it is given back", async () => {
  const memory = createMemoryTarget({ name: "play", echo: true });
  await using rig = await openPageRig(browser, { targets: [memory.target], dial: memory.dial, principals });
  const maria = await rig.open({ as: "maria" });
  await openShellOn(maria, "play");
  const boss = await rig.open({ as: "boss", script: axeCode });
  await boss.getByRole("link", { name: "Sessions" }).click();
  await boss.getByRole("link", { name: /^Watch/ }).click();
  await boss.getByTestId("live").waitFor();
  await boss.getByRole("button", { name: /^Freeze/ }).click();
  await boss.getByRole("dialog").getByLabel("Reason").fill("look first");
  await boss.getByRole("button", { name: "Stop the input" }).click();
  await boss.getByTestId("frozen").waitFor();
  expect(await seriousFaults(boss, "watch of a frozen one")).toEqual([]);
  const told = frontPane(maria).getByTestId("frozen");
  await told.getByText("boss stopped your input").waitFor();
  await told.getByText("look first").waitFor();
  await frontPane(maria).locator(".xterm").click();
  await typeLine(maria, "nothing");
  await boss.getByRole("button", { name: /^Give back the keyboard/ }).click();
  await told.waitFor({ state: "detached" });
  await typeLine(maria, "heard");
  await shows(frontPane(maria), "heard");
  expect(memory.pty().typed().toString()).toBe("heard\r");
});
