/** How well typed commands are found, in real shells, and how fast they are searched. Run by `npm run bench:commands`. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CommandQuery, StoredCommand } from "../../server/commands/command.ts";
import { openCommandStore } from "../../server/commands/command-store.ts";
import { openCommandTable } from "../../server/commands/command-table.ts";
import type { SessionId } from "../../server/events.ts";
import { systemClock } from "../../server/flow/clock.ts";
import { createLog } from "../../server/log.ts";
import { commandsIn, score } from "../commands/replay.ts";
import { playScenes } from "../commands/scenes.ts";
import { type ShellSetup, shellSetups } from "../commands/shells.ts";
import { sitDown } from "../commands/typist.ts";
import { randomFrom } from "../support/random.ts";

interface Run {
  readonly shell: string;
  readonly prompt: string;
  readonly heldOut: boolean;
  readonly delayMs: number;
  readonly cols: number;
  readonly hits: number;
  readonly truth: number;
  readonly found: number;
  readonly leaked: number;
  readonly missing: readonly string[];
  readonly extra: readonly string[];
}

/** Shells mostly wait for their typist. */
const atOnce = 24;
const delays = [0, 80, 250];
const widths = [40, 80, 200];
const stored = 1_000_000;

/** "shells" or "search" alone, and a part of the shell's and the prompt's name. */
const [only = "all", name = ""] = process.argv.slice(2);
const runs = only === "search" ? [] : await benchShells();
const search = only === "shells" ? [] : await benchSearch();
mkdirSync("bench-results", { recursive: true });
const file = `bench-results/commands-${new Date().toISOString().replaceAll(/[:.]/g, "-")}.json`;
writeFileSync(file, JSON.stringify({ runs, search }, undefined, 1));
process.stdout.write(`\n${file}\n`);
process.exit(0);

async function benchShells(): Promise<Run[]> {
  const wanted = shellSetups.filter(({ shell, prompt }) => `${shell} ${prompt}`.includes(name));
  const present = wanted.filter(({ shell }) => existsSync(`/usr/bin/${shell}`) || existsSync(`/bin/${shell}`));
  for (const { shell, prompt } of wanted)
    if (!present.some((each) => each.shell === shell))
      process.stdout.write(`left out, not installed: ${shell} ${prompt}\n`);
  const jobs = present.flatMap((setup) =>
    delays.flatMap((delayMs) => widths.map((cols) => ({ setup, delayMs, cols }))),
  );
  const done: Run[] = [];
  const work = async () => {
    for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) {
      const { setup, delayMs, cols } = job;
      try {
        done.push(await benchShell(setup, delayMs, cols));
      } catch (error) {
        // A machine under load; nothing is known of the extractor then.
        const what = `${setup.shell} ${setup.prompt} ${delayMs} ms ${cols}`;
        process.stdout.write(`left out, the shell did not answer: ${what}: ${(error as Error).message}\n`);
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  const tuned = done.filter(({ heldOut }) => !heldOut);
  for (const { shell, prompt } of present)
    row(
      `${shell}, ${prompt}`,
      done.filter((run) => run.shell === shell && run.prompt === prompt),
    );
  for (const delayMs of delays)
    row(
      `echo after ${delayMs} ms`,
      tuned.filter((run) => run.delayMs === delayMs),
    );
  for (const cols of widths)
    row(
      `${cols} columns`,
      tuned.filter((run) => run.cols === cols),
    );
  row("all but those held out (recall >= 95, precision >= 97)", tuned);
  row(
    "held out: never tuned on",
    done.filter(({ heldOut }) => heldOut),
  );
  for (const { shell, prompt, delayMs, cols, missing, extra } of done)
    for (const [sign, texts] of [
      ["-", missing],
      ["+", extra],
    ] as const)
      for (const text of texts)
        process.stdout.write(`  ${shell} ${prompt} ${delayMs} ms ${cols}: ${sign} ${JSON.stringify(text)}\n`);
  return done;
}

async function benchShell(setup: ShellSetup, delayMs: number, cols: number): Promise<Run> {
  await using desktop = sitDown(setup, { cols, delayMs });
  await playScenes(desktop.typist, setup.shell);
  const trace = await desktop.over();
  const found = commandsIn(trace);
  const { hits, missing, extra, leaked } = score(trace, found);
  return {
    ...{ shell: setup.shell, prompt: setup.prompt, heldOut: setup.heldOut ?? false, delayMs, cols },
    ...{ hits, truth: trace.truth.length, found: found.length, leaked: leaked.length, missing, extra },
  };
}

function row(what: string, some: readonly Run[]): void {
  const sum = (of: (run: Run) => number) => some.reduce((total, run) => total + of(run), 0);
  const percent = (part: number, whole: number) => `${((100 * part) / Math.max(1, whole)).toFixed(1)} %`.padStart(8);
  const hits = sum((run) => run.hits);
  const leaked = sum((run) => run.leaked);
  process.stdout.write(
    `${what.padEnd(56)} recall${percent(
      hits,
      sum((run) => run.truth),
    )}  precision${percent(
      hits,
      sum((run) => run.found),
    )}  secrets leaked ${leaked}\n`,
  );
}

/** Words as shells see them, in sessions of forty commands: fifty operators and one who is rare, three hundred targets. */
async function benchSearch(): Promise<object[]> {
  const folder = mkdtempSync(join(tmpdir(), "bartizan-search-"));
  const { below: random, pick } = randomFrom(4);
  const verbs =
    "ls -la|cat|grep -rn error|systemctl restart|docker ps|kubectl get pods -n|vim|tail -f|git commit -m|rm -rf".split(
      "|",
    );
  const nouns =
    "/var/log/nginx/access.log|/etc/passwd|nginx.service|production|main|README.md|postgres|/tmp|web|backup".split("|");
  try {
    const path = join(folder, "commands.db");
    {
      using table = openCommandTable(path);
      for (let from = 0; from < stored; from += 5000)
        table.put(
          Array.from({ length: 5000 }, (_, index): StoredCommand => {
            const number = from + index;
            const session = Math.floor(number / 40);
            return {
              ...{ sessionId: `n1-${session}` as SessionId, number: (number % 40) + 1, recordingId: "", cwd: "" },
              ...{ operator: session % 500 === 0 ? "rare" : `operator${session % 50}`, target: `host${random(300)}` },
              text: `${pick(verbs)} ${pick(nouns)}${random(2) ? "" : random(1e6)} ${pick(nouns)} ${random(50) ? "" : `needle${random(1000)}`}`,
              ...{ startedMs: 0, atMs: 1.7e12 + number * 3000 + random(2000), outputFrom: 0, outputTo: 1 },
              confidence: "observed",
            };
          }),
        );
    }
    await using store = openCommandStore({ path, clock: systemClock, log: createLog("error") });
    const day = 86_400_000;
    const queries: Omit<CommandQuery, "limit">[] = [
      ...[{}, { text: "ls" }, { text: "l" }, { text: "needle" }, { text: "needle77" }, { text: "restart nginx" }],
      ...[
        { text: '"rm -rf" backup' },
        { text: "cat", operator: "rare" },
        { text: "e", operator: "operator3", target: "host3" },
      ],
      ...[
        { text: "nothing like it" },
        { text: "production nowhere" },
        { text: "123" },
        { text: "ls", operator: "nobody" },
      ],
      ...[
        { operator: "operator7" },
        { target: "host7" },
        { operator: "rare", target: "host7" },
        { sessionId: "n1-777" },
      ],
      ...[
        { text: "cat", sessionId: "n1-777" },
        { text: "git", fromMs: 1.7e12 + day, untilMs: 1.7e12 + 2 * day },
      ],
      ...[{ text: "kubectl get pods production needle9" }, { target: "host7", fromMs: 1.7e12, untilMs: 1.7e12 + day }],
    ];
    const all: number[] = [];
    const results: object[] = [];
    for (const query of queries) {
      const times: number[] = [];
      let hits = 0;
      for (let round = 0; round < 50; round++) {
        const startMs = performance.now();
        const page = await store.search({ ...query, limit: 50 }, AbortSignal.timeout(30_000));
        times.push(performance.now() - startMs);
        hits = page.commands.length;
      }
      all.push(...times);
      times.sort((a, b) => a - b);
      results.push({ query, hits, p50: times[25], max: times.at(-1) });
      process.stdout.write(
        `${JSON.stringify(query).padEnd(70)}${String(hits).padStart(3)} hits  p50 ${(times[25] ?? 0).toFixed(2)} ms  max ${(times.at(-1) ?? 0).toFixed(2)} ms\n`,
      );
    }
    all.sort((a, b) => a - b);
    const at = (share: number) => all[Math.floor(all.length * share)] ?? 0;
    process.stdout.write(
      `search over ${stored} commands: p50 ${at(0.5).toFixed(2)} ms, p99 ${at(0.99).toFixed(2)} ms (goal: <= 50 ms)\n`,
    );
    return [...results, { p50: at(0.5), p99: at(0.99) }];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
