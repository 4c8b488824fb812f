/** What recordings ask of the disk, as one seam: a test can make it slow, full or sick. */
import {
  close,
  constants,
  fdatasync,
  fstat,
  fsync,
  ftruncate,
  open,
  read,
  statfs,
  unlink,
  write,
  writeSync,
} from "node:fs";
import { promisify } from "node:util";

const later = {
  ...{ close: promisify(close), datasync: promisify(fdatasync), fsync: promisify(fsync), open: promisify(open) },
  ...{ truncate: promisify(ftruncate), unlink: promisify(unlink), stat: promisify(fstat), statfs: promisify(statfs) },
};

/** Calls without `Sync` leave the thread free. All reject or throw as node:fs does. */
export interface Disk {
  /** A new file, to be appended to and read: never an old one, never by way of a link. Mode 0600. */
  create(path: string): Promise<number>;
  /** An existing plain file, for reading and appending. */
  openOld(path: string): Promise<number>;
  /** May write less than given. */
  writeSync(fd: number, bytes: Uint8Array): number;
  write(fd: number, bytes: Uint8Array): Promise<number>;
  /** Exactly the bytes from `from` up to `to`. */
  read(fd: number, from: number, to: number): Promise<Buffer>;
  size(fd: number): Promise<number>;
  truncate(fd: number, length: number): Promise<void>;
  datasync(fd: number): Promise<void>;
  close(fd: number): Promise<void>;
  /** So that a new file's name survives a power failure. */
  syncFolder(path: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Free for this process, in bytes. */
  freeBytes(path: string): Promise<number>;
}

const { O_RDWR, O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_RDONLY, O_DIRECTORY } = constants;

export const realDisk: Disk = {
  create: (path) => later.open(path, O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600),
  openOld: (path) => later.open(path, O_RDWR | O_APPEND | O_NOFOLLOW, 0o600),
  writeSync: (fd, bytes) => writeSync(fd, bytes, 0, bytes.length),
  write: (fd, bytes) =>
    new Promise((resolve, reject) => {
      write(fd, bytes, 0, bytes.length, null, (error, written) => (error === null ? resolve(written) : reject(error)));
    }),
  async read(fd, from, to) {
    const bytes = Buffer.allocUnsafe(to - from);
    for (let at = 0; at < bytes.length; ) {
      const got = await new Promise<number>((resolve, reject) => {
        read(fd, bytes, at, bytes.length - at, from + at, (error, count) =>
          error === null ? resolve(count) : reject(error),
        );
      });
      if (got === 0) throw new Error(`the file ends at ${from + at}, before ${to}`);
      at += got;
    }
    return bytes;
  },
  size: async (fd) => (await later.stat(fd)).size,
  truncate: (fd, length) => later.truncate(fd, length),
  datasync: (fd) => later.datasync(fd),
  close: (fd) => later.close(fd),
  async syncFolder(path) {
    const fd = await later.open(path, O_RDONLY | O_DIRECTORY, 0);
    try {
      await later.fsync(fd);
    } finally {
      await later.close(fd);
    }
  },
  remove: (path) => later.unlink(path),
  async freeBytes(path) {
    const { bavail, bsize } = await later.statfs(path);
    return bavail * bsize;
  },
};
