/** Bytes to a file descriptor, in order, exactly, and without ever blocking the program: a stopped terminal is no lost line. */

import { write as writeTo } from "node:fs";

export interface Output {
  /** True while something waits or is being written. */
  readonly busy: boolean;
  /** Bytes that wait, those being written included. */
  readonly waitingBytes: number;
  /** Resolves when the system took the bytes; rejects when the reader is gone (EPIPE). Keeps the bytes: do not change them. */
  write(bytes: Uint8Array): Promise<void>;
  /** As `write`, but resolves also when the signal aborts: whoever must end does not wait for a reader. */
  writeUnless(signal: AbortSignal, bytes: Uint8Array): Promise<void>;
  /** Resolves when everything so far was taken; never rejects. */
  drained(): Promise<void>;
}

const againMs = 5;

/**
 * Node's own stdout writes synchronously to terminals and pipes: while a reader holds them, no ping is answered and
 * the server must take the connection for dead. Here a thread waits instead.
 */
export function createOutput(fd: number): Output {
  let tail: Promise<void> = Promise.resolve();
  let waitingBytes = 0;

  async function put(bytes: Uint8Array): Promise<void> {
    try {
      for (let at = 0; at < bytes.length; ) at += await writeSome(fd, bytes, at);
    } finally {
      waitingBytes -= bytes.length;
    }
  }

  const write = (bytes: Uint8Array): Promise<void> => {
    waitingBytes += bytes.length;
    const mine = tail.then(() => put(bytes));
    tail = mine.catch(() => {});
    return mine;
  };

  return {
    write,
    get busy() {
      return waitingBytes > 0;
    },
    get waitingBytes() {
      return waitingBytes;
    },
    async writeUnless(signal, bytes) {
      let stop = () => {};
      const aborted = new Promise<void>((resolve) => {
        stop = resolve;
        signal.addEventListener("abort", stop, { once: true });
        if (signal.aborted) resolve();
      });
      try {
        await Promise.race([write(bytes), aborted]);
      } finally {
        signal.removeEventListener("abort", stop);
      }
    },
    drained: () => tail,
  };
}

function writeSome(fd: number, bytes: Uint8Array, at: number): Promise<number> {
  return new Promise((resolve, reject) => {
    writeTo(fd, bytes, at, bytes.length - at, null, (error, written) => {
      if (error === null) resolve(written);
      // A descriptor that somebody else made non-blocking.
      else if (error.code === "EAGAIN") setTimeout(() => resolve(0), againMs);
      else reject(error);
    });
  });
}
