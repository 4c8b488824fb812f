/** The demo target: starts the embedded SSH server in a child process, and starts it again when it dies. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { userInfo } from "node:os";
import { BartizanFault } from "../errors.ts";
import { type Clock, pause, systemClock } from "../flow/clock.ts";
import { linked, orAborted } from "../flow/life.ts";
import { Secret } from "../flow/secret.ts";
import type { DemoReady, DemoStart } from "./demo-server.ts";
import type { Target } from "./target.ts";

export interface Demo extends AsyncDisposable {
  /** Stays the same over restarts of the child; while that is down, dialling gives "target-unreachable". */
  readonly target: Target;
  /** The child's process id; undefined while it is down. */
  readonly pid: number | undefined;
}

export interface DemoOptions {
  readonly clock?: Clock;
  /** "script" leaves node-pty out. */
  readonly by?: "any" | "script";
  /** The shells' home; the user's own by default. */
  readonly home?: string | undefined;
}

const startMs = 15_000;
const stopMs = 1_000;
const firstBackoffMs = 200;
const maxBackoffMs = 30_000;
/** A child that lived this long counts as well again. */
const healthyMs = 10_000;

/** Resolves when the demo target can be dialled. Disposing, or `signal`, ends the child and its shells. */
export async function openDemo(signal: AbortSignal, options: DemoOptions = {}): Promise<Demo> {
  signal.throwIfAborted();
  const { clock = systemClock, by = "any", home } = options;
  const life = linked(signal);
  let child: ChildProcess | undefined;

  const start = async (message: DemoStart): Promise<DemoReady> => {
    const made = fork(serverFile(), [], { execArgv: [], env: {}, stdio: ["ignore", "ignore", "inherit", "ipc"] });
    child = made;
    try {
      return await firstAnswer(made, message, clock, life.signal);
    } catch (error) {
      await stop(made, clock);
      throw error;
    }
  };

  let ready: DemoReady;
  try {
    ready = await start({ port: 0, by, home });
  } catch (error) {
    life[Symbol.dispose]();
    throw error;
  }

  const keep = async () => {
    let backoffMs = firstBackoffMs;
    const { port, hostKey, clientKey } = ready;
    while (!life.signal.aborted) {
      const sinceMs = clock.monotonicMs();
      if (child !== undefined && alive(child)) await orAborted(once(child, "exit"), life.signal);
      child = undefined;
      if (clock.monotonicMs() - sinceMs > healthyMs) backoffMs = firstBackoffMs;
      await pause(clock, backoffMs, life.signal);
      backoffMs = Math.min(maxBackoffMs, backoffMs * 2);
      await start({ port, hostKey, clientKey, by, home }).catch(() => {});
    }
  };
  const keeping = keep()
    .catch(() => {})
    .finally(async () => {
      if (child !== undefined) await stop(child, clock);
      life[Symbol.dispose]();
    });

  const target: Target = {
    name: "demo",
    kind: "demo",
    host: "127.0.0.1",
    port: ready.port,
    user: userInfo().username,
    credentials: { keyText: new Secret(ready.clientKey) },
    hostKeys: [ready.hostPublic],
    knownHostsFiles: [],
    labels: {},
    source: "demo",
  };
  return {
    target,
    get pid() {
      return child !== undefined && alive(child) ? child.pid : undefined;
    },
    [Symbol.asyncDispose]() {
      life.end(new Error("the demo target was closed"));
      return keeping;
    },
  };
}

/** Beside this file, compiled or not. */
function serverFile(): URL {
  return new URL(import.meta.url.endsWith(".ts") ? "./demo-server.ts" : "./demo-server.js", import.meta.url);
}

async function firstAnswer(
  child: ChildProcess,
  message: DemoStart,
  clock: Clock,
  signal: AbortSignal,
): Promise<DemoReady> {
  const failed = (cause?: unknown) =>
    new BartizanFault("target-unreachable", "The demo target does not start.", "Run bartizan doctor.", cause);
  const answer = Promise.withResolvers<DemoReady>();
  using _timer = clock.after(startMs, () => answer.reject(failed()));
  child.once("message", (ready) => answer.resolve(ready as DemoReady));
  child.once("error", (error) => answer.reject(failed(error)));
  child.once("exit", () => answer.reject(failed()));
  child.send(message, (error) => {
    if (error !== null) answer.reject(failed(error));
  });
  return await orAborted(answer.promise, signal);
}

/** The child leaves when its channel to us closes; one that does not is killed. */
async function stop(child: ChildProcess, clock: Clock): Promise<void> {
  if (!alive(child)) return;
  const exited = once(child, "exit").catch(() => {});
  using _timer = clock.after(stopMs, () => child.kill("SIGKILL"));
  if (child.connected) child.disconnect();
  await exited;
}

function alive(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null;
}
