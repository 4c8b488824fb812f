/**
 * Runs the fuzzers: `npm run fuzz -- [--minutes 10] [--seed N] [--only NAME]`; the minutes are for all together. A finding
 * ends it with its input on the disk.
 */
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Random, randomFrom } from "../support/random.ts";
import { config, recordings, sshConfig } from "./file-subjects.ts";
import { Finding, type Subject } from "./subject.ts";
import { openWire } from "./wire-subjects.ts";

/** Over a whole run, after its first tenth. */
const maxGrowthBytes = 150 * 1024 * 1024;
const checkMs = 500;

export interface FuzzOptions {
  /** For all subjects together; they take turns. */
  readonly forMs: number;
  readonly seed: number;
  readonly only?: string | undefined;
  readonly tell: (line: string) => void;
}

/** How many inputs each subject got. Throws the first finding. */
export async function fuzz({ forMs, seed, only, tell }: FuzzOptions): Promise<ReadonlyMap<string, number>> {
  await using wire = await openWire();
  const subjects = [...wire.subjects, recordings(), config(), sshConfig()].filter(
    ({ name }) => only === undefined || name.toLowerCase().includes(only.toLowerCase()),
  );
  const counts = new Map<string, number>();
  for (const subject of subjects) {
    await using _ = subject;
    const startedMs = performance.now();
    const count = await fuzzOne(subject, randomFrom(seed), startedMs + forMs / subjects.length);
    counts.set(subject.name, count);
    tell(`${subject.name}: ${count} inputs in ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
  }
  return counts;
}

async function fuzzOne(subject: Subject, random: Random, untilMs: number): Promise<number> {
  let count = 0;
  let over = false;
  const warmMs = performance.now() + (untilMs - performance.now()) / 10;
  let warmBytes: number | undefined;
  let checkAtMs = performance.now() + checkMs;
  let checking: Promise<void> | undefined;
  const lane = async () => {
    while (!over && performance.now() < untilMs) {
      await subject.step(random);
      count += 1;
      // Steps that wait for nothing must leave room for those who do.
      if (count % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
      if (warmBytes === undefined && performance.now() > warmMs) warmBytes = subject.rssBytes();
      if (performance.now() < checkAtMs) continue;
      checking ??= subject.check().finally(() => {
        checking = undefined;
        checkAtMs = performance.now() + checkMs;
      });
      await checking;
    }
  };
  try {
    await Promise.all(Array.from({ length: subject.atOnce }, lane));
  } catch (error) {
    throw error instanceof Finding ? named(subject, error) : error;
  } finally {
    over = true;
  }
  await subject.check();
  const grown = subject.rssBytes() - (warmBytes ?? subject.rssBytes());
  if (grown > maxGrowthBytes) throw new Finding(`${subject.name}: memory grew by ${Math.round(grown / 1e6)} MB`);
  return count;
}

function named({ name }: Subject, { message, input, cause }: Finding): Finding {
  if (input === undefined) return new Finding(`${name}: ${message}`, undefined, cause);
  const file = join(tmpdir(), `bartizan-finding-${process.pid}`);
  writeFileSync(file, input);
  return new Finding(`${name}: ${message}\nits input: ${file}`, input, cause);
}

if (process.argv[1] === import.meta.filename) {
  const options = { minutes: { type: "string" }, seed: { type: "string" }, only: { type: "string" } } as const;
  const { values } = parseArgs({ options });
  const minutes = Number(values.minutes ?? "10");
  const seed = Number(values.seed ?? String(1 + Math.floor(performance.timeOrigin % 2 ** 31)));
  process.stdout.write(`seed ${seed}, ${minutes} minutes\n`);
  const tell = (line: string) => void process.stdout.write(`${line}\n`);
  await fuzz({ forMs: minutes * 60_000, seed, only: values.only, tell });
  process.stdout.write("nothing found: no crash, no hang, no growth, no changed prototype\n");
}
