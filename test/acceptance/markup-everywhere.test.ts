/** A18: what others wrote is text, wherever the page or an export shows it: names, labels, titles, reasons, errors, commands. */
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ExportFormat } from "../../proto/gen/bartizan/v1/recording_pb.ts";
import { BartizanFault } from "../../server/errors.ts";
import type { Target } from "../../server/target/target.ts";
import { openBrowser, openPageRig } from "../support/browser.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { openShellOn } from "../support/page-parts.ts";

let browser: Browser & AsyncDisposable;
beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(() => browser[Symbol.asyncDispose]());

const markup = '<img src=x onerror="window.owned=1"><svg onload="window.owned=1"></svg>';
const memory = createMemoryTarget({ name: "play" });
const hostile: Partial<Target> = {
  ...{ kind: "ssh", source: "config" },
  user: markup,
  host: "<b>host</b>",
  labels: { [markup]: "<script>window.owned=1</script>", note: "\u202etxt.exe\u001b[31m" },
};
const targets: Target[] = [
  { ...memory.target, ...hostile },
  { ...memory.target, ...hostile, name: "broken" },
];

/** Nothing of it has become an element, or run. The rig looks after the content policy and Trusted Types. */
async function isText(page: Page): Promise<void> {
  const made = await page.evaluate(() => ({
    elements: document.querySelectorAll('img[src="x"], svg[onload], script:not([src]), [onerror]').length,
    bold: [...document.querySelectorAll("b")].filter(({ textContent }) => textContent === "host").length,
    owned: "owned" in window,
  }));
  expect(made).toEqual({ elements: 0, bold: 0, owned: false });
}

test("markup in everything that is shown stays text, and no script of it runs", async () => {
  await using rig = await openPageRig(browser, {
    targets,
    principals: { boss: ["admin"] },
    dial: (target, ...rest) => {
      if (target.name === "broken") throw new BartizanFault("target-unreachable", `refused: ${markup}`, markup);
      return memory.dial(target, ...rest);
    },
  });
  const page = await rig.open();
  await page.locator('[data-target="play"]').waitFor();
  await page.getByText("<b>host</b>").first().waitFor();
  await isText(page);
  await openShellOn(page, "play");
  await memory.pty().print(`\x1b]0;${markup}\x07\x1b]8;;https://x.example/${markup}\x07${markup}\x1b]8;;\x07\r\n`);
  await page.locator(".shell-tab-title").waitFor();
  await isText(page);

  const boss = await rig.open({ as: "boss" });
  for (const name of ["Sessions", "Recordings", "Commands"]) {
    await boss.getByRole("link", { name }).first().click();
    await boss.waitForLoadState("networkidle");
    await isText(boss);
  }
  const [session] = rig.bastion.registry.list();
  await rig.bastion.clients("token-boss").sessions.kick({ sessionId: session?.id ?? "", reason: markup });
  await page.getByTestId("ended").getByText(markup, { exact: false }).first().waitFor();
  await isText(page);
  await boss.getByRole("link", { name: "Sessions" }).first().click();
  await boss
    .getByText(/kicked by boss/)
    .first()
    .waitFor();
  await isText(boss);
  await boss.getByRole("link", { name: "Recordings" }).first().click();
  await boss.getByTestId("recording").first().waitFor();
  await isText(boss);

  const other = await rig.open();
  await other.locator('[data-testid="target"][data-target="broken"]').click();
  await other.getByText("refused: <img", { exact: false }).first().waitFor();
  await isText(other);

  // And in what is exported it is what it was: text of a JSON line, with nothing that a reader would take for more.
  const { recordings } = rig.bastion.clients();
  const id = (await recordings.listRecordings({})).recordings[0]?.id ?? "";
  for (const format of [ExportFormat.ASCIICAST_V3, ExportFormat.ASCIICAST_V2]) {
    const pieces: Uint8Array[] = [];
    for await (const { data } of recordings.exportRecording({ id, format })) pieces.push(data);
    const lines = Buffer.concat(pieces).toString().trimEnd().split("\n");
    expect(() => lines.filter((line) => !line.startsWith("#")).map((line) => JSON.parse(line))).not.toThrow();
  }
});
