/** The real disk with faults that a test switches on: refusals, half-written lines, slowness; and what it was asked. */
import { type Disk, realDisk } from "../../server/recording/disk.ts";

export interface SickDisk extends Disk {
  /** From now on these calls fail with the code. A failing write writes the first half. */
  refuse(code: string, ...calls: (keyof Disk)[]): void;
  /** Every write and sync takes at least so long. */
  slow(ms: number): void;
  heal(): void;
  /** Said instead of what is free. */
  free(bytes: number | undefined): void;
  readonly syncs: number;
  readonly unsyncedBytes: number;
}

export function createSickDisk(): SickDisk {
  const refused = new Map<keyof Disk, string>();
  let slowMs = 0;
  let freeBytes: number | undefined;
  let syncs = 0;
  let unsyncedBytes = 0;
  const check = (call: keyof Disk) => {
    const code = refused.get(call);
    if (code !== undefined) throw Object.assign(new Error(`${code}: by the test`), { code });
  };
  const pause = () => new Promise((resolve) => setTimeout(resolve, slowMs));
  const half = (fd: number, bytes: Uint8Array) => {
    if (refused.has("write")) realDisk.writeSync(fd, bytes.subarray(0, bytes.length >> 1));
    check("write");
  };
  return {
    ...realDisk,
    async create(path) {
      check("create");
      return await realDisk.create(path);
    },
    writeSync(fd, bytes) {
      half(fd, bytes);
      const end = performance.now() + slowMs;
      while (performance.now() < end);
      unsyncedBytes += bytes.length;
      return realDisk.writeSync(fd, bytes);
    },
    async write(fd, bytes) {
      await pause();
      half(fd, bytes);
      unsyncedBytes += bytes.length;
      return await realDisk.write(fd, bytes);
    },
    async datasync(fd) {
      check("datasync");
      const before = unsyncedBytes;
      await pause();
      await realDisk.datasync(fd);
      unsyncedBytes -= before;
      syncs += 1;
    },
    async syncFolder(path) {
      check("syncFolder");
      await realDisk.syncFolder(path);
    },
    freeBytes: async (path) => freeBytes ?? (await realDisk.freeBytes(path)),
    refuse(code, ...calls) {
      for (const call of calls) refused.set(call, code);
    },
    slow(ms) {
      slowMs = ms;
    },
    heal() {
      refused.clear();
      slowMs = 0;
      freeBytes = undefined;
    },
    free(bytes) {
      freeBytes = bytes;
    },
    get syncs() {
      return syncs;
    },
    get unsyncedBytes() {
      return unsyncedBytes;
    },
  };
}
