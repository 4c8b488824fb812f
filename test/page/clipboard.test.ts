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

async function openShell(): Promise<{ rig: PageRig; page: Page; pty: MemoryPty }> {
  const memory = createMemoryTarget({ name: "play" });
  const rig = await openPageRig(browser, { targets: [memory.target], dial: memory.dial });
  const page = await rig.open({ permissions: ["clipboard-read", "clipboard-write"] });
  await openShellOn(page, "play");
  await page.evaluate(() => navigator.clipboard.writeText("nothing yet"));
  return { rig, page, pty: memory.pty() };
}

const clipboard = (page: Page) => page.evaluate(() => navigator.clipboard.readText());
const holds = (page: Page, text: string) => until(async () => (await clipboard(page)) === text, `it holds ${text}`);

test("Ctrl+Shift+C copies what the mouse selected, Ctrl+C interrupts, and Ctrl+Shift+V types what was copied", async () => {
  const { rig, page, pty } = await openShell();
  await using _rig = rig;
  await pty.print("first word-and-more last\r\n");
  await shows(page, "last");
  await doubleClick(page, pty, 8, 0);
  await page.keyboard.press("Control+Shift+C");
  await holds(page, "word-and-more");
  await page.keyboard.press("Control+c");
  await page.keyboard.press("Control+Shift+V");
  await until(() => pty.typed().toString() === "\x03word-and-more", "the shell has both");
  expect(await clipboard(page)).toBe("word-and-more");
});

test("a selection over lines is copied as it reads: a line that only the width broke stays one, wide letters stay whole", async () => {
  const { rig, page, pty } = await openShell();
  await using _rig = rig;
  const { cols } = pty.size();
  const long = "x".repeat(cols + 10);
  await pty.print(`${long}\r\n你好 grüße\r\n`);
  await shows(page, "grüße");
  await drag(page, pty, [0, 0], [cols - 1, 2]);
  await page.keyboard.press("Control+Shift+C");
  await holds(page, `${long}\n你好 grüße`);
});

test("what is selected is copied at once where the person has set that, and not otherwise", async () => {
  const { rig, page, pty } = await openShell();
  await using _rig = rig;
  await pty.print("choose me\r\n");
  await shows(page, "choose");
  await doubleClick(page, pty, 2, 0);
  expect(await clipboard(page)).toBe("nothing yet");
  await page.getByRole("button", { name: "Terminal settings" }).click();
  await page.getByRole("switch", { name: "Copy what is selected at once" }).click({ force: true });
  await page.getByRole("button", { name: "Done" }).click();
  await page.locator("textarea:focus").waitFor({ state: "attached" });
  await doubleClick(page, pty, 7, 0);
  await holds(page, "me");
});

test("the browser's own ways to paste reach the shell: Shift+Insert and the menu, one line without a question", async () => {
  const { rig, page, pty } = await openShell();
  await using _rig = rig;
  await page.evaluate(() => navigator.clipboard.writeText("ls -la 你好"));
  await page.keyboard.press("Shift+Insert");
  await until(() => pty.typed().toString() === "ls -la 你好", "by keyboard");
  await page.evaluate(() => {
    const clipboardData = new DataTransfer();
    clipboardData.setData("text/plain", "; menu");
    const paste = new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true });
    document.querySelector(".xterm textarea")?.dispatchEvent(paste);
  });
  await until(() => pty.typed().toString() === "ls -la 你好; menu", "by the menu");
  expect(await page.getByRole("dialog").count()).toBe(0);
});

/** The middle of a cell of the terminal, counted from 0. */
async function cell(page: Page, pty: MemoryPty, column: number, row: number): Promise<[x: number, y: number]> {
  const box = await page.locator(".xterm-screen").first().boundingBox();
  if (box === null) throw new Error("the terminal is not shown");
  const { cols, rows } = pty.size();
  return [box.x + ((column + 0.5) * box.width) / cols, box.y + ((row + 0.5) * box.height) / rows];
}

async function doubleClick(page: Page, pty: MemoryPty, column: number, row: number): Promise<void> {
  await page.mouse.dblclick(...(await cell(page, pty, column, row)));
}

async function drag(page: Page, pty: MemoryPty, from: [number, number], to: [number, number]): Promise<void> {
  const [x, y] = await cell(page, pty, ...from);
  const [toX, toY] = await cell(page, pty, ...to);
  await page.mouse.move(x - 3, y);
  await page.mouse.down();
  await page.mouse.move((x + toX) / 2, (y + toY) / 2);
  await page.mouse.move(toX, toY);
  await page.mouse.up();
}
