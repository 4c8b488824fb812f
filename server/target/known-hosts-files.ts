/** The known_hosts files on disk: read with a limit, and one of them appended to, whole lines only. */
import { mkdir, open, readFile, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { BartizanFault } from "../errors.ts";
import { type KnownHost, parseKnownHosts } from "./host-keys.ts";

const maxFileBytes = 8_388_608; // 8 MiB

/** Every line of the files that exist. A file that cannot be read is a "config" fault: a revocation may stand in it. */
export async function readKnownHosts(files: readonly string[]): Promise<KnownHost[]> {
  const lines: KnownHost[] = [];
  for (const file of new Set(files)) {
    try {
      const found = await stat(file);
      if (!found.isFile()) continue; // /dev/null and the like
      if (found.size > maxFileBytes) throw new Error("larger than 8 MiB");
      lines.push(...parseKnownHosts(await readFile(file, "utf8")));
    } catch (error) {
      if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR")) continue;
      const why = error instanceof Error && "code" in error ? String(error.code) : "too large";
      throw new BartizanFault(
        "config",
        `The known hosts file ${file} cannot be read (${why}).`,
        "Mend it or its permissions.",
        error,
      );
    }
  }
  return lines;
}

/**
 * Adds `line` in one append, synced; makes file (0600) and folders (0700). Beside another writer lines do not mix. A
 * partial append (full disk) is taken back.
 */
export async function appendKnownHost(file: string, line: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await using handle = await open(file, "a+", 0o600);
  const { size } = await handle.stat();
  const last = Buffer.alloc(1);
  if (size > 0) await handle.read(last, 0, 1, size - 1);
  const bytes = Buffer.from(size > 0 && last[0] !== 10 ? `\n${line}` : line);
  try {
    const { bytesWritten } = await handle.write(bytes);
    if (bytesWritten !== bytes.length) throw new Error("the disk is full");
    await handle.sync();
  } catch (error) {
    await handle.truncate(size).catch(() => {});
    throw error;
  }
}
