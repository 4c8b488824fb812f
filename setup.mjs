/**
 * Sets a fresh checkout up and starts it or tests it: `node setup.mjs start|test|only [arguments]`. Plain JavaScript
 * without dependencies, for Node 20 and newer. What is done is noted in node_modules and not done again.
 */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  accessSync,
  constants,
  existsSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { delimiter, dirname, join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { handOver, serverFlags } from "./cli/hand-over.js";

const root = dirname(fileURLToPath(import.meta.url));
const modules = join(root, "node_modules");
const bin = join(modules, ".bin");
const node = join(bin, "node");
const noteFile = join(modules, ".bartizan-setup.json");
const logFile = join(modules, ".bartizan-setup.log");
const cryptoDir = join(modules, "ssh2", "lib", "protocol", "crypto");
const bindingFile = join(cryptoDir, "build", "Release", "sshcrypto.node");
const firstHeader = ["server", "target", "ssh2-binding.h"];

/** What the page is built from, and where to. */
const pageSources = ["web", "proto/client", "proto/gen", "package-lock.json"];
const pageNoteFile = join(modules, ".bartizan-page.json");
const pageFile = join(root, "dist", "web", "index.html");

/** What the tests need of the machine: the Debian package, and how to see that it is there. */
const machineParts = [
  ["chromium", () => onPath("chromium")],
  ["openssh-server", () => onPath("sshd")],
  ["openssh-client", () => onPath("ssh") && onPath("ssh-keygen")],
  ["dropbear-bin", () => onPath("dropbear") && onPath("dropbearkey")],
  ...["zsh", "vim", "less", "htop", "tmux", "mc"].map((name) => [name, () => onPath(name)]),
  ...["asciinema", "zstd", "openssl"].map((name) => [name, () => onPath(name)]),
  ["redis-server", () => onPath("redis-server")],
  ["redis-sentinel", () => onPath("redis-sentinel")],
  // Debian's own Python: another one may be first on PATH.
  ["python3-cryptography", () => succeeds("/usr/bin/python3", ["-c", "import cryptography"])],
  ["python3-grpcio", () => succeeds("/usr/bin/python3", ["-c", "import grpc"])],
  ["python3-grpc-tools", () => succeeds("/usr/bin/python3", ["-c", "import grpc_tools"])],
];

const [task = "start", ...rest] = process.argv.slice(2);
try {
  if (!["start", "test", "demo", "only"].includes(task))
    throw new Error("Usage: node setup.mjs start|test|demo|only [arguments]");
  if (task === "test") await prepareMachine();
  await prepareCheckout();
  await preparePage();
  if (task === "start") {
    handOver(node, [...serverFlags, join(root, "server", "main.ts"), "serve", ...rest], {
      cwd: root,
      env: plainEnvironment(false),
    });
  }
  if (task === "demo")
    handOver(node, [join(root, "docs", "examples", "demo-cluster.ts")], { env: plainEnvironment(false) });
  if (task === "test") process.exitCode = await check(rest);
} catch (error) {
  process.stderr.write(`bartizan: ${error.message}\n`);
  process.exitCode = 1;
}

/** Dependencies, Node, native binding: each only when it is missing. */
async function prepareCheckout() {
  let note = readJson(noteFile) ?? {};
  const lock = createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex");
  if (note.lock !== lock) {
    if (!installedAsLocked()) {
      const args = ["ci", "--ignore-scripts", "--include=dev", "--include=optional"];
      await step("installing the dependencies", () => npm(...args));
      if (!installedAsLocked()) throw new Error("What npm installed is not what package-lock.json says.");
    }
    note = { lock };
  }
  if (note.node === undefined || note.node !== identity(node)) {
    const wanted = readJson(join(modules, "node", "package.json")).version;
    const found = () => spawnSync(node, ["-v"], { encoding: "utf8" }).stdout?.trim();
    if (found() !== `v${wanted}` || headers() === undefined) {
      await step(`fetching Node ${wanted}`, () => npm("rebuild", "node"));
    }
    if (found() !== `v${wanted}`) throw new Error(`Node ${wanted} does not run here; ${logFile} has the details.`);
    note = { lock, node: identity(node) };
  }
  // The note of a binding that was only seen to load had another name.
  if (note.safeBinding === undefined || note.safeBinding !== identity(bindingFile)) {
    const slow = bindingServes() ? undefined : await buildBinding(note.slowWith);
    const outcome = slow ? { slowWith: slow } : { safeBinding: identity(bindingFile) };
    note = { lock: note.lock, node: note.node, ...outcome };
  }
  const text = JSON.stringify(note);
  if (text !== JSON.stringify(readJson(noteFile))) writeFileSync(noteFile, text);
}

/** Builds the page when its sources are not those it was built from. The server runs without one; tests do not. */
async function preparePage() {
  const files = pageSources.flatMap((name) => {
    const place = join(root, name);
    if (!statSync(place).isDirectory()) return [place];
    return readdirSync(place, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
  });
  const digest = createHash("sha256");
  for (const file of files.sort()) digest.update(`${file.slice(root.length)}\0`).update(readFileSync(file));
  const sources = digest.digest("hex");
  if (readJson(pageNoteFile)?.sources === sources && existsSync(pageFile)) return;
  const vite = join(modules, "vite", "bin", "vite.js");
  try {
    const options = { cwd: root, env: plainEnvironment(true) };
    await step("building the page", () => run(node, [vite, "build", "web"], options));
    writeFileSync(pageNoteFile, JSON.stringify({ sources }));
  } catch (error) {
    if (task !== "start" && task !== "demo") throw error;
    say(`The page could not be built, the command line works without it; ${logFile} has the reason.`);
  }
}

/**
 * Builds ssh2's native binding against the headers of the Node that will load it, and without what makes those headers
 * dangerous (see the header that goes in first): its own installer takes whatever headers the machine has as they are,
 * and reports success also when the result does not load. Gives back undefined when the server will use the result, else
 * the tools it failed with: the same tools are not tried twice.
 */
async function buildBinding(failedWith) {
  const tools = ["c++", "make", "python3"].map((name) => onPath(name) ?? `no ${name}`);
  const missing = tools.filter((tool) => tool.startsWith("no "));
  const slower = "SSH runs on the slower path (more CPU, all else the same)";
  if (missing.length > 0) {
    say(`${slower}: ${missing.join(", ")} on this machine to build its native part.`);
    return tools.join(" ");
  }
  if (failedWith !== tools.join(" ")) {
    const built = await step("building the native part of SSH", nodeGyp).then(bindingServes, () => false);
    if (built) return undefined;
  }
  say(`${slower}: its native part could not be built; ${logFile} has the reason.`);
  return tools.join(" ");
}

async function nodeGyp() {
  const [version, openssl] = spawnSync(node, ["-p", "process.version + ' ' + process.versions.openssl"], {
    encoding: "utf8",
  }).stdout.split(" ");
  const gyp = createRequire(npmProgram()).resolve("node-gyp/bin/node-gyp.js");
  const args = [gyp, "rebuild", `--target=${version}`, `--real_openssl_major=${Number.parseInt(openssl, 10)}`];
  args.push(`--nodedir=${headers()}`);
  // npm's own settings in the environment (a nodedir above all) would win over these arguments.
  const env = plainEnvironment(true);
  // From the folder that the compiler runs in: flags of make have no way to write a space.
  const first = relative(join(realpathSync(cryptoDir), "build"), join(realpathSync(root), ...firstHeader));
  env.CXXFLAGS = [env.CXXFLAGS, "-include", first].filter(Boolean).join(" ");
  await run(node, args, { cwd: cryptoDir, env });
}

/** The folder whose include/ belongs to the checkout's Node; npm may have tidied it away. */
function headers() {
  const place = join(modules, "node", "node_modules");
  const folders = existsSync(place) ? readdirSync(place).map((name) => join(place, name)) : [];
  return folders.find((folder) => existsSync(join(folder, "include", "node", "node_version.h")));
}

/** Whether the server will use the binding: it loads, and it cannot end the process. */
function bindingServes() {
  const door = pathToFileURL(join(root, "server", "target", "ssh-library.ts"));
  const script = `import(${JSON.stringify(door)}).then((it) => process.exit(it.nativeCrypto.available ? 0 : 1))`;
  return existsSync(bindingFile) && succeeds(node, ["-e", script]);
}

/** True when what is installed is what the lock file says; optional parts for other machines may be missing. */
function installedAsLocked() {
  const installed = readJson(join(modules, ".package-lock.json"))?.packages;
  if (installed === undefined) return false;
  const locked = Object.entries(readJson(join(root, "package-lock.json")).packages);
  return locked.every(([path, wanted]) => {
    const found = installed[path];
    if (path === "" || (found === undefined && wanted.optional)) return true;
    return found?.version === wanted.version && found.integrity === wanted.integrity && existsSync(join(root, path));
  });
}

/** Installs what the tests need of the machine, when that is allowed; else fails with the line to run. */
async function prepareMachine() {
  const missing = () => machineParts.filter(([, present]) => !present()).map(([name]) => name);
  const names = missing();
  if (names.length === 0) return;
  const install = ["apt-get", "install", "-y", "--no-install-recommends", ...names];
  const root = process.getuid?.() === 0;
  if (!onPath("apt-get") || (!root && !succeeds("sudo", ["-n", "true"]))) {
    throw new Error(`The tests need more of this machine. Run: sudo ${install.join(" ")}`);
  }
  const apt = (...args) => {
    const line = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-o", "DPkg::Lock::Timeout=120", ...args];
    return root ? run("env", line.slice(1)) : run("sudo", ["-n", ...line]);
  };
  await step(`installing ${names.join(" ")}`, async () => {
    await apt(...install.slice(1)).catch(async () => {
      await apt("update");
      await apt(...install.slice(1));
    });
  });
  if (missing().length > 0) throw new Error(`Still missing on this machine: ${missing().join(", ")}.`);
}

/** Types, style, tests; arguments go to the test runner, then only it runs. Gives back the exit status. */
async function check(args) {
  const parts = [
    ["types", ["tsc"]],
    ["style", ["biome", "check", "."]],
    ["tests", ["vitest", "run", ...args]],
  ].slice(args.length > 0 ? 2 : 0);
  const results = [];
  for (const [name, [program, ...rest]] of parts) {
    const startedMs = performance.now();
    const child = spawn(join(bin, program), rest, {
      cwd: root,
      env: plainEnvironment(true),
      stdio: ["ignore", "inherit", "inherit"],
    });
    const status = await new Promise((resolve) => {
      child.on("error", () => resolve(1));
      child.on("exit", (code) => resolve(code ?? 1));
    });
    results.push({ name, status, seconds: ((performance.now() - startedMs) / 1000).toFixed(1) });
  }
  for (const { name, status, seconds } of results) say(`${name}: ${status === 0 ? "pass" : "FAIL"} (${seconds} s)`);
  return results.every(({ status }) => status === 0) ? 0 : 1;
}

/** The environment without what npm put there, with or without the checkout's programs first on PATH. */
function plainEnvironment(withPrograms) {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(npm_|INIT_CWD$)/i.test(name)));
  const path = (env.PATH ?? "").split(delimiter).filter((part) => !/node_modules\/\.bin$|node-gyp-bin$/.test(part));
  return { ...env, PATH: (withPrograms ? [bin, ...path] : path).join(delimiter) };
}

/** npm with a Node from outside the checkout: npm may be about to replace the one inside. */
function npm(...args) {
  const nodes = [
    process.env.npm_node_execpath,
    process.execPath,
    ...pathFolders().map((folder) => join(folder, "node")),
  ];
  const outside = nodes.find((each) => each && existsSync(each) && !realpathSync(each).startsWith(modules));
  return run(outside ?? process.execPath, [npmProgram(), ...args], { cwd: root });
}

function npmProgram() {
  const given = process.env.npm_execpath;
  if (given?.endsWith("npm-cli.js") && existsSync(given)) return given;
  const found = onPath("npm");
  if (found === undefined) throw new Error("npm is missing on this machine; install it (Debian: apt-get install npm).");
  return realpathSync(found);
}

/** Runs quietly; the output goes to the log file, its end into the error. */
function run(program, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
    const chunks = [];
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => chunks.push(chunk));
    child.on("error", reject);
    child.on("close", (code) => {
      const output = Buffer.concat(chunks).toString();
      if (existsSync(modules)) writeFileSync(logFile, output);
      if (code === 0) resolve();
      else {
        const lines = output.trimEnd().split("\n");
        const errors = lines.filter((line) => /\b(error|E):?\b/i.test(line)).slice(0, 15);
        const told = (errors.length > 0 ? errors : lines.slice(-15)).join("\n");
        reject(new Error(`${program} ${args.join(" ")} ended with status ${code}:\n${told}`));
      }
    });
  });
}

async function step(what, work) {
  const startedMs = performance.now();
  const elapsed = () => `${((performance.now() - startedMs) / 1000).toFixed(1)} s`;
  const live = process.stderr.isTTY;
  const show = (end) => process.stderr.write(live ? `\r· ${what} … ${end}` : end.trim() ? `  ${end}` : `· ${what} …\n`);
  show("");
  const tick = live ? setInterval(() => show(elapsed()), 1000) : undefined;
  try {
    await work();
    show(`${elapsed()}\n`);
  } catch (error) {
    show(`failed after ${elapsed()}\n`);
    throw error;
  } finally {
    clearInterval(tick);
  }
}

function say(line) {
  process.stderr.write(`· ${line}\n`);
}

function pathFolders() {
  return [...(process.env.PATH ?? "").split(delimiter), "/usr/local/sbin", "/usr/sbin", "/sbin"].filter(Boolean);
}

function onPath(name) {
  return pathFolders()
    .map((folder) => join(folder, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

function succeeds(program, args) {
  return spawnSync(program, args, { stdio: "ignore" }).status === 0;
}

/** Changes when the file does; undefined when there is none. */
function identity(file) {
  const stat = statSync(file, { throwIfNoEntry: false });
  return stat && `${stat.size}:${stat.mtimeMs}`;
}

function readJson(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}
