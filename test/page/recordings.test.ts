import { readFile } from "node:fs/promises";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TypedCommandSchema } from "../../proto/gen/bartizan/v1/command_pb.ts";
import { ExportFormat, type FoundCommand, FoundCommandSchema } from "../../proto/gen/bartizan/v1/recording_pb.ts";
import { axeCode, seriousFaults } from "../support/axe-look.ts";
import { openBrowser, openPageRig, type PageRig } from "../support/browser.ts";
import { stubCommands } from "../support/commands-stub.ts";
import { keepRecording, ticks } from "../support/kept-recording.ts";
import { createMemoryTarget, type MemoryPty } from "../support/memory-target.ts";
import { openShellOn, shows } from "../support/page-parts.ts";
import { until } from "../support/until.ts";

let browser: Browser & AsyncDisposable;
beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(() => browser[Symbol.asyncDispose]());

const principals = { alice: ["operator"], aud: ["auditor"], boss: ["admin"] } as const;

async function openRig(): Promise<{ rig: PageRig; pty: () => MemoryPty }> {
  const memory = createMemoryTarget({ name: "play" });
  const rig = await openPageRig(browser, { targets: [memory.target], dial: memory.dial, principals });
  return { rig, pty: memory.pty };
}

const rows = (page: Page) => page.getByTestId("recording");
const sessionsOf = (page: Page) => rows(page).evaluateAll((all) => all.map((each) => each.dataset.session));

describe("the recordings", () => {
  test("are listed by their start, page by page, and narrowed by what the address keeps", {
    timeout: 60_000,
  }, async () => {
    const { rig } = await openRig();
    await using _rig = rig;
    for (let number = 1; number <= 60; number += 1) {
      const odd = number % 10 === 3;
      const start = odd ? { target: "db1", operator: "bob", labels: { team: "data" } } : {};
      const info = odd ? ({ cause: { kind: "kicked", by: { name: "x" }, reason: "y" } } as const) : {};
      await keepRecording(rig.bastion, number, (maker) => maker.output("x", 1000 * number), { start, info });
    }
    const page = await rig.open({ as: "aud" });
    await page.getByRole("link", { name: "Recordings" }).click();
    await page.getByText("the newest 50 recordings").waitFor();
    expect((await sessionsOf(page)).slice(0, 2)).toEqual(["test-60", "test-59"]);
    await rows(page).first().getByText("1:00", { exact: true }).waitFor();
    await page.getByRole("button", { name: "Show more" }).click();
    await page.getByText("60 recordings", { exact: true }).waitFor();
    expect((await sessionsOf(page)).at(-1)).toBe("test-1");

    const six = page.getByText("6 recordings", { exact: true });
    const sixty = page.getByText(/^(60|the newest 50) recordings$/);
    const narrowings: (() => Promise<void>)[] = [
      () => page.getByRole("combobox", { name: "Operator (whole name)" }).fill("bob"),
      () => page.getByRole("combobox", { name: "Target (whole name)" }).fill("db1"),
      () => page.getByLabel("Label (key=value)").fill("team=data"),
      async () => {
        await page.getByRole("combobox", { name: "How it ended" }).click();
        await page.getByRole("option", { name: "Kicked" }).click();
      },
    ];
    for (const narrow of narrowings) {
      await narrow();
      await six.waitFor();
      await page.getByRole("button", { name: "Clear the filters" }).click();
      await sixty.waitFor();
    }
    await page.getByLabel("Label (key=value)").fill("nonsense");
    await page.getByText("Write it as key=value.").waitFor();
    await page.getByLabel("Label (key=value)").fill("team=none");
    await page.getByText("No recording matches").waitFor();
    await page.getByLabel("Label (key=value)").fill("team=data");
    await six.waitFor();
    await rows(page).first().getByRole("link", { name: "Replay bob on db1" }).click();
    await page.getByRole("heading", { name: "Replay: bob on db1" }).waitFor();
    await page.goBack();
    await six.waitFor();
    expect(await page.getByLabel("Label (key=value)").inputValue()).toBe("team=data");
  });

  test("show a session while it runs and its seal as soon as it ends; its verdict is told for what it is", async () => {
    const { rig, pty } = await openRig();
    await using _rig = rig;
    const unsigned = await keepRecording(rig.bastion, 1, (maker) => ticks(maker, 2));
    const missing = await keepRecording(rig.bastion, 2, (maker) => ticks(maker, 2), { info: { state: "missing" } });
    const operator = await rig.open({ as: "alice" });
    const page = await rig.open({ as: "aud" });
    await page.getByRole("link", { name: "Recordings" }).click();
    await until(async () => (await rows(page).count()) === 2, "two are listed");
    await openShellOn(operator, "play");
    const live = rows(page).filter({ hasText: "nobody · " });
    await live.locator('[data-state="live"]').waitFor();
    await pty().print("words");
    const verify = async (row: typeof live) => {
      await row.getByRole("button", { name: /^More for/ }).click();
      await page.getByRole("menuitem", { name: "Verify…" }).click();
      const verdict = page.getByRole("dialog").getByTestId("verdict");
      await verdict.waitFor();
      const told = await verdict.getAttribute("data-verdict");
      await page.keyboard.press("Escape");
      await verdict.waitFor({ state: "detached" });
      return told;
    };
    await until(async () => (await verify(live)) === "live", "what was shown is sealed so far");
    pty().exit({ kind: "exited", code: 0 });
    await live.locator('[data-state="sealed"]').waitFor();
    expect(await verify(live)).toBe("complete");
    // Made by the test, with a key that this node does not know.
    expect(await verify(page.locator(`[data-recording="${unsigned}"]`))).toBe("unsigned");
    expect(await page.locator(`[data-recording="${missing}"]`).getByRole("link").count()).toBe(0);
    expect(await verify(page.locator(`[data-recording="${missing}"]`))).not.toBe("complete");
  });

  test("are downloaded as the very file, and for older players", async () => {
    const { rig } = await openRig();
    await using _rig = rig;
    const id = await keepRecording(rig.bastion, 1, (maker) => ticks(maker, 400, 3000));
    const page = await rig.open({ as: "aud" });
    await page.getByRole("link", { name: "Recordings" }).click();
    for (const [item, format, name] of [
      ["Download as .cast", ExportFormat.ASCIICAST_V3, /^alice_web1_\d{4}-\d\d-\d\dT\d{6}_0{8}\.cast$/],
      ["Download for older players", ExportFormat.ASCIICAST_V2, /\.v2\.cast$/],
    ] as const) {
      await page.getByRole("button", { name: "More for alice on web1" }).click();
      const coming = page.waitForEvent("download");
      await page.getByRole("menuitem", { name: item }).click();
      const download = await coming;
      expect(download.suggestedFilename()).toMatch(name);
      const pieces: Uint8Array[] = [];
      for await (const { data } of rig.bastion.clients().recordings.exportRecording({ id, format })) pieces.push(data);
      expect((await readFile(await download.path())).equals(Buffer.concat(pieces))).toBe(true);
      await page.getByTestId("download").waitFor({ state: "detached" });
    }
  });
});

const typed: readonly MessageInitShape<typeof TypedCommandSchema>[] = [
  { text: "ls -la /tmp", startedMs: 5000n, endedMs: 5200n, exitCode: 0, confidence: 1 },
  { text: 'echo "<b>bold</b>" \u202e', startedMs: 20_000n, endedMs: 95_000n, exitCode: 2, confidence: 2 },
  { text: "for a in 1 2; do\n  echo $a\ndone", startedMs: 40_000n, confidence: 3, cwd: "/srv" },
];
/** Of the recording that is kept as number 1. */
const commands: FoundCommand[] = typed.map((command, at) =>
  create(FoundCommandSchema, {
    command: create(TypedCommandSchema, { ...command, sessionId: "test-1", number: at + 1 }),
    ...{ operator: { name: "alice" }, target: "web1", recordingId: "1".padStart(32, "0") },
    at: { seconds: 1_795_680_000n },
  }),
);

describe("the commands", () => {
  test("beside a replay say how they ended and lead to their moment; the one that runs is marked", async () => {
    const { rig } = await openRig();
    await using _rig = rig;
    const id = await keepRecording(rig.bastion, 1, (maker) => ticks(maker, 60));
    const page = await rig.open({ as: "aud" });
    const asked = await stubCommands(page, () => ({ commands }));
    await page.locator('[data-target="play"]').waitFor();
    await page.goto(`${rig.bastion.url}/replay/${id}?show=commands`);
    const list = page.getByTestId("command");
    await list.nth(2).waitFor();
    expect(asked[0]).toMatchObject({ sessionId: "test-1", text: "" });
    await list.nth(1).getByText("exit 2").waitFor();
    await list.nth(1).getByText("took 1:15").waitFor();
    expect(await list.nth(1).locator("code").textContent()).toBe('echo "<b>bold</b>" \\u202e');
    expect(await list.getByTestId("confidence").allTextContents()).toEqual(["declared", "observed", "typed"]);
    expect(await page.locator('[data-testid="mark"][data-kind="command"]').count()).toBe(3);
    await list.nth(1).click();
    await shows(page, "tick 20;");
    await page.locator('[data-testid="command"][aria-current]').getByText("<b>bold</b>").waitFor();
    await page.locator("main").focus();
    await page.keyboard.press("]");
    await shows(page, "tick 40;");
    await page.locator('[data-testid="command"][aria-current]').getByText("for a in 1 2").waitFor();
  });

  test("of all sessions are found by words, operator and target, and lead into the replay at their moment", async () => {
    const { rig } = await openRig();
    await using _rig = rig;
    await keepRecording(rig.bastion, 1, (maker) => ticks(maker, 60));
    const page = await rig.open({ as: "aud" });
    const asked = await stubCommands(page, ({ text, pageToken, target }) => {
      if (target === "none") return { commands: [] };
      if (text === "echo") return { commands: commands.slice(1) };
      return pageToken === ""
        ? { commands: commands.slice(0, 1), nextPageToken: "2" }
        : { commands: commands.slice(1) };
    });
    await page.getByRole("link", { name: "Commands" }).click();
    await page.getByText("the first 1 command").waitFor();
    await page.getByRole("button", { name: "Show more" }).click();
    await page.getByText("3 commands", { exact: true }).waitFor();
    await page.getByRole("combobox", { name: "Target (whole name)" }).fill("none");
    await page.getByText("No command matches").waitFor();
    await page.getByRole("button", { name: "Clear the filters" }).click();
    await page.getByRole("combobox", { name: "Operator (whole name)" }).fill("alice");
    await page.getByLabel("Search commands").fill("echo");
    await page.getByText("2 commands", { exact: true }).waitFor();
    expect(asked.at(-1)).toMatchObject({ text: "echo", operator: "alice", sessionId: "" });
    await page.getByRole("link", { name: /^Replay at for a in/ }).click();
    await shows(page, /tick 4\d;/);
  });
});

test("on a phone lists, replay and commands fit the window and work by touch", async () => {
  const { rig } = await openRig();
  await using _rig = rig;
  const id = await keepRecording(rig.bastion, 1, (maker) => ticks(maker, 60), {
    start: { size: { cols: 160, rows: 50 } },
  });
  const page = await rig.open({ as: "aud", viewport: { width: 390, height: 760 }, hasTouch: true, isMobile: true });
  await stubCommands(page, () => ({ commands }));
  const fits = async (where: string) =>
    expect([where, await page.evaluate(() => document.documentElement.scrollWidth)]).toEqual([where, 390]);
  await page.getByRole("button", { name: "Menu", exact: true }).tap();
  await page.getByRole("link", { name: "Recordings" }).tap();
  await rows(page).waitFor();
  await fits("recordings");
  await rows(page).getByRole("link", { name: "Replay alice on web1" }).tap();
  await shows(page, "tick 1;");
  await fits("replay");
  const screen = await page.locator(".xterm-screen").boundingBox();
  expect((screen?.x ?? 0) + (screen?.width ?? 999)).toBeLessThanOrEqual(390);
  const box = (await page.getByTestId("timeline").boundingBox()) ?? { x: 0, y: 0, width: 1, height: 1 };
  await page.touchscreen.tap(box.x + box.width / 2, box.y + box.height / 2);
  await shows(page, /tick (29|3\d);/);
  await page.getByTestId("command").first().tap();
  await shows(page, /tick [5-9];/);
  expect(page.url()).toContain(id);
});

describe.each(["light", "dark"] as const)("in %s colours", (colorScheme) => {
  test("no page of the past has a serious fault by axe-core", { timeout: 90_000 }, async () => {
    const { rig } = await openRig();
    await using _rig = rig;
    const id = await keepRecording(
      rig.bastion,
      1,
      (maker) => {
        ticks(maker, 30, 200);
        maker.comment("joined", { at: 30_000, attachment: "a2", who: "carol", role: "watcher" });
        maker.resize({ cols: 100, rows: 30 }, 40_000);
        maker.output("\x1b[32mgreen\x1b[0m", 60_000);
      },
      { info: { state: "damaged" } },
    );
    await keepRecording(rig.bastion, 2, (maker) => ticks(maker, 2), { info: { state: "missing" } });
    const page = await rig.open({ as: "boss", colorScheme, script: axeCode });
    await stubCommands(page, () => ({ commands }));
    const found: string[] = [];
    const look = async (where: string) => void found.push(...(await seriousFaults(page, where)));
    await page.getByRole("link", { name: "Recordings" }).click();
    await rows(page).nth(1).waitFor();
    await look("recordings");
    await page.getByRole("button", { name: "More for alice on web1" }).last().click();
    await page.getByRole("menuitem", { name: "Delete…" }).waitFor();
    await look("menu");
    await page.getByRole("menuitem", { name: "Delete…" }).click();
    await page.getByLabel("Reason").waitFor();
    await look("delete");
    await page.keyboard.press("Escape");
    await page.getByLabel("Reason").waitFor({ state: "detached" });
    await page.getByRole("link", { name: "Replay alice on web1" }).click();
    await page.getByTestId("command").nth(2).waitFor();
    await page.keyboard.press("Space");
    await look("replay");
    await page.getByRole("tab", { name: /^Events/ }).click();
    await page.getByTestId("event").first().waitFor();
    await look("events");
    await page.getByRole("tab", { name: "Details" }).click();
    await page.getByText("Final seal").waitFor();
    await look("details");
    await page.getByRole("button", { name: "Verify…" }).click();
    await page.getByTestId("verdict").waitFor();
    await look("verdict");
    await page.keyboard.press("Escape");
    await page.getByTestId("verdict").waitFor({ state: "detached" });
    await page.getByRole("link", { name: "Commands" }).click();
    await page.getByTestId("found").nth(2).waitFor();
    await look("commands");
    await page.goto(`${rig.bastion.url}/replay/${id}x`);
    await page.getByText("There is no such recording").waitFor();
    await look("no recording");
    expect(found).toEqual([]);
  });
});
