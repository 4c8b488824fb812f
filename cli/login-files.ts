/** The tokens that `bartizan login` got, one file for each server, readable by this user alone. */

import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";

/** Where the token for this server is, when there is one. `server`: an origin. */
export function loginFile(stateDir: string, server: string): string {
  // An origin has no sign that a file's name cannot have but these.
  return join(stateDir, "logins", server.replace("://", "_").replace(/[[\]:]/g, "_"));
}

/** Written whole or not at all, mode 0600 in a folder of mode 0700. */
export function keepLogin(file: string, token: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const fresh = `${file}.${process.pid}`;
  try {
    const fd = openSync(fresh, "wx", 0o600);
    try {
      writeSync(fd, `${token}\n`);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(fresh, file);
  } finally {
    rmSync(fresh, { force: true });
  }
}

export function forgetLogin(file: string): void {
  rmSync(file, { force: true });
}
