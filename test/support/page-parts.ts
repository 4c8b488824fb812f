/** What tests of the page look at and act on, by the words and roles that a person has. */
import type { Locator, Page } from "playwright-core";
import { until } from "./until.ts";

/** The tab in front: its pane says the phase of its shell. */
export function frontPane(page: Page): Locator {
  return page.locator('[data-testid="shell-pane"][data-front="true"]');
}

/** Opens a shell by a click on the target and waits until it takes keys. Gives back the session's id. */
export async function openShellOn(page: Page, target: string): Promise<void> {
  await page.locator(`[data-testid="target"][data-target="${target}"]`).click();
  await shellIsOpen(page);
}

/** The front shell is open, and its terminal has the keyboard. */
export async function shellIsOpen(page: Page): Promise<void> {
  await page.locator('[data-testid="shell-pane"][data-front="true"][data-phase="open"]').waitFor();
  await page.locator('[data-testid="shell-pane"][data-front="true"] textarea:focus').waitFor({ state: "attached" });
}

/** The rows of the terminal within, as text; wide gaps stay. */
export async function screenOf(within: Locator | Page): Promise<string[]> {
  const rows = await within.locator(".xterm-rows > div").allTextContents();
  return rows.map((row) => row.replaceAll("\u00a0", " ").trimEnd());
}

/** Waits until some row of the terminal within fits. Gives back the match. */
export function shows(within: Locator | Page, text: string | RegExp): Promise<RegExpMatchArray> {
  const sought = typeof text === "string" ? new RegExp(RegExp.escape(text)) : text;
  return until(
    async () => (await screenOf(within)).map((row) => sought.exec(row)).find((found) => found !== null),
    `the terminal shows ${text}`,
  );
}

/** Types a line into what has the keyboard. */
export async function typeLine(page: Page, line: string): Promise<void> {
  await page.keyboard.type(line);
  await page.keyboard.press("Enter");
}
