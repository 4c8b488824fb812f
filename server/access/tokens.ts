/** Bearer tokens: the local one in a 0600 file, those of the config as SHA-256 digests; who a token stands for. */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { chmod, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { BartizanFault } from "../errors.ts";
import type { Caller } from "./policy.ts";

export interface TokenEntry {
  readonly caller: Caller;
  /** SHA-256 of the token. */
  readonly digest: Buffer;
}

export function digestOf(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}

/** Who the token of this digest stands for; every entry is compared, in constant time each. */
export function callerOf(entries: readonly TokenEntry[], digest: Buffer): Caller | undefined {
  let found: Caller | undefined;
  for (const entry of entries) if (timingSafeEqual(entry.digest, digest)) found = entry.caller;
  return found;
}

/**
 * The token in `file`, made at first: 256 random bits, mode 0600 in a folder of mode 0700, written whole or not at all.
 * Throws `config` when the file is unfit or cannot be written.
 */
export async function localToken(file: string): Promise<string> {
  try {
    const token = (await readFile(file, "utf8")).trim();
    if (/^btz_[A-Za-z0-9_-]{43}$/.test(token)) {
      await chmod(file, 0o600);
      return token;
    }
    throw new BartizanFault("config", `${file} does not hold a token.`, "Remove it; the next start makes a new one.");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw asConfig(error, file);
  }
  const token = `btz_${randomBytes(32).toString("base64url")}`;
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    const fresh = `${file}.${randomBytes(6).toString("hex")}`;
    try {
      await using handle = await open(fresh, "wx", 0o600);
      await handle.writeFile(`${token}\n`);
      await handle.sync();
      await rename(fresh, file);
    } finally {
      await rm(fresh, { force: true });
    }
  } catch (error) {
    throw asConfig(error, file);
  }
  return token;
}

function asConfig(error: unknown, file: string): BartizanFault {
  if (error instanceof BartizanFault) return error;
  const code = (error as NodeJS.ErrnoException).code ?? "unknown error";
  return new BartizanFault(
    "config",
    `The token file ${file} cannot be used (${code}).`,
    code === "ENOSPC" ? "The disk is full: free some space and start again." : "Check the folder's owner and mode.",
    error,
  );
}
