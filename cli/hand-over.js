/** Gives the terminal, the signals and the exit status to another program. Plain JavaScript: older Nodes run it too. */
import { spawn } from "node:child_process";
import { constants } from "node:os";

/**
 * For the Node that runs the server. A flood of output is many short-lived buffers outside the heap; with V8's small
 * first heap each 10 MB of them cost a full collection, and the server a third of its time. No signal starts a debugger.
 */
export const serverFlags = ["--initial-old-space-size=256", "--disable-sigusr1"];

/**
 * Runs `program` in this process's place and exits with its status (128 + n when signal n ended it). At a terminal,
 * Ctrl-C and a hang-up reach the whole process group by themselves: passing them on would deliver them twice.
 */
export function handOver(program, args, options = {}) {
  const child = spawn(program, args, { stdio: "inherit", ...options });
  const atTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
  for (const signal of ["SIGINT", "SIGHUP", "SIGTERM", "SIGQUIT", "SIGUSR2"]) {
    const comesByItself = atTerminal && signal !== "SIGTERM" && signal !== "SIGUSR2";
    process.on(signal, () => comesByItself || child.kill(signal));
  }
  child.on("error", (error) => {
    process.stderr.write(`bartizan: cannot run ${program}: ${error.message}\n`);
    process.exit(1);
  });
  child.on("exit", (code, signal) => process.exit(signal === null ? code : 128 + constants.signals[signal]));
}
