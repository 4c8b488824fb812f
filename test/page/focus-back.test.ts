import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type OpenOptions, openBrowser, openPageRig, type PageRig } from "../support/browser.ts";
import { createMemoryTarget, type MemoryPty } from "../support/memory-target.ts";
import { openShellOn, shellIsOpen, shows } from "../support/page-parts.ts";

let browser: Browser & AsyncDisposable;
beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(() => browser[Symbol.asyncDispose]());

interface Shell {
  readonly rig: PageRig;
  readonly page: Page;
  readonly pty: MemoryPty;
}

async function openShell(options: OpenOptions = {}): Promise<Shell> {
  const memory = createMemoryTarget({ name: "play" });
  const principals = { mallory: ["operator"] } as const;
  const rig = await openPageRig(browser, { targets: [memory.target], dial: memory.dial, principals });
  const page = await rig.open(options);
  await openShellOn(page, "play");
  return { rig, page, pty: memory.pty() };
}

/** What has the focus in the turn in which the dialog goes: a mutation is told at the end of the turn that made it. */
async function focusedWhenGone(page: Page, close: () => Promise<void>): Promise<string> {
  await page.getByRole("dialog").waitFor();
  const focused = await page.evaluateHandle(() => {
    const gone = Promise.withResolvers<string>();
    const observer = new MutationObserver(() => {
      if (document.querySelector("[role=dialog]") !== null) return;
      observer.disconnect();
      gone.resolve(document.activeElement?.getAttribute("aria-label") ?? "nothing that has a name");
    });
    observer.observe(document.body, { childList: true, subtree: true });
    return { gone: gone.promise };
  });
  await close();
  return focused.evaluate(({ gone }) => gone);
}

/** Presses the key when the dialog has the keyboard. */
async function answer(page: Page, key: string): Promise<void> {
  await page.getByRole("dialog").locator(":focus").waitFor();
  await page.keyboard.press(key);
}

const wish = `\x1b]52;c;${Buffer.from("a wish").toString("base64")}\x07`;
const link = "\x1b[H\x1b]8;;https://example.org/\x1b\\LINKLINK\x1b]8;;\x1b\\";

/** How each dialog over an open shell comes, and how it is closed. */
const dialogs: Record<string, { open(shell: Shell): Promise<unknown>; close(page: Page): Promise<void> }> = {
  "a link of somebody else": {
    async open({ rig, page }) {
      const { hash } = new URL(await rig.link("mallory"));
      await page.evaluate((code) => {
        location.hash = code;
      }, hash);
    },
    close: (page) => answer(page, "Enter"),
  },
  "the terminal settings": {
    open: ({ page }) => page.getByRole("button", { name: "Terminal settings" }).click(),
    close: (page) => answer(page, "Escape"),
  },
  "the keyboard shortcuts": {
    open: ({ page }) => page.getByRole("button", { name: "Keyboard shortcuts" }).click(),
    close: (page) => answer(page, "Enter"),
  },
  "what closing a tab asks": {
    async open({ page }) {
      await page.getByRole("tab").focus();
      await page.keyboard.press("Delete");
    },
    close: (page) => answer(page, "Enter"),
  },
  "what a paste of several lines asks": {
    async open({ page }) {
      await page.evaluate(() => navigator.clipboard.writeText("one\ntwo"));
      await page.keyboard.press("Control+Shift+V");
    },
    close: (page) => answer(page, "Enter"),
  },
  "what a link asks": {
    async open({ page, pty }) {
      await pty.print(link);
      await shows(page, "LINKLINK");
      const { x, y } = (await page.locator(".xterm-screen").boundingBox()) ?? { x: 0, y: 0 };
      await page.mouse.move(x + 12, y + 6);
      await page.mouse.click(x + 14, y + 7);
    },
    close: (page) => answer(page, "Enter"),
  },
  "the target's wish for the clipboard": {
    open: ({ pty }) => pty.print(wish),
    close: (page) => page.getByRole("button", { name: "Refuse" }).click(),
  },
};

test("whoever types on after a dialog types into the shell: the focus is back in the very turn in which it goes", async () => {
  const shell = await openShell({ permissions: ["clipboard-read", "clipboard-write"] });
  await using _rig = shell.rig;
  for (const [name, { open, close }] of Object.entries(dialogs)) {
    await shellIsOpen(shell.page);
    await open(shell);
    expect.soft(await focusedWhenGone(shell.page, () => close(shell.page)), name).toMatch(/^Terminal on play/);
  }
});

test("on a phone, a paste that the browser denies leaves the keys with the shell", async () => {
  const { rig, page } = await openShell({ hasTouch: true, isMobile: true });
  await using _rig = rig;
  await page.getByTestId("key-bar").getByRole("button", { name: "Paste" }).tap();
  expect(await focusedWhenGone(page, () => answer(page, "Escape"))).toMatch(/^Terminal on play/);
});

test("settings that the person's menu has opened give the focus back to the menu's button, every time", async () => {
  const { rig, page } = await openShell();
  await using _rig = rig;
  for (const _time of ["first", "second"]) {
    await page.getByRole("button", { name: /^Menu of / }).click();
    await page.getByRole("menuitem", { name: "Terminal settings" }).click();
    expect(await focusedWhenGone(page, () => answer(page, "Escape"))).toMatch(/^Menu of /);
  }
});
