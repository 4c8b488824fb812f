/** Arguments, config, start, signals; nothing else. `serve` runs the bastion, `config check` reads a config file. */
import { parseArgs } from "node:util";
import { type Bastion, openBastion, version } from "./bastion.ts";
import { type Config, isLoopback, readConfig } from "./config.ts";
import { guardMemory } from "./dump-guard.ts";
import { BartizanFault, faultFrom } from "./errors.ts";
import { systemClock } from "./flow/clock.ts";
import { aborted } from "./flow/life.ts";
import { printable } from "./flow/printable.ts";
import { createLog } from "./log.ts";
import { type OpenInventory, openInventory } from "./open-inventory.ts";
import { type VerifyFilesOptions, verifyFiles } from "./recording/verify-files.ts";
import type { NativeCrypto } from "./target/ssh-library.ts";

const help = `Usage: bartizan serve [--config FILE]
       bartizan config check FILE
       bartizan verify FILE... | --all [--key FILE] [--config FILE] [--json]

serve         Runs the bastion until it gets TERM or INT; then it refuses new shells, tells everybody,
              waits for sessions to end (drainSeconds), ends the rest and exits 0.
config check  Reads a config file, names every line at fault, and starts nothing.
verify        Tells of recordings, without a server, whether they are what was written: of files, or of all that the
              data folder has or should have. --key names a public key from elsewhere. Exits with 0 complete,
              3 incomplete, 4 gap, 5 altered, 6 unsigned, 7 missing, 1 it could not be read: the gravest of all.

Without --config it listens on 127.0.0.1:7322 and offers a demo shell on this machine and every
host of ~/.ssh/config. docs/config.md describes the file.
`;

async function main(args: readonly string[]): Promise<number> {
  const [command = "", ...rest] = args;
  if (args.includes("--help") || args.includes("-h")) return say(help);
  if (command === "--version") return say(`${version()}\n`);
  if (command === "serve") {
    const { values } = parseArgs({ args: rest, options: { config: { type: "string" } }, strict: true });
    return await serve(readConfig(values.config));
  }
  if (command === "config" && rest[0] === "check" && rest[1] !== undefined && rest.length === 2) {
    const config = readConfig(rest[1]);
    return say(`${rest[1]} is fine: ${config.targets.length} targets, ${config.principals.length} principals\n`);
  }
  if (command === "verify") return await verify(rest);
  process.stderr.write(help);
  return 2;
}

async function verify(args: readonly string[]): Promise<number> {
  const options = { all: { type: "boolean" }, json: { type: "boolean" }, key: { type: "string" } } as const;
  const { values, positionals } = parseArgs({
    ...{ args: [...args], allowPositionals: true, strict: true },
    options: { ...options, config: { type: "string" } },
  });
  if ((values.all === true) === positionals.length > 0) {
    process.stderr.write("bartizan: verify takes files, or --all.\n");
    return 2;
  }
  const { data, recording } = readConfig(values.config);
  const progress = process.stderr.isTTY ? (line: string) => void process.stderr.write(`\r\x1b[K${line}`) : () => {};
  return await verifyFiles({
    ...{ what: values.all === true ? "all" : positionals, keyFile: values.key, data, folder: recording.folder },
    tell(path, result) {
      progress("");
      if (values.json === true) say(`${JSON.stringify({ file: path, ...wordsOf(result) })}\n`);
      else if ("failure" in result) process.stderr.write(`bartizan: ${printable(path)}: ${result.failure}\n`);
      else say(`${printable(path)}  ${result.verdict}: ${printable(result.detail)}\n`);
    },
    onProgress: (path, bytes) => progress(`${printable(path)}  ${(bytes / 1e6).toFixed(0)} MB …`),
    signal: new AbortController().signal,
  });
}

function wordsOf(result: Parameters<VerifyFilesOptions["tell"]>[1]): object {
  return "failure" in result ? { failure: result.failure } : { verdict: result.verdict, detail: result.detail };
}

function say(text: string): number {
  process.stdout.write(text);
  return 0;
}

async function serve(config: Config): Promise<number> {
  const log = createLog(config.log);
  if (!guardMemory()) log.warn("a core dump of this process would hold secrets: limit its size to 0 (ulimit -c 0)");
  const stopped = stopSignal();
  // Not the first signal: the demo's shells are waited for like all others.
  await using inventory = await openInventory(config, stopped.second);
  await using bastion = await openBastion({ config, log, targets: () => inventory.list() });
  announce(config, bastion, inventory);
  await aborted(stopped.first);
  process.stdout.write(`\nstopping: ${bastion.registry.size} live sessions, at most ${config.drainSeconds} s\n`);
  const limit = new AbortController();
  using _timer = systemClock.after(config.drainSeconds * 1000, () => limit.abort());
  stopped.second.addEventListener("abort", () => limit.abort(), { once: true });
  await bastion.drain(limit.signal);
  return 0;
}

const sameSignalMs = 1000;

/** `first` aborts at TERM, INT or HUP, `second` when one comes again: then nobody is waited for. */
function stopSignal(): { first: AbortSignal; second: AbortSignal } {
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
  for (const name of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(name, onSignal);
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
