import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Dial } from "../../server/target/target.ts";
import { openBrowser, openPageRig } from "../support/browser.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { openShellOn } from "../support/page-parts.ts";

let browser: Browser & AsyncDisposable;
beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(() => browser[Symbol.asyncDispose]());

test("who stops waiting for a kick is told that the order may still be carried out, and asks for the same order again", async () => {
  const memory = createMemoryTarget({ name: "play" });
  const closing = Promise.withResolvers<void>();
  const dial: Dial = async (...call) => {
    const channel = await memory.dial(...call);
    return {
      ...channel,
      [Symbol.asyncDispose]: async () => {
        await closing.promise;
        await channel[Symbol.asyncDispose]();
      },
    };
  };
  await using rig = await openPageRig(browser, { targets: [memory.target], dial, principals: { boss: ["admin"] } });
  const operator = await rig.open();
  await openShellOn(operator, "play");
  const boss = await rig.open({ as: "boss" });
  await boss.getByRole("link", { name: "Sessions" }).click();
  await boss.getByRole("button", { name: /^Kick/ }).click();
  const dialog = boss.getByRole("dialog");
  await dialog.getByLabel("Reason").fill("it hangs");
  await boss.keyboard.press("Enter");
  await dialog.getByText("Ending the session…").waitFor();
  await operator.getByTestId("ended").getByText("it hangs").waitFor();

  await boss.keyboard.press("Escape");
  await dialog.getByText("The order was given and may still be carried out").waitFor();
  expect(await dialog.getByRole("button", { name: "Kick", exact: true }).count()).toBe(0);
  await dialog.getByRole("button", { name: "Ask again" }).click();
  await dialog.getByRole("button", { name: "Stop waiting" }).click();
  await dialog.getByText("You stopped waiting.").waitFor();
  await dialog.getByRole("button", { name: "Ask again" }).click();
  closing.resolve();
  await dialog.locator('[data-outcome="ended"]').getByText("Nobody was watching.").waitFor();
  await boss.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  await boss.getByTestId("session").getByText("kicked by boss: it hangs").waitFor();
});

test("an operator who kicks his own shell is not told that nobody watched: watchers may be hidden from him", async () => {
  const memory = createMemoryTarget({ name: "play" });
  const principals = { maria: ["operator"], aud: ["auditor"] } as const;
  await using rig = await openPageRig(browser, {
    ...{ targets: [memory.target], dial: memory.dial, principals },
    config: { watching: { visible: false } },
  });
  // The rig's own principals come from its config.
  const maria = await rig.open({ as: "maria" });
  await openShellOn(maria, "play");
  const aud = await rig.open({ as: "aud" });
  await aud.getByRole("link", { name: "Sessions" }).click();
  await aud.getByRole("link", { name: /^Watch/ }).click();
  await aud.getByTestId("live").waitFor();
  await memory.pty().print("\x07");
  await maria.getByRole("link", { name: "Sessions" }).click();
  await maria.getByTestId("session").getByText("none").waitFor();
  await maria.getByRole("button", { name: /^Kick/ }).click();
  const dialog = maria.getByRole("dialog");
  await dialog.getByLabel("Reason").fill("done");
  await maria.keyboard.press("Enter");
  await dialog.locator('[data-outcome="ended"]').waitFor();
  expect(await dialog.getByText(/watch/i).count()).toBe(0);
  await aud.getByTestId("over").getByText("kicked by maria: done").waitFor();
});
