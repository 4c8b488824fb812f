/** R61, A44: what comes along is listed, licensed, counted, locked, and runs nothing while it is installed. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { root } from "./sources.ts";

interface Locked {
  readonly version: string;
  readonly dev?: boolean;
  readonly license?: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly hasInstallScript?: boolean;
}

const read = (name: string) => readFileSync(join(root, name), "utf8");
const locked = Object.entries((JSON.parse(read("package-lock.json")) as { packages: Record<string, Locked> }).packages)
  .filter(([path]) => path !== "")
  .map(([path, entry]) => ({ ...entry, name: path.replace(/^.*node_modules\//, "") }));
const production = locked.filter(({ dev }) => dev !== true);
const page = read("docs/dependencies.md");
const [productionList = "", pageList = "", scriptList = ""] = page.split(/^## .*$/m);
const rowsOf = (text: string) =>
  [...text.matchAll(/^\| `([^`]+)` +\| ([^|]*?) +\|/gm)].map(([, name = "", second = ""]) => [name, second] as const);

const allowed = ["MIT", "Apache-2.0", "ISC", "BSD-3-Clause", "Apache-2.0 AND BSD-3-Clause", "Unlicense", "0BSD"];
/** Their package.json says it in an older form, which the lock file leaves out; their LICENSE files are the MIT text. */
const unsaid: Readonly<Record<string, string>> = { ssh2: "MIT", "cpu-features": "MIT", buildcheck: "MIT" };
const licenceOf = ({ name, license }: { name: string; license?: string }) =>
  (license ?? unsaid[name] ?? "none").replace(/[()]/g, "");

test("fewer than 60 packages run with the server", () => {
  expect(production.length).toBeLessThan(60);
});

test("each of them is listed with its licence, and nothing else is", () => {
  const wanted = production.map((each) => [each.name, licenceOf(each)]).sort();
  expect([...rowsOf(productionList)].sort()).toEqual(wanted);
  expect(wanted.filter(([, licence = ""]) => !allowed.includes(licence))).toEqual([]);
});

test("what the page is built from is listed with its licence", () => {
  const { devDependencies } = JSON.parse(read("package.json")) as { devDependencies: Record<string, string> };
  const inPage = /^(react|react-dom|wouter|@mantine\/|@tanstack\/|@connectrpc\/|@xterm\/)/;
  const direct = Object.keys(devDependencies).filter((name) => inPage.test(name));
  const licences = new Map(locked.map((each) => [each.name, licenceOf(each)]));
  expect([...rowsOf(pageList)].sort()).toEqual(direct.map((name) => [name, licences.get(name)]).sort());
});

test("every install script is listed, and only Node's own is run", () => {
  const scripts = locked.filter(({ hasInstallScript }) => hasInstallScript === true).map(({ name }) => name);
  expect(
    rowsOf(scriptList)
      .map(([name]) => name)
      .sort(),
  ).toEqual([...new Set(scripts)].sort());
  expect(rowsOf(scriptList).filter(([, run]) => run === "yes")).toEqual([["node", "yes"]]);
  const setup = read("setup.mjs");
  expect(setup).toContain('"--ignore-scripts"');
  expect([...setup.matchAll(/npm\("rebuild", "([^"]+)"\)/g)].map(([, name]) => name)).toEqual(["node"]);
  const { scripts: own } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
  expect(Object.keys(own).filter((name) => /^(pre|post)?install$|^prepare$/.test(name))).toEqual([]);
});

test("every package is locked by digest, and none comes from anywhere but a registry", () => {
  expect(locked.filter(({ integrity }) => !/^sha512-/.test(integrity ?? "")).map(({ name }) => name)).toEqual([]);
  const elsewhere = locked.filter(({ resolved }) => resolved !== undefined && !/^https:\/\/[^/]+\//.test(resolved));
  expect(elsewhere.map(({ name }) => name)).toEqual([]);
});

test("what can hurt most is pinned to one version", () => {
  const { dependencies } = JSON.parse(read("package.json")) as { dependencies: Record<string, string> };
  for (const name of ["@connectrpc/connect", "@connectrpc/connect-node", "ssh2", "@xterm/headless", "ws", "ioredis"])
    expect(dependencies[name]).toMatch(/^\d+\.\d+\.\d+$/);
});
