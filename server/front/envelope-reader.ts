/** The messages of a request body, read as they arrive; reading stops while too much waits to be taken. */
import { Code, ConnectError } from "@connectrpc/connect";

const prefixBytes = 5;
/** What a message costs beside its bytes: an empty one is not free. */
const messageBytes = 256;
/** So many pieces of one message are joined, so that a message sent byte by byte costs no more than its bytes. */
const joinFromPieces = 1024;

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
  /** Nobody reads any more: also drops what is ready. */
  stop(): void;
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
  let pieces: Buffer[] = [];
  let heldBytes = 0;
  /** With so many bytes held the next step can be made. */
  let neededBytes = prefixBytes;
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
    pieces = [];
    heldBytes = 0;
    goOn();
    rouse();
  };
  const stop = () => {
    ready.length = 0;
    readyBytes = 0;
    fail(new ConnectError("the call is over", Code.Canceled));
  };
  const takeMessages = () => {
    let held = pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces, heldBytes);
    neededBytes = prefixBytes;
    while (held.length >= prefixBytes) {
      const length = held.readUInt32BE(1);
      if (length > maxBytes)
        throw new ConnectError(`a message has ${length} bytes, at most ${maxBytes} are taken`, Code.ResourceExhausted);
      if (held[0] !== 0) throw new ConnectError("a message is compressed or malformed", Code.InvalidArgument);
      neededBytes = prefixBytes + length;
      if (held.length < neededBytes) break;
      ready.push({ message: parse(held.subarray(prefixBytes, neededBytes)), bytes: length + messageBytes });
      readyBytes += length + messageBytes;
      held = held.subarray(neededBytes);
      neededBytes = prefixBytes;
    }
    pieces = held.length === 0 ? [] : [held];
    heldBytes = held.length;
  };
  const push = (chunk: Buffer) => {
    if (over !== undefined) return;
    pieces.push(chunk);
    heldBytes += chunk.length;
    if (heldBytes < neededBytes) {
      if (pieces.length >= joinFromPieces) pieces = [Buffer.concat(pieces, heldBytes)];
      return;
    }
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
    over ??= heldBytes === 0 ? {} : { error: new ConnectError("a message is cut short", Code.InvalidArgument) };
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
  return { push, end, fail, stop, [Symbol.asyncIterator]: () => ({ next }) };
}
