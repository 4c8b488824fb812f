/** The room on the disk that recordings keep free: a small file that makes way for seals, and a look at what is left. */
import { closeSync, constants, fsyncSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Disk } from "./disk.ts";

/** Seals are some 700 bytes each: this is room for more sessions than a node holds. */
const fileBytes = 1024 * 1024;

export interface DiskReserve {
  /** Bytes free in the folder, the reserve file not counted. Rejects as the disk does. */
  freeBytes(): Promise<number>;
  /** Makes the file when it is not there and there is room; harmless when it is. */
  fill(): void;
  /** Gives the file's room up, once. */
  release(): Promise<void>;
}

export function openDiskReserve(folder: string, disk: Disk): DiskReserve {
  const path = join(folder, "reserve");
  let filled = false;
  return {
    freeBytes: () => disk.freeBytes(folder),
    fill() {
      if (filled) return;
      try {
        // Written, not only sized: a hole reserves nothing.
        const fd = openSync(
          path,
          constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW,
          0o600,
        );
        try {
          const zeros = Buffer.alloc(64 * 1024);
          for (let at = 0; at < fileBytes; ) at += writeSync(fd, zeros);
          fsyncSync(fd);
        } finally {
          closeSync(fd);
        }
        filled = true;
      } catch {
        // No room: `freeBytes` tells, and refuses sessions. What was begun is in the way.
        rmSync(path, { force: true });
      }
    },
    async release() {
      filled = false;
      await disk.remove(path).catch(() => {});
    },
  };
}
