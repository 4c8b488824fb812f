import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openBrowser, openPageRig, type PageRig } from "../support/browser.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { openShellOn, shellIsOpen } from "../support/page-parts.ts";
import { until } from "../support/until.ts";

let browser: Browser & AsyncDisposable;
beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(() => browser[Symbol.asyncDispose]());

const inventory = {
  "build-7": { role: "build" },
  "db-1": { role: "db", zone: "eu" },
  "web-1": { role: "web", zone: "eu" },
  "web-2": { role: "web", zone: "us" },
} as const;

function openRig(): Promise<PageRig> {
  const memory = createMemoryTarget();
  const targets = Object.entries(inventory).map(([name, labels], at) => ({
    ...memory.target,
    ...{ name, labels, kind: "ssh" as const, host: `10.0.0.${at + 1}`, user: name === "db-1" ? "postgres" : "deploy" },
  }));
  return openPageRig(browser, { targets, dial: memory.dial });
}

const listed = (page: Page) =>
  page.getByTestId("target").evaluateAll((rows) => rows.map((row) => (row as HTMLElement).dataset.target));
const lists = (page: Page, ...names: string[]) =>
  until(async () => (await listed(page)).join() === names.join(), `the list is ${names}`);

test("a search finds by name, address, user and label, every word of it; Escape shows all again", async () => {
  await using rig = await openRig();
  const page = await rig.open();
  await lists(page, "build-7", "db-1", "web-1", "web-2");
  const field = page.getByRole("combobox", { name: "Search targets" });
  for (const [words, ...found] of [
    ["WEB", "web-1", "web-2"],
    ["10.0.0.2", "db-1"],
    ["postgres", "db-1"],
    ["zone=eu", "db-1", "web-1"],
    ["us web", "web-2"],
  ] as const) {
    await field.fill(words);
    await lists(page, ...found);
  }
  await page.getByText("1 of 4 targets").waitFor();
  await field.fill("no such thing");
  await page.getByText("No target matches").waitFor();
  await page.keyboard.press("Escape");
  await lists(page, "build-7", "db-1", "web-1", "web-2");
  await page.getByRole("heading", { name: "Targets" }).click();
  await page.keyboard.press("/");
  await field.and(page.locator(":focus")).waitFor();
});

test("labels narrow the list: any of one kind, and each kind that is chosen", async () => {
  await using rig = await openRig();
  const page = await rig.open();
  const labels = page.getByRole("group", { name: "Filter by label" });
  const choose = (label: string) => labels.getByText(label, { exact: true }).click();
  await choose("role=web");
  await lists(page, "web-1", "web-2");
  await choose("role=db");
  await lists(page, "db-1", "web-1", "web-2");
  await choose("zone=eu");
  await lists(page, "db-1", "web-1");
  await choose("role=db");
  await lists(page, "web-1");
  await page.getByRole("combobox").press("Enter");
  await shellIsOpen(page);
  expect(rig.bastion.registry.list().map(({ target }) => target)).toEqual(["web-1"]);
});

test("what was used last stands first, says when that was, and stays so over a new sign-in", async () => {
  await using rig = await openRig();
  const page = await rig.open();
  await openShellOn(page, "web-2");
  await page.getByRole("link", { name: "Targets" }).click();
  await lists(page, "web-2", "build-7", "db-1", "web-1");
  await openShellOn(page, "db-1");
  const other = await page.context().newPage();
  await other.goto(await rig.link());
  await lists(other, "db-1", "web-2", "build-7", "web-1");
  const row = other.locator('[data-target="db-1"]');
  await row.getByText(/ ago$/).waitFor();
  expect(await other.locator('[data-target="web-1"]').getByText(/ ago$/).count()).toBe(0);
});
