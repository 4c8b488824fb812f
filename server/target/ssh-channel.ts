/** A PtyChannel over an open ssh2 shell: pull output, flow control, one end cause, a hang-up that always finishes. */
import type { Socket } from "node:net";
import type { Client, ClientChannel } from "ssh2";
import type { EndCause, TermSize } from "../events.ts";
import type { Clock } from "../flow/clock.ts";
import { printable } from "../flow/printable.ts";
import { createChunkQueue } from "./chunk-queue.ts";
import { paceReads } from "./read-pacing.ts";
import { createLatency } from "./ssh-latency.ts";
import type { PtyChannel } from "./target.ts";

const maxChunkBytes = 32_768; // 32 KiB
/** From so many unread bytes on the SSH window is not opened again; what is left of it, 2 MiB at most, may still come. */
const pauseAtBytes = 131_072; // 128 KiB
const resumeAtBytes = 32_768; // 32 KiB
/** More than pause and window together: beyond this a server ignores the window, which ssh2 would let it. */
const cheatBytes = 4_194_304; // 4 MiB
const resizeEveryMs = 20;

export interface SshChannelNeeds {
  readonly stream: ClientChannel;
  readonly client: Client;
  readonly socket: Socket;
  readonly clock: Clock;
  /** Hangs up when it aborts. */
  readonly signal: AbortSignal;
  readonly size: TermSize;
  readonly closeMs: number;
  readonly endMs: number;
  readonly keepaliveMs: number;
  readonly keepaliveMissed: number;
}

/**
 * Takes over stream, client and socket: disposing closes all three. Must be called in the very callback that gave the
 * stream, or an early exit would be missed.
 */
export function openSshChannel(need: SshChannelNeeds): PtyChannel {
  const { stream, client, socket, clock } = need;
  const queue = createChunkQueue();
  let paused = false;
  let discarding = false;
  /** No more output for the reader: the stream closed and the queue is empty, or hung up. */
  let outputOver = false;
  let streamClosed = false;
  let cutOff = false;
  /** The connection has ended, whatever may still be queued. */
  let gone = false;
  let lostReason = "the target closed the connection";
  let status: EndCause | undefined;
  let reader: ((result: IteratorResult<Uint8Array>) => void) | undefined;
  const writes = new Set<() => void>();
  const done = Promise.withResolvers<EndCause>();
  const closed = Promise.withResolvers<void>();
  const socketClosed = Promise.withResolvers<void>();
  const over = { done: true, value: undefined } as const;

  let sent = need.size;
  let wanted = need.size;
  let resizing: Disposable | undefined;

  const endOutput = () => {
    if (outputOver) return;
    outputOver = true;
    queue.clear();
    done.resolve(status !== undefined && !cutOff ? status : { kind: "lost", reason: lostReason });
    reader?.(over);
    reader = undefined;
  };

  const lose = (reason: string) => {
    lostReason = reason;
    socket.destroy();
  };

  /** ssh2 can throw at calls on a connection that is going down, and liveness is ours to know: its streams say yes too long. */
  const attempt = (call: () => unknown) => {
    if (gone) return;
    try {
      call();
    } catch {
      lose("the connection to the target broke");
    }
  };

  const take = (chunk: Uint8Array) => {
    if (outputOver || discarding) return;
    if (chunk.length > maxChunkBytes) {
      take(chunk.subarray(0, maxChunkBytes));
      take(chunk.subarray(maxChunkBytes));
      return;
    }
    if (reader !== undefined) {
      const give = reader;
      reader = undefined;
      give({ done: false, value: chunk });
      return;
    }
    queue.push(chunk);
    if (queue.bytes > cheatBytes) lose("the target ignored flow control");
  };

  /** Lets ssh2 open the window again, if it is low. */
  const openWindow = () => {
    paused = false;
    attempt(() => stream._read(0));
  };

  const output: AsyncIterableIterator<Uint8Array> = {
    [Symbol.asyncIterator]: () => output,
    next() {
      const value = queue.shift(maxChunkBytes);
      if (value !== undefined) {
        if (paused && queue.bytes <= resumeAtBytes) openWindow();
        const result = Promise.resolve({ done: false, value } as const);
        if (streamClosed && queue.empty) endOutput();
        return result;
      }
      if (outputOver) return Promise.resolve(over);
      return new Promise((resolve) => {
        reader?.(over);
        reader = resolve;
      });
    },
    return() {
      // Whoever stops reading wants no more of it; the end must still be able to come.
      queue.clear();
      if (streamClosed) endOutput();
      discarding = true;
      openWindow();
      reader?.(over);
      reader = undefined;
      return Promise.resolve(over);
    },
  };

  const latency = createLatency(client, clock);

  const releaseWrites = () => {
    for (const release of writes) release();
    writes.clear();
  };

  const onStreamClose = () => {
    if (streamClosed) return;
    streamClosed = true;
    releaseWrites();
    closed.resolve();
    if (queue.empty) endOutput();
    attempt(() => client.end());
  };

  paceReads(socket, clock);
  const watchdog = openWatchdog(need, () => lose("the target stopped answering"));
  // Straight from the packet to our queue: as a Readable the stream holds up to 3 MiB, and costs more per chunk.
  for (let early = stream.read(); early !== null; early = stream.read()) take(early);
  const push = stream.push.bind(stream);
  stream.push = (chunk: Uint8Array | null) => {
    if (chunk === null) return push(null);
    take(chunk);
    paused ||= queue.bytes >= pauseAtBytes;
    return !paused;
  };
  stream.resume(); // or its end would never be seen
  stream.on("error", () => {});
  stream.stderr.on("error", () => {});
  stream.stderr.resume(); // a pty has no stderr of its own; left unread it would stall stdout for good
  stream.on("exit", (code: number | null, signalName?: string) => {
    status = code === null ? { kind: "signalled", name: signalWord(signalName) } : { kind: "exited", code };
  });
  stream.on("close", onStreamClose);
  client.on("error", (error) => {
    if (lostReason === "the target closed the connection") lostReason = lostSentence(error);
  });
  client.on("end", () => {
    gone = true;
    releaseWrites();
  });
  client.on("close", () => {
    gone = true;
    // sshd closes the connection after the channel: only an end in the middle of the output makes the status worthless.
    if ((stream as unknown as { incoming: { state: string } }).incoming.state === "open") cutOff = true;
    watchdog[Symbol.dispose]();
    releaseWrites();
    socketClosed.resolve();
  });

  const within = (promise: Promise<void>, ms: number) =>
    new Promise<void>((resolve) => {
      const timer = clock.after(ms, resolve);
      promise.then(() => {
        timer[Symbol.dispose]();
        resolve();
      });
    });

  const hangUp = async () => {
    need.signal.removeEventListener("abort", dispose);
    if (!streamClosed) lostReason = "hung up by the bastion";
    endOutput();
    resizing?.[Symbol.dispose]();
    releaseWrites();
    openWindow();
    if (!streamClosed) {
      attempt(() => stream.close());
      await within(closed.promise, need.closeMs);
    }
    attempt(() => client.end());
    await within(socketClosed.promise, need.endMs);
    watchdog[Symbol.dispose]();
    socket.destroy();
    await within(socketClosed.promise, need.endMs);
  };
  let hangingUp: Promise<void> | undefined;
  const dispose = () => {
    hangingUp ??= hangUp();
    return hangingUp;
  };
  if (need.signal.aborted) dispose();
  else need.signal.addEventListener("abort", dispose, { once: true });

  const sendSize = () => {
    if (streamClosed || hangingUp !== undefined || (sent.cols === wanted.cols && sent.rows === wanted.rows)) return;
    sent = wanted;
    attempt(() => stream.setWindow(sent.rows, sent.cols, 0, 0));
    resizing = clock.after(resizeEveryMs, () => {
      resizing = undefined;
      sendSize();
    });
  };

  return {
    output,
    done: done.promise,
    write(input) {
      if (gone || streamClosed || hangingUp !== undefined || input.length === 0) return Promise.resolve();
      return new Promise((resolve) => {
        // ssh2 forgets callbacks when the channel closes under them.
        const release = () => {
          writes.delete(release);
          resolve();
        };
        writes.add(release);
        attempt(() => stream.write(input, release));
      });
    },
    recall() {
      const held = stream as unknown as { _waitWindow: boolean; _chunk?: Buffer };
      if (streamClosed || !held._waitWindow || held._chunk === undefined) return 0;
      const bytes = held._chunk.length;
      // Written when the window opens, in place of what waited for that; an absent one would leave the write open.
      held._chunk = Buffer.alloc(0);
      return bytes;
    },
    resize(size) {
      wanted = clampSize(size);
      if (resizing === undefined) sendSize();
    },
    latencyMs: () => (gone || hangingUp !== undefined ? undefined : latency()),
    [Symbol.asyncDispose]: dispose,
  };
}

/** Whole cells, 1 to 1000 each way. */
export function clampSize(size: TermSize): TermSize {
  const clamp = (cells: number) => Math.min(1000, Math.max(1, Math.trunc(Number.isFinite(cells) ? cells : 80)));
  return { cols: clamp(size.cols), rows: clamp(size.rows) };
}

/** ssh2 probes every `keepaliveMs`; any byte counts as a sign of life, for a reply can be queued behind much output. */
function openWatchdog(need: SshChannelNeeds, onSilence: () => void): Disposable {
  let seenBytes = -1;
  let missed = 0;
  return need.clock.every(need.keepaliveMs, () => {
    missed = need.socket.bytesRead === seenBytes ? missed + 1 : 0;
    seenBytes = need.socket.bytesRead;
    if (missed >= need.keepaliveMissed) onSilence();
  });
}

function lostSentence(error: Error): string {
  const code = "code" in error && typeof error.code === "string" ? error.code : undefined;
  return code === undefined ? "the connection to the target broke" : `the connection to the target broke (${code})`;
}

/** RFC 4254 section 6.10 names signals without SIG, ssh2 adds it. */
function signalWord(name: string | undefined): string {
  return printable(name?.replace(/^SIG/, "") ?? "unknown", 40);
}
