/** Finds the recordings of a test's server in its folder. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Cast, readCast } from "./cast-reader.ts";

/** The data folder of a test bastion, or of a `serve` with that state folder. */
export function dataOf({ folder }: { readonly folder: string }): string {
  return join(folder, "state", "bartizan");
}

/** The names that recordings have while they are not packed; `castBytes` reads them either way. */
export function castFiles(data: string): string[] {
  const folder = join(data, "recordings");
  const names = readdirSync(folder).filter((name) => /\.cast(\.zst)?$/.test(name));
  return [...new Set(names.map((name) => join(folder, name.replace(/\.zst$/, ""))))];
}

/** The one recording there is. */
export function onlyCast(data: string): Cast {
  const [path, ...more] = castFiles(data);
  if (path === undefined || more.length > 0)
    throw new Error(`${more.length + (path === undefined ? 0 : 1)} recordings`);
  return readCast(path, publicKeyOf(data));
}

export function publicKeyOf(data: string): string {
  return readFileSync(join(data, "recording-key.pub"), "utf8");
}

/** What the audit log says of recordings and their disk. */
export function auditOf(data: string): Record<string, unknown>[] {
  return wholeAuditOf(data).filter(({ event }) => /^(recording-|reserve-)/.test(String(event)));
}

/** Every line of the audit log. */
export function wholeAuditOf(data: string): Record<string, unknown>[] {
  return readFileSync(join(data, "audit.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}
