/** The index beside a recording: screens at places of its file, so that a reader need not begin at the start. A cache. */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";

/** Entries beyond this are left out: the disk is slow. */
const maxWaitingBytes = 256 * 1024;

/** The screen after everything before `position`, which is directly after the line that ends at `offset`. */
export interface SidecarEntry {
  readonly atMs: number;
  readonly offset: number;
  readonly position: number;
  readonly size: { readonly cols: number; readonly rows: number };
  /** H of the last cutting line before `position`, 64 hexadecimal digits; zeros before the first. */
  readonly hash: string;
  /** A key frame. */
  readonly bytes: Uint8Array;
}

/** Never evidence: what cannot be written is left out. Entries come in the order of their positions. */
export interface Sidecar extends AsyncDisposable {
  add(entry: SidecarEntry): void;
}

/** Begins the index at `path`: one JSON line for each entry. */
export function openSidecar(path: string): Sidecar {
  let file: Promise<FileHandle> | undefined;
  let waitingBytes = 0;
  let last: Promise<void> = Promise.resolve();
  const write = async (line: string) => {
    try {
      file ??= open(path, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
      await (await file).appendFile(line);
    } catch {
      // A reader makes the index anew.
    }
    waitingBytes -= line.length;
  };
  return {
    add({ bytes, ...entry }) {
      if (waitingBytes > maxWaitingBytes) return;
      const line = `${JSON.stringify({ ...entry, frame: Buffer.from(bytes).toString("base64") })}\n`;
      waitingBytes += line.length;
      last = last.then(() => write(line));
    },
    async [Symbol.asyncDispose]() {
      await last;
      await (await file?.catch(() => undefined))?.close();
    },
  };
}
