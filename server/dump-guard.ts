/** Keeps the memory of this process, which has keys and what is typed in it, out of files and debuggers (R57). */
import { writeFileSync } from "node:fs";

/**
 * A core dump of this process will hold none of its memory, where the system is Linux (core(5), coredump_filter), and
 * SIGUSR1 starts no debugger. False where the first could not be had. Children inherit it.
 */
export function guardMemory(): boolean {
  // With Node's own listener switched off by a flag the signal would end the process.
  process.on("SIGUSR1", () => {});
  try {
    writeFileSync("/proc/self/coredump_filter", "0");
    return true;
  } catch {
    return false;
  }
}
