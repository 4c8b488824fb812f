/** Holds the house together: who may import whom, one door for each thing that can hurt, sizes and names. */
import { readdirSync, readFileSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { expect, test } from "vitest";
import { filesBelow, type Import, importsOf, readSources, root, type Source } from "./sources.ts";

const sources = readSources();
const product = sources.filter(({ path }) => /^(server|cli|web|proto)\//.test(path));
const inServer = sources.filter(({ path }) => path.startsWith("server/"));

/** Rooms by path; the longest that fits. What a room may import of the others, and what of those as types only. */
const rooms: Readonly<Record<string, { values: readonly string[]; types?: readonly string[] }>> = {
  "server/main.ts": { values: ["server/", "proto/gen/"] },
  "server/bastion.ts": { values: ["server/", "proto/gen/"] },
  "server/policy-command.ts": {
    values: ["server/config.ts", "server/config-access.ts", "server/access/", "ground"],
  },
  "server/limits.ts": { values: [], types: ["server/config.ts"] },
  "server/reload.ts": { values: ["server/"] },
  "server/principal-list.ts": { values: ["server/access/"], types: ["server/config.ts"] },
  "server/verify-command.ts": {
    values: ["server/audit/", "server/recording/", "server/config.ts", "ground"],
  },
  "server/sign-in.ts": { values: ["server/access/", "server/group/", "ground"] },
  "server/bus-notes.ts": { values: ["ground"], types: ["server/group/"] },
  "server/metrics.ts": { values: ["ground"], types: ["server/access/", "server/group/"] },
  "server/open-metrics.ts": { values: ["server/front/", "server/metrics.ts", "server/config-group.ts", "ground"] },
  "server/config-warnings.ts": { values: ["server/access/policy.ts", "ground"], types: ["server/config"] },
  "server/open-inventory.ts": { values: ["server/target/", "ground"], types: ["server/config.ts"] },
  "server/front/": { values: ["server/front/", "server/rpc/", "ground"] },
  "server/rpc/": {
    values: [
      "server/rpc/",
      "server/session/",
      "server/access/",
      "server/audit/",
      "server/recording/",
      "server/commands/",
      "proto/gen/",
      "ground",
    ],
    types: ["server/target/"],
  },
  "server/session/": {
    values: ["server/session/", "proto/client/csi-clamps.ts", "ground"],
    types: ["server/target/", "server/access/", "server/recording/", "server/commands/"],
  },
  "server/recording/": {
    values: ["server/recording/", "server/audit/", "server/store/", "ground"],
    types: ["server/session/", "server/target/"],
  },
  "server/commands/": {
    values: ["server/commands/", "server/store/", "server/session/", "proto/client/csi-clamps.ts", "ground"],
  },
  "server/group/": {
    values: [
      "server/group/",
      "server/session/",
      "server/config-group.ts",
      "server/access/lock.ts",
      "server/rpc/wire.ts",
      "proto/gen/",
      "ground",
    ],
    types: ["server/config", "server/access/"],
  },
  "server/audit/": { values: ["server/audit/", "server/store/", "ground"] },
  "server/store/": { values: ["server/store/", "ground"] },
  "server/target/": { values: ["server/target/", "ground"] },
  "server/access/": { values: ["server/access/", "server/store/", "proto/gen/", "ground"] },
  "server/config.ts": {
    values: [
      "server/config-access.ts",
      "server/access/policy.ts",
      "server/access/identity-settings.ts",
      "server/audit/export-settings.ts",
      "server/config-files.ts",
      "server/config-group.ts",
      "ground",
    ],
    types: ["server/target/"],
  },
  "server/config-access.ts": { values: ["server/access/built-in-rules.ts", "server/access/policy.ts", "ground"] },
  "server/config-files.ts": { values: ["server/group/group-keys.ts", "ground"], types: ["server/config"] },
  "server/config-group.ts": { values: ["ground"] },
  "server/dump-guard.ts": { values: [] },
  "server/flow/": { values: ["server/flow/", "server/events.ts", "server/errors.ts", "proto/client/printable.ts"] },
  ground: { values: ["ground"] },
  "cli/": { values: ["cli/", "proto/", "package.json"] },
  "web/": { values: ["web/", "proto/"] },
  "proto/client/": { values: ["proto/"] },
};
const ground = ["server/events.ts", "server/errors.ts", "server/log.ts", "server/audit.ts", "server/flow/"];

/** Each thing that can hurt, and the only files that touch it. */
const doors: readonly { what: RegExp; within: readonly Source[]; files: readonly RegExp[]; types?: "free" }[] = [
  { what: /^ssh2$/, within: product, files: [/^server\/target\/ssh-library\.ts$/], types: "free" },
  {
    what: /^@xterm\//,
    within: product,
    files: [
      /^server\/session\/screen-worker\.ts$/,
      /^server\/commands\/command-worker\.ts$/,
      /^cli\/crop\.ts$/,
      /^web\/terminal(-\w+)*\.ts$/,
    ],
    types: "free",
  },
  { what: /node-pty$/, within: product, files: [/^server\/target\/demo-pty\.ts$/], types: "free" },
  {
    what: /^@connectrpc\/connect\/protocol/,
    within: product,
    files: [/^server\/(front|rpc)\//, /^proto\/client\/ws-transport\.ts$/],
  },
  { what: /^ws$/, within: product, files: [/^server\/front\/ws-bridge\.ts$/], types: "free" },
  {
    what: /^@connectrpc\/connect-node$/,
    within: product,
    files: [/^server\/(front|rpc)\//, /^proto\/client\/node-transport\.ts$/],
  },
  {
    what: /^@connectrpc\/connect-web$/,
    within: product,
    files: [/^proto\/client\/browser-transport\.ts$/],
  },
  {
    what: /^node:(http|http2|https|tls)$/,
    within: inServer,
    files: [/^server\/front\//, /^server\/audit\/(webhook|syslog)\.ts$/],
    types: "free",
  },
  { what: /^node:sqlite$/, within: product, files: [/^server\/store\/database\.ts$/] },
  { what: /^ioredis$/, within: product, files: [/^server\/group\/redis-client\.ts$/] },
  { what: /^prom-client$/, within: product, files: [/^server\/metrics\.ts$/] },
  { what: /^(openid-client|jose)$/, within: product, files: [/^server\/access\/oidc\.ts$/] },
  { what: /^yaml$/, within: product, files: [/^server\/config\.ts$/] },
  { what: /^pino$/, within: product, files: [/^server\/log\.ts$/], types: "free" },
  {
    what: /^node:/,
    within: sources.filter(({ path }) => /^(proto\/client|web)\//.test(path)),
    files: [/^proto\/client\/node-transport\.ts$/],
  },
];

/** As the doors, for names in the code instead of imports. */
const words: readonly { what: RegExp; within: readonly Source[]; files: readonly RegExp[] }[] = [
  { what: /\bprocess\.env\b/, within: product, files: [/^server\/config\.ts$/, /^cli\/api\.ts$/] },
  {
    what: /\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(|\bset(Timeout|Interval)\(/,
    within: inServer,
    // The demo server, the screen worker and the command worker are programs of their own.
    files: [
      /^server\/flow\/clock\.ts$/,
      /^server\/target\/demo-(server|pty)\.ts$/,
      /^server\/session\/screen-worker\.ts$/,
      /^server\/commands\/command-worker\.ts$/,
    ],
  },
  { what: /\bMath\.random\(/, within: inServer, files: [] },
  {
    what: /\b(document|window|localStorage)\.\w/,
    within: sources.filter(({ path }) => /^proto\/client\//.test(path)),
    files: [],
  },
];

function touches({ what, library }: Import, door: RegExp): boolean {
  return door.test(what) || (library !== undefined && door.test(library));
}

function mayImport(path: string, what: string, typeOnly: boolean): boolean {
  const own = ground.some((each) => path.startsWith(each)) && !path.startsWith("server/flow/");
  const room = own
    ? "ground"
    : Object.keys(rooms)
        .filter((each) => path.startsWith(each))
        .sort((a, b) => b.length - a.length)[0];
  if (room === undefined) return false;
  const rule = rooms[room];
  const open = [...(rule?.values ?? []), ...(typeOnly ? (rule?.types ?? []) : [])];
  return open.flatMap((each) => (each === "ground" ? ground : [each])).some((each) => what.startsWith(each));
}

test("every form of import is seen for what it is", () => {
  const code = `import "./a.ts";
import type { B } from "ssh2";
import { type C, d } from "@xterm/headless/lib/x.js";
import {
  type E,
} from "../rpc/e.ts";
export * from "net";
const f = await import("./f.ts"), g = require("@lydell/node-pty/g.js");`;
  const seen = importsOf("server/session/x.ts", code).map((each) => [each.library ?? each.what, each.typeOnly]);
  expect(seen).toEqual([
    ["server/session/a.ts", false],
    ["ssh2", true],
    ["@xterm/headless", false],
    ["server/rpc/e.ts", true],
    ["node:net", false],
    ["server/session/f.ts", false],
    ["@lydell/node-pty", false],
  ]);
  expect(mayImport("server/session/x.ts", "server/rpc/e.ts", true)).toBe(false);
  expect(mayImport("server/session/x.ts", "server/target/target.ts", true)).toBe(true);
  expect(mayImport("server/session/x.ts", "server/target/target.ts", false)).toBe(false);
});

test("each room imports only what the table of rooms allows", () => {
  const wrong = product.flatMap(({ path, imports }) =>
    imports
      .filter(({ what, library, typeOnly }) => library === undefined && !mayImport(path, what, typeOnly))
      .map(({ what }) => `${path} imports ${what}`),
  );
  expect(wrong).toEqual([]);
});

test("each thing that can hurt is touched in its one place", () => {
  const byImport = doors.flatMap(({ what, within, files, types }) =>
    within
      .filter(({ path }) => !files.some((file) => file.test(path)))
      .filter(({ imports }) => imports.some((each) => touches(each, what) && !(types === "free" && each.typeOnly)))
      .map(({ path }) => `${path} imports ${what.source}`),
  );
  const byWord = words.flatMap(({ what, within, files }) =>
    within
      .filter(({ path, code }) => what.test(code) && !files.some((file) => file.test(path)))
      .map(({ path, code }) => `${path} uses ${what.exec(code)?.[0]}`),
  );
  expect([...byImport, ...byWord]).toEqual([]);
});

test("a file is at most 400 lines, opens with what it is, and exports by name", () => {
  const tooLong = sources.filter(({ lines }) => lines > 400).map(({ path, lines }) => `${path}: ${lines} lines`);
  const silent = sources
    .filter(({ path }) => !path.endsWith(".test.ts")) // a test says it in its names
    .filter(({ text }) => !/^(#!.*\n)?\/(\*\*|\/)/.test(text))
    .map(({ path }) => `${path}: no opening sentence`);
  const defaults = sources
    .filter(({ path, code }) => /^export default\b|\bas default\b/m.test(code) && !path.endsWith(".config.ts"))
    .map(({ path }) => `${path}: default export`);
  expect([...tooLong, ...silent, ...defaults]).toEqual([]);
});

test("files have telling names, and their code the plain form that Node runs as it is", () => {
  const vague = /^(utils?|common|constants|types|helpers?|misc|shared)\b|[A-Z_]/;
  const named = sources.filter(({ path }) => vague.test(basename(path))).map(({ path }) => path);
  const special =
    /^\s*(export\s+)?(const\s+)?enum\s|^\s*(export\s+)?(declare\s+)?namespace\s|^\s*@\w+\(|\binterface I[A-Z]\w*[a-z]/m;
  // React knows no other way to catch what a part of the page throws.
  const classes = /\bclass \w+(<[^>]*>)? extends (?!\w*Error\b|BartizanFault\b|Component\b)\w+/;
  const odd = product
    .filter(({ code }) => special.test(code) || classes.test(code))
    .map(({ path, code }) => `${path}: ${(special.exec(code) ?? classes.exec(code))?.[0].trim()}`);
  expect([...named, ...odd]).toEqual([]);
});

test("the top level holds only what it should, and no file tells where it was written", () => {
  const made = /^(node_modules|dist|bench-results|\.git)(\/|$)|\.tgz$/;
  const top = readdirSync(root, { withFileTypes: true }).filter(({ name }) => !made.test(name));
  const files = top.flatMap((entry) =>
    entry.isDirectory() ? filesBelow(join(root, entry.name)).map((file) => relative(root, file)) : [entry.name],
  );
  const allowed =
    /^(\.ci|cli|docs|proto|server|test|web|\.github)\/|^(\.gitignore|\.npmrc|LICENSE|README\.md|SECURITY\.md|CHANGELOG\.md|biome\.json|buf(\.gen)?\.yaml|package(-lock)?\.json|setup\.mjs|tsconfig(\.build)?\.json|vite(st)?\.config\.ts)$/;
  const telling = new RegExp(["/work/", "(main|shared)\\b|/root/\\.|fa", "rm-"].join(""));
  const texts = files.filter((path) => /\.(ts|tsx|js|mjs|json|md|yaml|proto|html|css)$|^\.ci\//.test(path));
  const telltales = texts.filter((path) => telling.test(readFileSync(join(root, path), "utf8")));
  expect(files.filter((path) => !allowed.test(path))).toEqual([]);
  expect(telltales).toEqual([]);
});

test("the lock file is in step with package.json", () => {
  const read = (name: string) => JSON.parse(readFileSync(join(root, name), "utf8"));
  const { dependencies, devDependencies, optionalDependencies } = read("package.json");
  const { packages } = read("package-lock.json") as {
    packages: Record<string, { optionalDependencies?: Record<string, string> }>;
  };
  expect(packages[""]).toMatchObject({ dependencies, devDependencies, optionalDependencies });
  // npm leaves the parts for other machines out when it writes the file where they are not installed, and then refuses it.
  const wanted = Object.values(packages).flatMap(({ optionalDependencies: each = {} }) => Object.keys(each));
  expect(wanted.filter((name) => packages[`node_modules/${name}`] === undefined)).toEqual([]);
});
