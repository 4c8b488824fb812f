/** The messages of a request body, read as they arrive; reading stops while too much waits to be taken. */
import type { Readable } from "node:stream";
import { Code, ConnectError } from "@connectrpc/connect";

const prefixBytes = 5;

export interface EnvelopeReader<T> extends AsyncIterable<T> {
  /** Ends the iteration with this error, and the reading. */
  fail(error: unknown): void;
}

/**
 * Parses each message in the tick in which it arrives. Throws `ResourceExhausted` for one over `maxBytes`,
 * `InvalidArgument` for a broken or compressed one. One reader.
 */
export function readEnvelopes<T>(body: Readable, maxBytes: number, parse: (data: Uint8Array) => T): EnvelopeReader<T> {
  const ready: { readonly message: T; readonly bytes: number }[] = [];
  let readyBytes = 0;
  let held: Buffer = Buffer.alloc(0);
  let over: { readonly error?: unknown } | undefined;
  let wake: (() => void) | undefined;
  const rouse = () => {
    wake?.();
    wake = undefined;
  };
  const fail = (error: unknown) => {
    over ??= { error };
    body.off("data", take);
    body.resume();
    rouse();
  };
  const take = (chunk: Buffer) => {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    try {
      while (held.length >= prefixBytes) {
        const length = held.readUInt32BE(1);
        if (length > maxBytes)
          throw new ConnectError(
            `a message has ${length} bytes, at most ${maxBytes} are taken`,
            Code.ResourceExhausted,
          );
        if (held[0] !== 0) throw new ConnectError("a message is compressed or malformed", Code.InvalidArgument);
        if (held.length < prefixBytes + length) break;
        ready.push({ message: parse(held.subarray(prefixBytes, prefixBytes + length)), bytes: length });
        readyBytes += length;
        held = held.subarray(prefixBytes + length);
      }
    } catch (error) {
      fail(error instanceof ConnectError ? error : new ConnectError("a message cannot be read", Code.InvalidArgument));
    }
    if (readyBytes > maxBytes) body.pause();
    rouse();
  };
  body.on("data", take);
  body.once("end", () => {
    over ??= held.length === 0 ? {} : { error: new ConnectError("a message is cut short", Code.InvalidArgument) };
    rouse();
  });
  const next = async (): Promise<IteratorResult<T, undefined>> => {
    for (;;) {
      const first = ready.shift();
      if (first !== undefined) {
        readyBytes -= first.bytes;
        if (body.isPaused() && readyBytes <= maxBytes / 2) body.resume();
        return { done: false, value: first.message };
      }
      if (over !== undefined) {
        if ("error" in over) throw over.error;
        return { done: true, value: undefined };
      }
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  return { fail, [Symbol.asyncIterator]: () => ({ next }) };
}
