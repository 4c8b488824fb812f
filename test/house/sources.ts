/** The project's own source files, with what each of them imports. */
import { readdirSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

export interface Import {
  /** A path from the root for the project's own files, else the package as written. */
  readonly what: string;
  /** The package's name alone: "@xterm/headless", "node:net"; undefined for own files. */
  readonly library: string | undefined;
  readonly typeOnly: boolean;
}

export interface Source {
  /** From the root, with slashes. */
  readonly path: string;
  readonly text: string;
  /** The text without comments; strings stay. */
  readonly code: string;
  readonly lines: number;
  readonly imports: readonly Import[];
}

const folders = ["server", "cli", "proto/client", "web", "test", "docs/examples"];
const ending = /\.(ts|tsx|js|mjs)$/;

/** Every source file that people wrote; generated code is not among them. */
export function readSources(): readonly Source[] {
  const nested = folders.flatMap((folder) => filesBelow(join(root, folder)));
  const top = readdirSync(root).map((name) => join(root, name));
  return [...nested, ...top].filter((file) => ending.test(file)).map(readSource);
}

/** Absolute paths; none when the folder is missing. */
export function filesBelow(folder: string): readonly string[] {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
  } catch {
    return [];
  }
}

function readSource(file: string): Source {
  const text = readFileSync(file, "utf8");
  const path = relative(root, file);
  const code = text.replace(/\/\*[\s\S]*?\*\/|(?<=^|[\s;{}(),])\/\/.*$/gm, "");
  return { path, text, code, lines: text.trimEnd().split("\n").length, imports: importsOf(path, code) };
}

/** What the file at `path` imports, by any form of import. */
export function importsOf(path: string, code: string): readonly Import[] {
  const found: Import[] = [];
  const statement = /^\s*(?:import|export)\s+(type\s)?(?:[^;"'`]*?\sfrom\s+)?["']([^"'\n]+)["']/gm;
  for (const [whole, type, from] of code.matchAll(statement)) {
    // `import { type A, type B } from` counts as types too.
    const names = /\{([^}]*)\}/
      .exec(whole)?.[1]
      ?.split(",")
      .filter((name) => name.trim() !== "");
    const allTypes = !/^\s*import\s+\w/.test(whole) && names?.every((name) => /^\s*type\s/.test(name)) === true;
    found.push(importOf(path, from ?? "", type !== undefined || allTypes));
  }
  for (const [, from] of code.matchAll(/\b(?:import|require)\(\s*["'`]([^"'`\n]+)["'`]/g)) {
    found.push(importOf(path, from ?? "", false));
  }
  return found;
}

function importOf(path: string, from: string, typeOnly: boolean): Import {
  if (from.startsWith(".")) return { what: join(dirname(path), from), library: undefined, typeOnly };
  const parts = from.split("/");
  const name = from.startsWith("@") ? parts.slice(0, 2).join("/") : (parts[0] ?? from);
  return { what: from, library: builtinModules.includes(name) ? `node:${name}` : name, typeOnly };
}
