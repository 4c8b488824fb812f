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
/** What every command takes, wherever it stands; with a value of its own. */
const everywhere = /^--(server|ca|token-file)(=|$)/;
const plainArgs = args.filter((arg, at) => !everywhere.test(arg) && !isValue(at));
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
  const offline = isOfflineVerify(plainArgs);
  const room = ["serve", "config", "policy"].includes(args[0]) || offline ? "server" : "cli";
  const main = checkout ? join(root, room, "main.ts") : join(root, "dist", room, "main.js");
  // Compiled code is kept beside the packages, never in a shared temporary folder. Unwritable: goes on without.
  if (checkout) nodeModule.enableCompileCache(join(root, "node_modules", ".cache", "bartizan"));
  // Without a server there is none to name.
  process.argv.splice(1, process.argv.length, main, ...(offline ? plainArgs : args));
  await import(pathToFileURL(main).href);
}

/** The value of an option that every command takes. */
function isValue(at) {
  const before = args[at - 1] ?? "";
  return everywhere.test(before) && !before.includes("=");
}

/** `verify` of files or of everything needs no server; ids are asked of one. In a group a session's id has a dot. */
function isOfflineVerify([command, ...rest]) {
  const session = /^[a-z0-9]{1,20}\.[a-z0-9]{12}-[A-Za-z0-9]{0,12}$/;
  const isFile = (arg) => existsSync(arg) || (/[./]/.test(arg) && !session.test(arg));
  const files = rest.filter((arg) => !arg.startsWith("-")).some(isFile);
  return command === "verify" && (files || rest.some((arg) => /^--(all|audit|checkpoint|key|config)(=|$)/.test(arg)));
}

function fail(sentence) {
  process.stderr.write(`bartizan: ${sentence}\n`);
  process.exitCode = 1;
}
