/** R62: what SECURITY.md names for an incident is there: a row without a test, or with one that is gone, fails here. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { root } from "./sources.ts";

const page = readFileSync(join(root, "SECURITY.md"), "utf8");
const rows = page.split("\n").filter((line) => /^\| (?!Incident|---)/.test(line));
const named = (row: string) =>
  [...row.matchAll(/`(test\/[^`]+\.test\.ts)`: "([^"]+)"/g)].map(([, path, name]) => ({ path, name }));

test("every incident has a rule, and a test that holds it", () => {
  expect(rows.length).toBeGreaterThan(30);
  for (const row of rows) {
    expect(row.split(/(?<!\\)\|/), row).toHaveLength(6);
    expect(named(row).length, row).toBeGreaterThan(0);
  }
});

test("every test that is named is there, under that name", () => {
  const missing = rows.flatMap(named).filter(({ path = "", name = "" }) => {
    const file = join(root, path);
    // Names stand in strings: a quote in one may be escaped there.
    return !existsSync(file) || !readFileSync(file, "utf8").replaceAll("\\", "").includes(name);
  });
  expect(missing).toEqual([]);
  const files = [...page.matchAll(/`(test\/[^`]+\.ts)`/g)].map(([, path = ""]) => path);
  expect(files.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});

test("no incident is told twice", () => {
  const ids = rows.flatMap((row) => row.split("|")[1]?.match(/CVE-\d+-\d+|GHSA-[\w-]+/g) ?? []);
  const known = new Set(["CVE-2023-42819"]); // two lessons: its codes, and its paths
  expect(ids.filter((id, at) => ids.indexOf(id) !== at && !known.has(id))).toEqual([]);
});
