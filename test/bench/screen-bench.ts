/** What the screen costs: floods, key frames, memory. Run by hand: node --expose-gc test/bench/screen-bench.ts */
import { readdirSync, readFileSync } from "node:fs";
import { systemClock } from "../../server/flow/clock.ts";
import { createScreen, type Screen } from "../../server/session/screen.ts";
import { openScreenPool, type ScreenPool } from "../../server/session/screen-pool.ts";

const floodBytes = 50_000_000;
const chunkBytes = 32 * 1024;
const keepAlive = setInterval(() => {}, 1000);

function cut(source: Uint8Array): Uint8Array[] {
  const whole = Buffer.alloc(Math.max(source.length, 40 * chunkBytes));
  for (let at = 0; at < whole.length; at += source.length) whole.set(source.subarray(0, whole.length - at), at);
  const chunks: Uint8Array[] = [];
  for (let at = 0; at + chunkBytes <= whole.length; at += chunkBytes) chunks.push(whole.subarray(at, at + chunkBytes));
  return chunks;
}

function text(line: (i: number) => string): Uint8Array {
  return Buffer.from(Array.from({ length: 30_000 }, (_, i) => line(i)).join(""));
}

const fixtures = new URL("../fixtures/terminal/", import.meta.url);
const programs = readdirSync(fixtures).filter((name) => /^(vim|htop|mc|tmux|less)-.*\.bin$/.test(name));
const inputs = {
  plain: cut(text((i) => `${i} The quick brown fox jumps over the lazy dog and runs away again\r\n`)),
  "seq (short lines)": cut(text((i) => `${i}\r\n`)),
  "ls --color": cut(
    text((i) => `\x1b[0m\x1b[01;3${i % 8}mfile-${i}.tar.gz\x1b[0m  \x1b[01;34mfolder${i}\x1b[0m  plain.txt\r\n`),
  ),
  "full-screen programs": cut(Buffer.concat(programs.map((name) => readFileSync(new URL(name, fixtures))))),
};

async function flood(pool: ScreenPool, chunks: readonly Uint8Array[]): Promise<{ cpuMs: number; wallMs: number }> {
  using screen = createScreen(pool, { cols: 80, rows: 24 });
  const cpu = process.cpuUsage();
  const startMs = performance.now();
  let offset = 0;
  for (let i = 0; offset < floodBytes; i++) {
    const bytes = chunks[i % chunks.length] as Uint8Array;
    screen.write({ kind: "output", offset, atMs: 0, bytes });
    offset += bytes.length;
    const wait = screen.ready(AbortSignal.timeout(60_000));
    if (wait !== undefined) await wait;
    else if (i % 4 === 3) await new Promise(setImmediate);
  }
  await screen.keyFrame();
  const used = process.cpuUsage(cpu);
  return { cpuMs: (used.user + used.system) / 1000, wallMs: performance.now() - startMs };
}

async function joins(pool: ScreenPool, chunks: readonly Uint8Array[], cols: number, rows: number, logBytes: number) {
  const took: number[] = [];
  let frameBytes = 0;
  const sessions: { screen: Screen; offset: number }[] = Array.from({ length: 40 }, () => ({
    screen: createScreen(pool, { cols, rows }),
    offset: 0,
  }));
  for (let i = 0; i < 400; i++) {
    // More sessions than live terminals: every join starts from a key frame.
    const session = sessions[i % sessions.length] as (typeof sessions)[number];
    for (let at = 0; at < logBytes; ) {
      const bytes = (chunks[(i + session.offset / 997) & 31] as Uint8Array).subarray(0, Math.min(4096, logBytes - at));
      session.screen.write({ kind: "output", offset: session.offset, atMs: 0, bytes });
      session.offset += bytes.length;
      at += bytes.length;
    }
    const startMs = performance.now();
    const frame = await session.screen.keyFrame();
    took.push(performance.now() - startMs);
    frameBytes = Math.max(frameBytes, frame.bytes.length);
  }
  for (const { screen } of sessions) screen[Symbol.dispose]();
  took.sort((a, b) => a - b);
  return { p50: took[200] as number, p99: took[395] as number, frameBytes };
}

{
  await using pool = openScreenPool({ clock: systemClock });
  const settled = async () => {
    for (let i = 0; i < 5; i++) {
      globalThis.gc?.();
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return process.memoryUsage();
  };
  await createScreen(pool, { cols: 80, rows: 24 }).keyFrame();
  await flood(pool, inputs.plain);
  const before = await settled();
  const screens = Array.from({ length: 1000 }, () => createScreen(pool, { cols: 80, rows: 24 }));
  for (const [i, screen] of screens.entries()) {
    const chunk = (inputs["full-screen programs"][i & 31] as Uint8Array).slice(0, 4000);
    screen.write({ kind: "output", offset: 0, atMs: 0, bytes: chunk });
    await screen.keyFrame();
  }
  const after = await settled();
  const kib = (a: number, b: number) => ((a - b) / 1024 / screens.length).toFixed(1);
  console.log(
    `per idle screen: heap ${kib(after.heapUsed, before.heapUsed)} KiB, array buffers ${kib(after.arrayBuffers, before.arrayBuffers)} KiB, RSS ${kib(after.rss, before.rss)} KiB`,
  );
  for (const screen of screens) screen[Symbol.dispose]();
  console.log("\nflood of 50 MB, 80x24        CPU s   wall s");
  for (const round of ["cold", "warm"]) {
    for (const [name, chunks] of Object.entries(inputs)) {
      const { cpuMs, wallMs } = await flood(pool, chunks);
      console.log(`${`${name}, ${round}`.padEnd(28)} ${(cpuMs / 1000).toFixed(2)}    ${(wallMs / 1000).toFixed(2)}`);
    }
  }
  console.log("\njoin to key frame            p50 ms  p99 ms  largest frame");
  for (const [name, chunks] of Object.entries(inputs)) {
    for (const [cols, rows] of [
      [80, 24],
      [200, 50],
    ] as const) {
      for (const logBytes of [2000, 120_000]) {
        const { p50, p99, frameBytes } = await joins(pool, chunks, cols, rows, logBytes);
        const label = `${name}, ${cols}x${rows}, log ${logBytes / 1000} kB`;
        console.log(`${label.padEnd(44)} ${p50.toFixed(2)}  ${p99.toFixed(2)}  ${frameBytes}`);
      }
    }
  }
}
clearInterval(keepAlive);
