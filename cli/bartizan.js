#!/usr/bin/env node
/** The command `bartizan`: picks the Node and the half of the program to run. Plain JavaScript: older Nodes run it too. */
import { existsSync, realpathSync } from "node:fs";
import * as nodeModule from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { handOver, serverFlags } from "./hand-over.js";

const launcher = fileURLToPath(import.meta.url);
const root = dirname(dirname(launcher));
const checkout = existsSync(join(root, "setup.mjs"));
const checkoutNode = join(root, "node_modules", ".bin", "node");
const args = process.argv.slice(2);
const flags = args[0] === "serve" ? serverFlags : [];

if (checkout && !existsSync(join(root, "node_modules", "commander"))) {
  fail(`This checkout is not set up yet. Run "npm start" in ${root} first.`);
} else if (checkout && existsSync(checkoutNode) && realpathSync(checkoutNode) !== realpathSync(process.execPath)) {
  // The native parts are built for the checkout's own Node: one version for everything in it.
  handOver(checkoutNode, [...flags, launcher, ...args]);
} else if (Number.parseInt(process.versions.node, 10) < 24) {
  fail(
    checkout
      ? `This checkout is not set up yet. Run "npm start" in ${root} first.`
      : `bartizan needs Node 24 or newer; this is ${process.version}.`,
  );
} else if (flags.some((flag) => !process.execArgv.includes(flag))) {
  handOver(process.execPath, [...flags, launcher, ...args]);
} else {
  const room = ["serve", "config", "policy"].includes(args[0]) || isOfflineVerify(args) ? "server" : "cli";
  const main = checkout ? join(root, room, "main.ts") : join(root, "dist", room, "main.js");
  // Compiled code is kept beside the packages, never in a shared temporary folder. Unwritable: goes on without.
  if (checkout) nodeModule.enableCompileCache(join(root, "node_modules", ".cache", "bartizan"));
  process.argv.splice(1, 1, main);
  await import(pathToFileURL(main).href);
}

/** `verify` of files or of everything needs no server; ids are asked of one. */
function isOfflineVerify([command, ...rest]) {
  const files = rest.filter((arg) => !arg.startsWith("-")).some((arg) => /[./]/.test(arg) || existsSync(arg));
  return command === "verify" && (files || rest.some((arg) => /^--(all|audit|checkpoint|key|config)(=|$)/.test(arg)));
}

function fail(sentence) {
  process.stderr.write(`bartizan: ${sentence}\n`);
  process.exitCode = 1;
}
