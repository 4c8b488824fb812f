/** What a bench found: printed as it comes, and written as JSON at the end. */
import { mkdirSync, writeFileSync } from "node:fs";

export interface BenchTable {
  /** `met` undefined: told only, there is no goal. */
  row(what: string, value: number, unit: string, goal?: string, met?: boolean): void;
  /** Into bench-results/NAME.json. */
  write(name: string, about: Readonly<Record<string, unknown>>): void;
}

export function createBenchTable(): BenchTable {
  const rows: object[] = [];
  return {
    row(what, value, unit, goal = "", met) {
      rows.push({ what, value, unit, goal, met });
      const figure = value >= 100 ? value.toFixed(0) : value.toFixed(2);
      const verdict = met === undefined ? "" : met ? "met" : "MISSED";
      process.stdout.write(`${what.padEnd(56)}${figure.padStart(9)} ${unit.padEnd(6)}${goal.padEnd(18)}${verdict}\n`);
    },
    write(name, about) {
      mkdirSync("bench-results", { recursive: true });
      const whole = { at: new Date().toISOString(), node: process.version, ...about, rows };
      writeFileSync(`bench-results/${name}.json`, `${JSON.stringify(whole, null, 2)}\n`);
      process.stdout.write(`\nwritten to bench-results/${name}.json\n`);
    },
  };
}
