/**
 * The page's speed in Chromium without a window, in one run: prints a table, writes JSON. Run by `npm run bench:page`,
 * which builds the page first; arguments name what to measure, `--minutes N` sets how long memory is watched.
 */
import { rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import type { Browser, CDPSession, Page } from "playwright-core";
import { openBrowser } from "../support/browser.ts";
import { openShellOn, screenOf, typeLine } from "../support/page-parts.ts";
import { until } from "../support/until.ts";
import { type BenchRig, openBastionRoad, openBenchRig, quantile, seen } from "./bench-rig.ts";
import { createBenchTable } from "./bench-table.ts";
import { noteInteractive, takeFrameTimes, watchEchoes, watchFrames, whenShown } from "./page-probes.ts";

const { values: flags, positionals: only } = parseArgs({
  options: { minutes: { type: "string", default: "3" } },
  allowPositionals: true,
});
const { row, write } = createBenchTable();
const frameMs = 1000 / 60;
const line = "The quick brown fox jumps over the lazy dog; pack my box with five dozen jugs.\n";

async function openPage(browser: Browser, rig: BenchRig, script = () => {}): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  await context.addInitScript(script);
  const page = await context.newPage();
  await page.goto((await rig.clients().access.createLink({})).url);
  return page;
}

/** A shell in the page whose prompt is known, on a terminal that was cleared. */
async function openShell(browser: Browser, rig: BenchRig): Promise<Page> {
  const page = await openPage(browser, rig);
  await openShellOn(page, rig.sshd.target.name);
  await typeLine(page, "PS1='PROMPT''> '; clear");
  await page.evaluate(whenShown, "PROMPT>");
  return page;
}

async function benchLoad(browser: Browser, rig: BenchRig): Promise<void> {
  const times: number[] = [];
  let scripts: string[] = [];
  for (let round = -1; round < 7; round += 1) {
    const page = await openPage(browser, rig, noteInteractive);
    const ms = await until(
      () => page.evaluate(() => (globalThis as { interactiveMs?: number }).interactiveMs),
      "the list takes keys",
    );
    if (round >= 0) times.push(ms);
    scripts = await page.evaluate(() => {
      const files = performance.getEntriesByType("resource").map(({ name }) => new URL(name).pathname);
      return [...new Set(files.filter((name) => name.endsWith(".js")))];
    });
    await page.context().close();
  }
  let bytes = 0;
  for (const script of scripts) bytes += gzipSync(await readFile(join("dist/web/assets", basename(script)))).length;
  row("first load, script, gzip", bytes / 1000, "KB", "<= 300 KB", bytes <= 300_000);
  row(
    "navigation to a list that takes keys, p50",
    quantile(times, 0.5),
    "ms",
    "<= 1000 ms",
    quantile(times, 0.5) <= 1000,
  );
}

async function benchEcho(browser: Browser, rig: BenchRig): Promise<void> {
  const cat = "stty echo; exec cat";
  const page = await openShell(browser, rig);
  await typeLine(page, `clear; ${cat}`);
  await page.evaluate(whenShown, "");
  await using road = await openBastionRoad(rig.clients(), rig.sshd.target.name);
  await seen(road, "READY\r\n", `PS1=; exec bash --norc --noprofile -c 'echo READ''Y; ${cat}'\n`);
  const cli: number[] = [];
  for (let count = 0; count < 700; count += 1) {
    const start = performance.now();
    await seen(road, "x", "x");
    if (count >= 200) cli.push(performance.now() - start);
  }
  await page.evaluate(watchEchoes);
  const presses = 200;
  for (let count = 1; count <= presses + 20; count += 1) {
    await page.keyboard.press("x");
    await until(
      () =>
        page.evaluate(
          (wanted) => (globalThis as { echoes?: { tookMs: number[] } }).echoes?.tookMs.length === wanted,
          count,
        ),
      "the key was painted",
    );
    if (count % 60 === 0) await page.keyboard.press("Control+l");
  }
  const all = await page.evaluate(() => (globalThis as { echoes?: { tookMs: number[] } }).echoes?.tookMs ?? []);
  const painted = all.slice(20);
  const goalMs = 1.5 * quantile(cli, 0.5) + frameMs;
  row("key to echo, the CLI's way, p50", quantile(cli, 0.5), "ms");
  row(
    "key to painted echo, p50",
    quantile(painted, 0.5),
    "ms",
    `<= ${goalMs.toFixed(1)} ms`,
    quantile(painted, 0.5) <= goalMs,
  );
  row("key to painted echo, p95", quantile(painted, 0.95), "ms");
  await page.context().close();
}

async function benchFlood(browser: Browser, rig: BenchRig): Promise<void> {
  const file = join(tmpdir(), `bartizan-page-bench-${process.pid}.txt`);
  writeFileSync(file, line.repeat(Math.ceil(20e6 / line.length)));
  try {
    const page = await openShell(browser, rig);
    await page.evaluate(watchFrames);
    const longest: number[] = [];
    const seconds: number[] = [];
    const answered: number[] = [];
    for (let round = 0; round < 5; round += 1) {
      await page.evaluate(takeFrameTimes);
      const shown = page.evaluate(whenShown, `ALL${round}`);
      const startMs = await page.evaluate(() => performance.now());
      await typeLine(page, `cat ${file}; echo AL''L${round}`);
      seconds.push(((await shown) - startMs) / 1000);
      longest.push((await page.evaluate(takeFrameTimes)).longestMs);
    }
    for (let round = 0; round < 5; round += 1) {
      // One program: bash itself would go on in a loop when the program that Ctrl-C meets ends well.
      await typeLine(page, `yes 'flood ${round}: ${line.trim()}'`);
      await until(async () => {
        const rows = await screenOf(page);
        return rows.some((text) => text.startsWith(`flood ${round}`)) && !rows.join().includes("PROMPT>");
      }, "it floods");
      await page.keyboard.press("Control+c");
      const shownMs = await page.evaluate(whenShown, "PROMPT>");
      answered.push(shownMs - (await page.evaluate(takeFrameTimes)).pressedMs);
    }
    row("20 MB of cat in the page, p50", quantile(seconds, 0.5), "s");
    row(
      "20 MB of cat, longest frame, median of 5",
      quantile(longest, 0.5),
      "ms",
      "<= 100 ms",
      quantile(longest, 0.5) <= 100,
    );
    row("20 MB of cat, longest frame, worst of 5", Math.max(...longest), "ms");
    row(
      "Ctrl-C in a flood to the prompt, p50",
      quantile(answered, 0.5),
      "ms",
      "<= 200 ms",
      quantile(answered, 0.5) <= 200,
    );
    row("Ctrl-C in a flood to the prompt, worst of 5", Math.max(...answered), "ms");
    await page.context().close();
  } finally {
    rmSync(file);
  }
}

async function benchWall(browser: Browser, rig: BenchRig): Promise<void> {
  await using roads = new AsyncDisposableStack();
  for (let count = 0; count < 12; count += 1) {
    const road = roads.use(await openBastionRoad(rig.clients(), rig.sshd.target.name));
    // Twenty coloured lines a second each: a build that is talkative.
    const busy = `while :; do printf '\\033[3%dm%s ${"built ".repeat(8)}\\033[0m\\n' $((RANDOM%8)) $RANDOM; sleep 0.05; done`;
    await seen(road, "built", `PS1=; ${busy}\n`);
  }
  const page = await openPage(browser, rig);
  await page.setViewportSize({ width: 1920, height: 1400 });
  await page.getByRole("link", { name: "Wall" }).click();
  const live = page.locator('[data-testid="tile"][data-phase="live"]');
  await until(async () => (await live.count()) === 12, "twelve tiles are live");
  const cdp = await browser.newBrowserCDPSession();
  // The page's first seconds are its start, not its work.
  await span(3000);
  const before = await cpuByProcess(cdp);
  const startMs = performance.now();
  await span(10_000);
  const seconds = (performance.now() - startMs) / 1000;
  const after = await cpuByProcess(cdp);
  const used = (type: string) =>
    after
      .filter((each) => each.type === type)
      .map((each) => each.cpuTime - (before.find(({ id }) => id === each.id)?.cpuTime ?? 0))
      .reduce((sum, each) => sum + each, 0);
  const share = (100 * used("renderer")) / seconds;
  row("wall of 12 busy tiles, the page's CPU", share, "%", "<= 60 % of a core", share <= 60);
  row("wall of 12 busy tiles, drawing without a GPU", (100 * used("GPU")) / seconds, "%");
  await page.context().close();
}

async function benchMemory(browser: Browser, rig: BenchRig): Promise<void> {
  const minutes = Number(flags.minutes);
  const page = await openShell(browser, rig);
  const cdp = await page.context().newCDPSession(page);
  await typeLine(page, `yes '${line.trim()}'`);
  const samples: number[] = [];
  const endMs = performance.now() + minutes * 60_000;
  while (performance.now() < endMs) {
    await span(Math.min(10_000, minutes * 5000));
    await cdp.send("HeapProfiler.collectGarbage");
    samples.push((await cdp.send("Runtime.getHeapUsage")).usedSize / 1e6);
  }
  await page.keyboard.press("Control+c");
  await page.evaluate(whenShown, "PROMPT>");
  const third = Math.ceil(samples.length / 3);
  const first = quantile(samples.slice(0, third), 0.5);
  const last = quantile(samples.slice(-third), 0.5);
  row(`heap in a flood of ${minutes} min, first third`, first, "MB");
  row(`heap in a flood of ${minutes} min, last third`, last, "MB", "<= first + 5 MB", last <= first + 5);
  await page.context().close();
}

async function cpuByProcess(cdp: CDPSession): Promise<{ id: number; type: string; cpuTime: number }[]> {
  return (await cdp.send("SystemInfo.getProcessInfo")).processInfo;
}

/** A measurement lasts a time, unlike a wait. */
function span(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

const benches = { load: benchLoad, echo: benchEcho, flood: benchFlood, wall: benchWall, memory: benchMemory };
await using browser = await openBrowser();
process.stdout.write(`Chromium ${browser.version()} without a window, one sshd, one server process, loopback\n\n`);
for (const [name, bench] of Object.entries(benches)) {
  if (only.length > 0 && !only.includes(name)) continue;
  await using rig = await openBenchRig();
  await bench(browser, rig);
}
write("page", { chromium: browser.version() });
