/** The messages of a request body, read as they arrive; reading stops while too much waits to be taken. */
import { Code, ConnectError } from "@connectrpc/connect";

const prefixBytes = 5;

/** Where the bytes come from, told when to stop and to go on. */
export interface Flow {
  pause(): void;
  resume(): void;
}

/** Bytes in, messages out. One reader. */
export interface EnvelopeReader<T> extends AsyncIterable<T> {
  /** Any piece of the body: its bounds mean nothing. Ignored after the end. The bytes must not change afterwards. */
  push(chunk: Buffer): void;
  /** The body is complete. */
  end(): void;
  /** Ends the iteration with this error, after what is ready; what still comes is dropped. */
  fail(error: unknown): void;
}

/**
 * Parses each message in the tick in which it arrives. Throws `ResourceExhausted` for one over `maxBytes`,
 * `InvalidArgument` for a broken or compressed one.
 */
export function createEnvelopeReader<T>(
  maxBytes: number,
  parse: (data: Uint8Array) => T,
  flow: Flow,
): EnvelopeReader<T> {
  const ready: { readonly message: T; readonly bytes: number }[] = [];
  let readyBytes = 0;
  let held: Buffer = Buffer.alloc(0);
  let over: { readonly error?: unknown } | undefined;
  let paused = false;
  let wake: (() => void) | undefined;
  const rouse = () => {
    wake?.();
    wake = undefined;
  };
  const goOn = () => {
    if (!paused) return;
    paused = false;
    flow.resume();
  };
  const fail = (error: unknown) => {
    over ??= { error };
    held = Buffer.alloc(0);
    goOn();
    rouse();
  };
  const takeMessages = () => {
    while (held.length >= prefixBytes) {
      const length = held.readUInt32BE(1);
      if (length > maxBytes)
        throw new ConnectError(`a message has ${length} bytes, at most ${maxBytes} are taken`, Code.ResourceExhausted);
      if (held[0] !== 0) throw new ConnectError("a message is compressed or malformed", Code.InvalidArgument);
      if (held.length < prefixBytes + length) break;
      ready.push({ message: parse(held.subarray(prefixBytes, prefixBytes + length)), bytes: length });
      readyBytes += length;
      held = held.subarray(prefixBytes + length);
    }
  };
  const push = (chunk: Buffer) => {
    if (over !== undefined) return;
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    try {
      takeMessages();
    } catch (error) {
      fail(error instanceof ConnectError ? error : new ConnectError("a message cannot be read", Code.InvalidArgument));
      return;
    }
    if (readyBytes > maxBytes && !paused) {
      paused = true;
      flow.pause();
    }
    rouse();
  };
  const end = () => {
    over ??= held.length === 0 ? {} : { error: new ConnectError("a message is cut short", Code.InvalidArgument) };
    rouse();
  };
  const next = async (): Promise<IteratorResult<T, undefined>> => {
    for (;;) {
      const first = ready.shift();
      if (first !== undefined) {
        readyBytes -= first.bytes;
        if (readyBytes <= maxBytes / 2) goOn();
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
  return { push, end, fail, [Symbol.asyncIterator]: () => ({ next }) };
}
