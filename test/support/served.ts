/** The program itself, started as a user would, in a folder of its own: for promises about the whole process. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serverFlags } from "../../cli/hand-over.js";
import { until } from "./until.ts";

const main = new URL("../../server/main.ts", import.meta.url).pathname;

export interface Served extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly folder: string;
  readonly url: string;
  readonly port: number;
  /** The local token. */
  readonly token: string;
  /** Everything it wrote, on both streams. */
  said(): string;
  /** The child runs, and never ended. */
  alive(): boolean;
  /** Resident memory now. */
  rssBytes(): number;
}

export interface ServedOptions {
  /** Written beside the config, which may name them. */
  readonly files?: Readonly<Record<string, string>>;
  /** For Node; by default what a server is started with. */
  readonly flags?: readonly string[];
}

/** Resolves when it listens. `yaml` has to say a port of 0. Disposing kills it and removes its folder. */
export async function openServed(
  yaml: string,
  { files = {}, flags = serverFlags }: ServedOptions = {},
): Promise<Served> {
  const folder = mkdtempSync(join(tmpdir(), "bartizan-served-"));
  for (const [name, text] of Object.entries({ ...files, "bartizan.yaml": yaml }))
    writeFileSync(join(folder, name), text);
  const env = { PATH: process.env.PATH, HOME: folder, XDG_STATE_HOME: join(folder, "state") };
  const args = [...flags, main, "serve", "--config", join(folder, "bartizan.yaml")];
  const child = spawn(process.execPath, args, { env });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (said += chunk));
  const exited = once(child, "close");
  const close = async () => {
    child.kill("SIGKILL");
    await exited;
    rmSync(folder, { recursive: true, force: true });
  };
  const alive = () => child.exitCode === null && child.signalCode === null;
  try {
    const url = await until(() => {
      if (!alive()) throw new Error(`the server ended: ${said}`);
      return /listens on (\S+)/.exec(said)?.[1];
    }, "the server listens");
    return {
      ...{ child, folder, url, alive },
      port: Number(new URL(url).port),
      token: readFileSync(join(folder, "state", "bartizan", "token"), "utf8").trim(),
      said: () => said,
      rssBytes: () => rssOf(child.pid ?? 0),
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** From the kernel (proc(5), VmRSS). */
export function rssOf(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;
}
