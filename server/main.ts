/** Arguments, config, start, signals; nothing else. `serve` runs the bastion, `config check` reads a config file. */
import { closeSync, openSync } from "node:fs";
import { parseArgs } from "node:util";
import { type Bastion, openBastion, version } from "./bastion.ts";
import { type Config, isLoopback, readConfig } from "./config.ts";
import { configWarnings } from "./config-warnings.ts";
import { guardMemory } from "./dump-guard.ts";
import { BartizanFault, faultFrom } from "./errors.ts";
import { systemClock } from "./flow/clock.ts";
import { aborted } from "./flow/life.ts";
import { printable } from "./flow/printable.ts";
import { createLog, type Log } from "./log.ts";
import { listTargets, type OpenInventory, openInventory } from "./open-inventory.ts";
import { policyCommand, policyHelp } from "./policy-command.ts";
import type { NativeCrypto } from "./target/ssh-library.ts";
import { verifyCommand } from "./verify-command.ts";

const help = `Usage: bartizan serve [--config FILE]
       bartizan config check FILE
       bartizan policy test USER ACTION TARGET [--owner NAME] [--roles LIST] [--config FILE] [--json]
       bartizan policy matrix [--config FILE] [--json]
       bartizan verify FILE... | --all [--key FILE] [--config FILE] [--json]
       bartizan verify --audit [FILE] [--checkpoint FILE] [--key FILE] [--config FILE] [--json]

serve         Runs the bastion until it gets TERM or INT; then it refuses new shells, tells everybody,
              waits for sessions to end (drainSeconds), ends the rest and exits 0.
              After HUP it reads the config file again: policies, principals, limits and who is told of watchers change
              at once, for open streams too; a file at fault changes nothing.
config check  Reads a config file, names every line at fault, and starts nothing.
${policyHelp}verify        Tells of recordings, without a server, whether they are what was written: of files, or of all that the
              data folder has or should have. --key names a public key from elsewhere. Exits with 0 complete,
              3 incomplete, 4 gap, 5 altered, 6 unsigned, 7 missing, 1 it could not be read: the gravest of all.
              With --audit it tells of the audit log, and names the first line that is not as it was written;
              --checkpoint names a checkpoint that was kept elsewhere.

Without --config it listens on 127.0.0.1:7322 and offers a demo shell on this machine and every
host of ~/.ssh/config. docs/config.md describes the file.
`;

async function main(args: readonly string[]): Promise<number> {
  const [command = "", ...rest] = args;
  if (args.includes("--help") || args.includes("-h")) return say(help);
  if (command === "--version") return say(`${version()}\n`);
  if (command === "serve") {
    const { values } = parseArgs({ args: rest, options: { config: { type: "string" } }, strict: true });
    return await serve(readConfig(values.config), values.config);
  }
  if (command === "config" && rest[0] === "check" && rest[1] !== undefined && rest.length === 2) {
    const config = readConfig(rest[1]);
    warn(config, await listTargets(config));
    return say(`${rest[1]} is fine: ${config.targets.length} targets, ${config.principals.length} principals\n`);
  }
  if (command === "verify") return await verifyCommand(rest);
  if (command === "policy") {
    const code = policyCommand(rest, say);
    if (code !== undefined) return code;
  }
  process.stderr.write(help);
  return 2;
}

function warn(config: Config, targets: Parameters<typeof configWarnings>[1]): void {
  for (const warning of configWarnings(config, targets)) process.stderr.write(`bartizan: warning: ${warning}\n`);
}

function say(text: string): number {
  process.stdout.write(text);
  return 0;
}

/** `file`: where the config was read, and is read again at HUP. */
async function serve(config: Config, file: string | undefined): Promise<number> {
  const log = createLog(config.log);
  if (!guardMemory()) log.warn("a core dump of this process would hold secrets: limit its size to 0 (ulimit -c 0)");
  let readAgain: (() => void) | undefined;
  // A terminal that is gone takes the server with it; any other HUP means that the config has changed.
  const stopped = stopSignal(() => {
    if (file === undefined || (process.stdin.isTTY && !hasTerminal())) return false;
    readAgain?.();
    return true;
  });
  // Not the first signal: the demo's shells are waited for like all others.
  await using inventory = await openInventory(config, stopped.second);
  await using bastion = await openBastion({ config, log, targets: () => inventory.list() });
  readAgain = () => reload(file, bastion, log);
  announce(config, bastion, inventory);
  warn(config, inventory.list());
  if (file !== undefined) process.stdout.write(`\nAfter a change of ${file}: kill -HUP ${process.pid}\n`);
  await aborted(stopped.first);
  process.stdout.write(`\nstopping: ${bastion.registry.size} live sessions, at most ${config.drainSeconds} s\n`);
  const limit = new AbortController();
  using _timer = systemClock.after(config.drainSeconds * 1000, () => limit.abort());
  stopped.second.addEventListener("abort", () => limit.abort(), { once: true });
  await bastion.drain(limit.signal);
  return 0;
}

/** A file at fault changes nothing, and says so. */
function reload(file: string | undefined, bastion: Bastion, log: Log): void {
  try {
    const { changed, later } = bastion.reload(readConfig(file));
    const words = (keys: readonly string[], what: string) => (keys.length === 0 ? [] : [`${what} ${keys.join(", ")}`]);
    const lines = [...words(changed, "now in force:"), ...words(later, "waits for the next start:")];
    process.stdout.write(`config read again: ${lines.join("; ") || "nothing has changed"}\n`);
  } catch (error) {
    const { message } = faultFrom(error);
    log.error({ err: error }, "config not taken over");
    bastion.refused(message);
    process.stderr.write(`bartizan: the config is not taken over, the old one stays:\n${message}\n`);
  }
}

/** Whether the terminal that the program was started at is still there. */
function hasTerminal(): boolean {
  try {
    closeSync(openSync("/dev/tty", "r"));
    return true;
  } catch {
    return false;
  }
}

const sameSignalMs = 1000;

/**
 * `first` aborts at TERM or INT, or at a HUP that `onHangUp` does not take for itself; `second` when one comes again: then
 * nobody is waited for.
 */
function stopSignal(onHangUp: () => boolean): { first: AbortSignal; second: AbortSignal } {
  const first = new AbortController();
  const second = new AbortController();
  let firstAtMs = 0;
  const onSignal = () => {
    const nowMs = systemClock.monotonicMs();
    if (!first.signal.aborted) firstAtMs = nowMs;
    // One signal to a process group comes twice: from its sender, and passed on by the launcher.
    else if (nowMs - firstAtMs < sameSignalMs) return;
    (first.signal.aborted ? second : first).abort();
  };
  for (const name of ["SIGTERM", "SIGINT"]) process.on(name, onSignal);
  process.on("SIGHUP", () => {
    if (!onHangUp()) onSignal();
  });
  return { first: first.signal, second: second.signal };
}

function announce(config: Config, bastion: Bastion, inventory: OpenInventory): void {
  const targets = inventory.list();
  const names = targets.map(({ name }) => name);
  const shown = names.length > 8 ? [...names.slice(0, 8), `and ${names.length - 8} more`] : names;
  const skipped = inventory.skipped.map(({ name, why }) => `             not ${printable(name)}: ${printable(why)}\n`);
  const first = names.includes("demo") ? "demo" : (names[0] ?? "TARGET");
  const at = clientFlags(config, bastion);
  // What a server for others prints is read by others: a link that stands for its own user does not belong there.
  const way = isLoopback(config.listen.host)
    ? `Open in your browser, once, within two minutes:\n\n  ${bastion.createLink()}\n\n`
    : "";
  process.stdout.write(`
${way}bartizan ${version()} listens on ${bastion.url}
  targets    ${shown.join(", ") || "none: name some in the config file"}
${skipped.join("")}  token      ${config.tokenFile} (only you can read it)
  crypto     ${cryptoLines(bastion.nativeCrypto)}
${bastion.metricsUrl === undefined ? "" : `  metrics    ${bastion.metricsUrl}\n`}
Type in another terminal:
  npx bartizan link${at}
  npx bartizan targets${at}
  npx bartizan shell ${first}${at}
  npx bartizan sessions${at}
  npx bartizan watch ID${at}
  npx bartizan kick ID --reason "..."${at}
  npx bartizan recordings${at}
  npx bartizan play ID${at}
  npx bartizan commands${at}
  npx bartizan doctor${at}

Ctrl-C stops it.
`);
}

function cryptoLines(crypto: NativeCrypto): string {
  return crypto.available ? "native" : `slower path: ${crypto.why}\n             ${crypto.help}`;
}

/** What the commands need to find this server, and to believe it, beyond their defaults. */
function clientFlags({ listen, data, usualData, tokenFile }: Config, { url, port }: Bastion): string {
  const name = isLoopback(listen.host) ? undefined : listen.names[0];
  const server = name === undefined ? url : `https://${name}:${port}`;
  return [
    ...(server === "http://127.0.0.1:7322" ? [] : [` --server ${server}`]),
    ...(listen.tls === undefined ? [] : [` --ca ${listen.tls.cert}`]),
    ...(data === usualData ? [] : [` --token-file ${tokenFile}`]),
  ].join("");
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const fault =
    error instanceof TypeError && "code" in error
      ? new BartizanFault("config", error.message, "bartizan serve --help shows what there is.")
      : faultFrom(error);
  process.stderr.write(`bartizan: ${fault.message}\n${fault.hint === "" ? "" : `${fault.hint}\n`}`);
  if (fault.word === "internal") process.stderr.write(`${(fault.cause as Error)?.stack ?? String(fault.cause)}\n`);
  process.exitCode = fault.word === "config" ? 2 : 1;
}
