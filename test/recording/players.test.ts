import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawn } from "@lydell/node-pty";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { exportV2, exportV3 } from "../../server/recording/export-cast.ts";
import { openRecordingFile } from "../../server/recording/recording-file.ts";
import { root } from "../house/sources.ts";
import { openBrowser } from "../support/browser.ts";
import { makeCast, makeKey, startFor } from "./cast-maker.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bartizan-players-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** It wants a terminal of its own. */
function onTerminal(program: string, args: string[]): Promise<{ code: number; text: string }> {
  const env = { PATH: "/usr/bin:/bin", HOME: folder, LANG: "C.UTF-8", TERM: "xterm-256color" };
  const pty = spawn(program, args, { cols: 80, rows: 24, env, cwd: folder });
  let text = "";
  pty.onData((data) => {
    text += data;
  });
  return new Promise((resolve) => pty.onExit(({ exitCode }) => resolve({ code: exitCode, text })));
}

/** Every kind of line that the format knows, with a title and a name that hold markup. */
async function exported(as: typeof exportV2): Promise<string> {
  const evil = '</script><img src=x onerror="document.title=1">\u2028\x1b[31m';
  const maker = makeCast(startFor(1, { title: evil, operator: evil }), makeKey());
  maker.comment("joined", { at: 0, attachment: "a1", who: evil, role: "operator" });
  maker.output("\x1b[2J\x1b[H\x1b[1;32mgreen\x1b[m \u65e5\u672c\r\n", 100);
  maker.tail(Buffer.from([0xe2]));
  maker.output("\u20ac split\r\n", 200);
  maker.output(Buffer.from([0xff, ...Buffer.from("raw\r\n")]), 300);
  maker.resize({ cols: 60, rows: 20 }, 400);
  maker.marker("a mark", 400);
  maker.link();
  maker.gap(maker.out + 50, 500, "\x1bcagain\r\n");
  maker.raw("# somebody else's comment");
  maker.raw('[0.000, "q", "a code that nobody knows"]');
  maker.output("the end\r\n", 2000);
  maker.end({ kind: "exited", code: 3 });
  const path = join(folder, "made.cast");
  writeFileSync(path, maker.take());
  await using file = await openRecordingFile(path);
  const pieces: Buffer[] = [];
  for await (const piece of as(file, new AbortController().signal)) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

describe("an exported recording", () => {
  it("of version 2 is played by Debian's asciinema", async () => {
    const path = join(folder, "v2.cast");
    writeFileSync(path, await exported(exportV2));
    for (const args of [
      ["cat", path],
      ["play", "-s", "100", path],
    ]) {
      const { code, text } = await onTerminal("/usr/bin/asciinema", args);
      expect([args[0], code]).toEqual([args[0], 0]);
      for (const wanted of ["green", "\u20ac split", "\ufffdraw", "again", "the end"]) expect(text).toContain(wanted);
    }
  });

  it.each([
    ["3", exportV3],
    ["2", exportV2],
  ])("of version %s is played by the player for pages, which no name in it gets to run anything", async (_name, as) => {
    const data = await exported(as);
    await using browser = await openBrowser();
    const page = await browser.newPage();
    await page.setContent('<div id="here"></div>');
    const wrongs: string[] = [];
    page.on("pageerror", (error) => wrongs.push(error.message));
    const bundle = join(root, "node_modules", "asciinema-player", "dist", "bundle", "asciinema-player.min.js");
    await page.addScriptTag({ path: bundle });
    await page.evaluate(`window.player = AsciinemaPlayer.create({ data: ${JSON.stringify(data)} }, document.getElementById("here"),
      { preload: true, autoPlay: true, speed: 4 }); player.addEventListener("ended", () => { window.over = true; });`);
    await page.waitForFunction("window.over === true");
    expect(await page.evaluate("player.getDuration()")).toBeCloseTo(2, 1);
    const text = () => page.evaluate<string>('document.getElementById("here").innerText');
    expect(await text()).toContain("again");
    expect(await text()).toContain("the end");
    await page.evaluate("player.seek(0.35).then(() => player.pause())");
    await page.waitForFunction('document.getElementById("here").innerText.includes("split")');
    expect((await text()).replaceAll("\u00a0", " ")).toContain("\ufffdraw");
    expect(await page.title()).toBe("");
    expect(wrongs).toEqual([]);
  });
});
