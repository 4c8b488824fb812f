import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Clients, openShell } from "../../proto/client/index.ts";
import { openBrowser, openPageRig, type PageRig } from "../support/browser.ts";
import { createMemoryTarget, type MemoryPty } from "../support/memory-target.ts";
import { openShellOn, screenOf, shows } from "../support/page-parts.ts";
import { until } from "../support/until.ts";

let browser: Browser & AsyncDisposable;
beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(() => browser[Symbol.asyncDispose]());

const principals = { aud: ["auditor"], boss: ["admin"] } as const;

/** An operator's page with a shell whose program the test is. */
async function openOperator(): Promise<{ rig: PageRig; operator: Page; id: string; pty: MemoryPty }> {
  const memory = createMemoryTarget({ name: "play" });
  const rig = await openPageRig(browser, { targets: [memory.target], dial: memory.dial, principals });
  const operator = await rig.open();
  await openShellOn(operator, "play");
  const [session] = rig.bastion.registry.list();
  return { rig, operator, id: session?.id ?? "", pty: memory.pty() };
}

describe("a watcher in another browser", () => {
  test("sees the operator's screen in its exact size, is seen, and cannot type, paste or resize", async () => {
    const { rig, operator, id, pty } = await openOperator();
    await using _rig = rig;
    await pty.print("first line\r\n\x1b[3;5H\x1b[7mreverse\x1b[0m\x1b[5;1H");
    const size = pty.size();
    const watcher = await rig.open({ as: "aud", viewport: { width: 820, height: 620 } });
    await watcher.getByRole("link", { name: "Sessions" }).click();
    await watcher
      .getByRole("link", { name: /^Watch/ })
      .or(watcher.getByRole("button", { name: /^Watch/ }))
      .click();
    await watcher.getByTestId("live").waitFor();
    await shows(watcher, /^ {4}reverse/);
    expect(watcher.url()).toBe(`${rig.bastion.url}/watch/${id}`);
    await operator.getByTestId("watchers").waitFor();
    expect(await operator.getByTestId("watchers").getAttribute("aria-label")).toContain("aud");

    await pty.print("and on \x1b[6n\x1b[c");
    await shows(watcher, "and on");
    expect(await screenOf(watcher)).toEqual(await screenOf(operator));
    expect(await watcher.getByTestId("size").textContent()).toBe(`${size.cols} × ${size.rows}`);
    const answered = pty.typed().toString();

    await watcher.getByTestId("stage").click();
    await watcher.keyboard.type("rm -rf /");
    await watcher.keyboard.press("Enter");
    await watcher.evaluate(() => {
      const clipboardData = new DataTransfer();
      clipboardData.setData("text/plain", "pasted");
      document.querySelector(".xterm textarea")?.dispatchEvent(new ClipboardEvent("paste", { clipboardData }));
    });
    await watcher.setViewportSize({ width: 500, height: 400 });
    // What the watcher did would have come before what the operator does now.
    await operator.locator("textarea:focus").waitFor({ state: "attached" });
    await operator.keyboard.type("mine");
    await until(() => pty.typed().toString().endsWith("mine"), "the operator's keys arrive");
    expect(pty.typed().toString()).toBe(`${answered}mine`);
    expect(pty.size()).toEqual(size);
    await watcher.getByRole("link", { name: "Back to the sessions" }).click();
    await operator.getByTestId("watchers").waitFor({ state: "detached" });
  });

  test("follows when the operator's window changes, and fits the whole screen into its own", async () => {
    const { rig, operator, id, pty } = await openOperator();
    await using _rig = rig;
    const watcher = await rig.open({ as: "aud", viewport: { width: 640, height: 480 } });
    await watcher.evaluate((path) => history.pushState(null, "", path), `/watch/${id}`);
    await watcher.reload();
    await watcher.getByTestId("live").waitFor();
    const before = pty.size();
    await operator.setViewportSize({ width: 900, height: 640 });
    await until(() => pty.size().cols < before.cols, "the operator's terminal is smaller");
    const { cols, rows } = pty.size();
    await watcher.getByTestId("size").getByText(`${cols} × ${rows}`).waitFor();
    await pty.print(`\x1b[${rows};${cols - 4}HLAST!`);
    await shows(watcher, "LAST!");
    expect((await screenOf(watcher)).length).toBe(rows);
    await until(() => watcher.evaluate(isWhollyShown), "nothing of the screen is outside of the stage");
  });
});

describe("a kick from the page", () => {
  test("asks for a reason, ends the shell, and tells all three sides who did it and why", async () => {
    const { rig, operator, id, pty } = await openOperator();
    await using _rig = rig;
    await pty.print("secret work");
    const boss = await rig.open({ as: "boss" });
    await boss.getByRole("link", { name: "Sessions" }).click();
    await boss
      .getByRole("link", { name: /^Watch/ })
      .or(boss.getByRole("button", { name: /^Watch/ }))
      .click();
    await shows(boss, "secret work");
    await boss.getByRole("button", { name: "Kick…" }).click();
    const dialog = boss.getByRole("dialog", { name: /^Kick .+ off play$/ });
    await dialog.getByRole("button", { name: "Kick" }).click();
    await dialog.getByText("Say why: the operator will read it.").waitFor();
    expect(pty.hungUp()).toBe(false);
    await dialog.getByLabel("Reason").fill("lunch <b>time</b>");
    await boss.keyboard.press("Enter");
    const outcome = dialog.getByTestId("kick-outcome");
    await outcome.waitFor();
    expect(await outcome.getAttribute("data-outcome")).toBe("ended");
    await outcome.getByText("1 watcher was told.").waitFor();
    expect(pty.hungUp()).toBe(true);

    const ended = operator.getByTestId("ended");
    await ended.getByText("boss ended this session.").waitFor();
    await ended.getByText("lunch <b>time</b>").waitFor();
    // Nothing that leads back into a shell on the way out.
    expect(await ended.getByRole("button").allInnerTexts()).toEqual(["Back to the targets"]);
    await boss.keyboard.press("Escape");
    await boss.getByTestId("over").getByText("kicked by boss: lunch <b>time</b>").waitFor();
    expect(rig.bastion.registry.list().filter(({ state }) => state !== "ended")).toEqual([]);
    await boss.getByRole("link", { name: "Back to the sessions" }).first().click();
    await boss.locator(`[data-session="${id}"]`).getByText("kicked by boss: lunch <b>time</b>").waitFor();
    await ended.getByRole("button").click();
    await operator.getByRole("heading", { name: "Targets" }).waitFor();
  });

  test("of one that has just ended by itself says so", async () => {
    const { rig, pty } = await openOperator();
    await using _rig = rig;
    const boss = await rig.open({ as: "boss" });
    await boss.getByRole("link", { name: "Sessions" }).click();
    await boss.getByRole("button", { name: /^Kick/ }).click();
    const dialog = boss.getByRole("dialog");
    await dialog.getByLabel("Reason").fill("too late");
    pty.exit({ kind: "exited", code: 7 });
    await boss.getByTestId("session").getByText("exited with 7").waitFor();
    await dialog.getByRole("button", { name: "Kick" }).click();
    await dialog.locator('[data-outcome="already-ended"]').getByText("exited with 7").waitFor();
  });
});

describe("the wall", () => {
  test("shows every running session live, takes new ones up by itself, and enlarges on a click", async () => {
    const memory = createMemoryTarget({ name: "play" });
    await using rig = await openPageRig(browser, { targets: [memory.target], dial: memory.dial, principals });
    const clients = rig.bastion.clients();
    await using shells = new AsyncDisposableStack();
    const wall = await rig.open({ as: "aud", viewport: { width: 1500, height: 1000 } });
    await wall.getByRole("link", { name: "Wall" }).click();
    await wall.getByText("No screens to show").waitFor();
    const ptys: MemoryPty[] = [];
    for (let at = 0; at < 12; at += 1) {
      shells.use(await openQuietShell(clients));
      ptys.push(memory.pty());
      await memory.pty().print(`\x1b[2J\x1b[1;1Hscreen number ${at}.`);
    }
    const tiles = wall.getByTestId("tile");
    await until(async () => (await tiles.count()) === 12, "there are twelve tiles");
    for (let at = 0; at < 12; at += 1) await tiles.nth(at).scrollIntoViewIfNeeded();
    for (let at = 0; at < 12; at += 1) {
      await tiles.nth(at).scrollIntoViewIfNeeded();
      await shows(tiles.nth(at), `screen number ${at}.`);
    }
    await ptys[11]?.print("\r\nlive words");
    await shows(tiles.nth(11), "live words");
    ptys[11]?.exit({ kind: "exited", code: 0 });
    await tiles.nth(11).getByText("ended").waitFor();
    await tiles.nth(3).click();
    await wall.getByTestId("live").waitFor();
    await shows(wall, "screen number 3.");
  });
});

/** A shell of a program beside the page, that takes all its output. */
async function openQuietShell(clients: Clients): Promise<AsyncDisposable> {
  const open = { target: "play" };
  const shell = openShell(clients.sessions, { open, size: { cols: 80, rows: 24 }, acks: true, reconnect: false });
  const started = Promise.withResolvers<void>();
  const over = (async () => {
    for await (const event of shell.events) {
      if (event.kind === "started") started.resolve();
      if (event.kind === "output") shell.ack(event.offset + event.bytes.length);
    }
  })();
  over.catch(started.reject);
  await started.promise;
  return {
    [Symbol.asyncDispose]: async () => {
      shell.hangUp();
      await over.catch(() => {});
    },
  };
}

function isWhollyShown(): boolean {
  const stage = document.querySelector('[data-testid="stage"]')?.getBoundingClientRect();
  const screen = document.querySelector('[data-testid="stage"] .xterm-screen')?.getBoundingClientRect();
  if (stage === undefined || screen === undefined) return false;
  const { left, top, right, bottom } = screen;
  return left >= stage.left && top >= stage.top && right <= stage.right && bottom <= stage.bottom;
}
