/** What waits to be sent in a Shell call: typed bytes within a bound, and of acks and sizes only the latest. */

import type { MessageInitShape } from "@bufbuild/protobuf";
import type { PromptAnswerSchema, ShellRequestSchema } from "../gen/bartizan/v1/session_pb.ts";
import type { Size } from "./events.ts";

type Request = MessageInitShape<typeof ShellRequestSchema>;
export type Answer = Omit<MessageInitShape<typeof PromptAnswerSchema>, "$typeName">;

/** Input bytes that may wait to be sent; a `write` beyond it waits. */
export const inputLimitBytes = 262_144; // 256 KiB
/** Input sent that the target has not taken over yet: more stays here, so that acks never stand behind it. */
const underWayBytes = 262_144; // 256 KiB
/** The contract allows 64 KiB a message; smaller ones let acks and sizes in between. */
const chunkBytes = 32_768; // 32 KiB
/** Acks further apart than this leave at once, nearer ones when the output pauses: the server's window is 256 KiB. */
export const ackStepBytes = 32_768; // 32 KiB
const ackIdleMs = 20;

export interface Outbox {
  /** The messages of one connection, `first` leading. Ends after `endInput` once all input left, or by `signal`. */
  messages(first: Request, signal: AbortSignal): AsyncGenerator<Request, void, void>;
  /** The server started or resumed at `offset`: input flows, and acks above the offset count. */
  connected(offset: number): void;
  /** Throws the waiting input away, and takes none until `connected`. */
  lost(): void;
  /**
   * Resolves when the bytes fit into the bound: true, or false when they were thrown away because the line is down.
   * Writes keep their order. The bytes are kept, not copied: do not change them afterwards.
   */
  write(bytes: Uint8Array): Promise<boolean>;
  /** The target has taken over so many bytes of this connection's input. */
  taken(bytes: number): void;
  resize(size: Size): void;
  ack(offset: number): void;
  answer(answer: Answer): void;
  hangUp(): void;
  /** Asks for a pong, ahead of what waits; the latest id wins, and is forgotten while the line is down. */
  ping(id: number): void;
  endInput(): void;
  /** Input bytes thrown away since the last time this was asked. */
  takeDiscardedBytes(): number;
}

/** A new outbox takes input at once, and holds it until the first `connected`. */
export function createOutbox(limitBytes: number = inputLimitBytes): Outbox {
  const input: Uint8Array[] = [];
  const answers: Answer[] = [];
  let queuedBytes = 0;
  let discardedBytes = 0;
  let sentBytes = 0;
  let takenBytes = 0;
  let size: Size | undefined;
  let seen = 0;
  let acked = Number.POSITIVE_INFINITY; // none due before the first `connected`
  let idle: ReturnType<typeof setTimeout> | undefined;
  let paused = false;
  let flowing = false;
  let taking = true;
  let ended = false;
  let hangUpAsked = false;
  let hangUpSent = false;
  let line = 0;
  let pingId: number | undefined;
  let wakeSender = () => {};
  let wakeWriters: (() => void)[] = [];
  let lastWrite: Promise<unknown> | undefined;

  function roomAgain() {
    const waiting = wakeWriters;
    wakeWriters = [];
    for (const wake of waiting) wake();
  }

  function next(): Request | undefined {
    const answer = answers.shift();
    if (answer !== undefined) return { event: { case: "answer", value: answer } };
    if (hangUpAsked && !hangUpSent) {
      hangUpSent = true;
      return { event: { case: "hangUp", value: {} } };
    }
    if (seen > acked && (seen - acked >= ackStepBytes || paused)) {
      acked = seen;
      return { event: { case: "ack", value: { offset: BigInt(seen) } } };
    }
    if (size !== undefined) {
      const value = size;
      size = undefined;
      return { event: { case: "resize", value } };
    }
    if (pingId !== undefined) {
      const value = { id: pingId };
      pingId = undefined;
      return { event: { case: "ping", value } };
    }
    const bytes = flowing && sentBytes - takenBytes < underWayBytes ? input.shift() : undefined;
    if (bytes === undefined) return undefined;
    queuedBytes -= bytes.length;
    sentBytes += bytes.length;
    roomAgain();
    return { event: { case: "input", value: bytes } };
  }

  async function put(bytes: Uint8Array): Promise<boolean> {
    let whole = true;
    for (let at = 0; at < bytes.length; at += chunkBytes) {
      const chunk = bytes.subarray(at, at + chunkBytes);
      const sameLine = line;
      while (taking && line === sameLine && queuedBytes > 0 && queuedBytes + chunk.length > limitBytes) {
        await new Promise<void>((resolve) => wakeWriters.push(resolve));
      }
      // The rest of a write that began on a lost line must not arrive without its beginning.
      if (!taking || line !== sameLine) {
        discardedBytes += bytes.length - at;
        whole = false;
        break;
      }
      input.push(chunk);
      queuedBytes += chunk.length;
      wakeSender();
    }
    return whole;
  }

  return {
    async *messages(first, signal) {
      hangUpSent = false;
      const wake = () => wakeSender();
      signal.addEventListener("abort", wake, { once: true });
      try {
        yield first;
        while (!signal.aborted) {
          const message = next();
          if (message !== undefined) yield message;
          else if (ended && flowing && queuedBytes === 0 && lastWrite === undefined) return;
          else
            await new Promise<void>((resolve) => {
              wakeSender = resolve;
              if (signal.aborted) resolve();
            });
        }
      } finally {
        signal.removeEventListener("abort", wake);
      }
    },
    connected(offset) {
      acked = offset;
      seen = Math.min(seen, offset); // of another incarnation, whose offsets may be higher
      flowing = true;
      taking = true;
      sentBytes = 0;
      takenBytes = 0;
      wakeSender();
    },
    lost() {
      line += 1;
      acked = Number.POSITIVE_INFINITY;
      flowing = false;
      taking = false;
      discardedBytes += queuedBytes;
      queuedBytes = 0;
      input.length = 0;
      answers.length = 0;
      pingId = undefined;
      clearTimeout(idle);
      idle = undefined;
      roomAgain();
    },
    write(bytes) {
      const turn = lastWrite === undefined ? put(bytes) : lastWrite.then(() => put(bytes));
      const mine = turn.finally(() => {
        if (lastWrite !== mine) return;
        lastWrite = undefined;
        wakeSender();
      });
      lastWrite = mine;
      return mine;
    },
    taken(bytes) {
      takenBytes = bytes;
      wakeSender();
    },
    resize(to) {
      size = to;
      wakeSender();
    },
    ack(offset) {
      if (offset <= seen && seen <= acked) return;
      seen = Math.max(seen, offset);
      paused = false;
      if (seen - acked >= ackStepBytes) wakeSender();
      else
        idle ??= setTimeout(() => {
          idle = undefined;
          paused = true;
          wakeSender();
        }, ackIdleMs);
    },
    answer(answer) {
      answers.push(answer);
      wakeSender();
    },
    hangUp() {
      hangUpAsked = true;
      wakeSender();
    },
    ping(id) {
      if (!flowing) return;
      pingId = id;
      wakeSender();
    },
    endInput() {
      ended = true;
      wakeSender();
    },
    takeDiscardedBytes() {
      const bytes = discardedBytes;
      discardedBytes = 0;
      return bytes;
    },
  };
}
