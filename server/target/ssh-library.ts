/** The one door to ssh2. It lets no native part of that library in that could end the process. */
import { readFileSync, realpathSync } from "node:fs";
import { createRequire, Module } from "node:module";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

/** Without it all works, at double the processor time; then why, and a sentence with what helps. */
export type NativeCrypto =
  | { readonly available: true }
  | { readonly available: false; readonly why: string; readonly help: string };

const require = createRequire(import.meta.url);
const folder = dirname(dirname(require.resolve("ssh2")));
const cryptoFolder = join(folder, "lib", "protocol", "crypto");
const bindingFile = join(cryptoFolder, "build", "Release", "sshcrypto.node");
/** What ssh2-binding.h keeps out, and why. */
const abortingImport = "RemoveEnvironmentCleanupHook";

const refused = readIfThere(bindingFile)?.includes(abortingImport) === true;
if (refused) {
  // ssh2 takes a binding without exports for one that is not there.
  const empty = new Module(bindingFile);
  Object.assign(empty, { exports: undefined, loaded: true });
  require.cache[bindingFile] = empty;
}

export const ssh2 = require("ssh2") as typeof import("ssh2");

export const nativeCrypto: NativeCrypto = lookAtCrypto();

function lookAtCrypto(): NativeCrypto {
  const { bindingAvailable } = require("ssh2/lib/protocol/crypto.js") as { bindingAvailable: unknown };
  if (bindingAvailable === true) return { available: true };
  const why = refused
    ? "ssh2's native part is not used: as it is built, it could end the server"
    : "ssh2's native part is not built";
  return { available: false, why, help: `With a C++ compiler, make and Python 3: ${buildLine()}` };
}

/** For a shell of the server's machine. */
function buildLine(): string {
  if (import.meta.url.endsWith(".ts")) return "npm start";
  const root = realpathSync(fileURLToPath(new URL("../../..", import.meta.url)));
  // From the folder that the compiler runs in: flags of make have no way to write a space.
  const header = relative(join(cryptoFolder, "build"), join(root, "server", "target", "ssh2-binding.h"));
  return `CXXFLAGS="-include ${header}" npm --prefix "${folder}" run install`;
}

function readIfThere(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch {
    return undefined;
  }
}
