/** Gives the terminal, the signals and the exit status to another program. Plain JavaScript: older Nodes run it too. */
import { spawn } from "node:child_process";
import { constants } from "node:os";

/**
 * For the Node that runs the server. A flood of output is many short-lived buffers outside the heap; with V8's small
 * first heap each 10 MB of them cost a full collection, and the server a third of its time. The thread that looks for
 * commands collects what hundreds of idle sessions gave up itself: its heap has room, V8 would keep it. No signal starts a
 * debugger.
 */
export const serverFlags = ["--initial-old-space-size=256", "--expose-gc", "--disable-sigusr1"];

/**
 * Runs `program` in this process's place and exits with its status (128 + n when signal n ended it). At a terminal,
 * Ctrl-C reaches the whole process group by itself: passing it on would deliver it twice. So does a hang-up, but not the
 * HUP of a `kill`: that is always passed on, and whoever gets it twice acts as if once.
 */
export function handOver(program, args, options = {}) {
  const child = spawn(program, args, { stdio: "inherit", ...options });
  const atTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
  for (const signal of ["SIGINT", "SIGHUP", "SIGTERM", "SIGQUIT", "SIGUSR2"]) {
    const comesByItself = atTerminal && (signal === "SIGINT" || signal === "SIGQUIT");
    process.on(signal, () => comesByItself || child.kill(signal));
  }
  child.on("error", (error) => {
    process.stderr.write(`bartizan: cannot run ${program}: ${error.message}\n`);
    process.exit(1);
  });
  child.on("exit", (code, signal) => process.exit(signal === null ? code : 128 + constants.signals[signal]));
}
