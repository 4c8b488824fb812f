/** Before all tests: says in one line what the machine lacks, instead of many failures. */
import { existsSync } from "node:fs";

export function setup(): void {
  if (!existsSync("/usr/sbin/sshd") || !existsSync("/usr/sbin/dropbear")) {
    throw new Error('The tests need real SSH servers on this machine. "npm test" installs them, or says how.');
  }
}
