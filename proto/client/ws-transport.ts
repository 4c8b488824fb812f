/**
 * Streams over WebSockets, one for each call, for browsers: fetch cannot stream both ways, and has six connections for all
 * tabs of a page that is not served by HTTP/2. The server's half is server/front/ws-bridge.ts.
 */

import { Code, ConnectError, type Interceptor, type Transport } from "@connectrpc/connect";
import type { UniversalClientFn, UniversalClientRequest } from "@connectrpc/connect/protocol";
import { createTransport } from "@connectrpc/connect/protocol-connect";

export interface WsTransportOptions {
  /** "http://..." is called as "ws://...", "https://..." as "wss://...". */
  readonly baseUrl: string;
  readonly interceptors?: readonly Interceptor[] | undefined;
  /** Makes the socket; for surroundings where the origin must be told. Default: the global WebSocket. */
  readonly connect?: ((url: string, subprotocol: string) => WebSocket) | undefined;
}

const subprotocol = "bartizan.v1";
/** A frame carries at most this much of a body. */
const frameBytes = 64 * 1024;
/** The next frame waits while the socket has more than this to send. */
const sendAheadBytes = 256 * 1024;
const sendAgainMs = 10;
/** The server is told each time so much more was taken over; it keeps at most 512 KiB under way. */
const tellTakenBytes = 64 * 1024;
const canceled = 4000;
const messageTooBig = 1009;

/**
 * Carries streaming calls of any kind, and no others. A lost connection is an error with code Unavailable; so is one that
 * is silent for two and a half times as long as the server said it would ever be. Leaving the response unread holds the
 * server back: at most 512 KiB are under way or wait here.
 */
export function createWsTransport(options: WsTransportOptions): Transport {
  const { baseUrl, interceptors = [], connect = (url, protocol) => new WebSocket(url, protocol) } = options;
  const transport = createTransport({
    httpClient: callOver(connect),
    baseUrl,
    useBinaryFormat: true,
    interceptors: [...interceptors],
    acceptCompression: [],
    sendCompression: null,
    compressMinBytes: 0,
    readMaxBytes: 16 * 1024 * 1024,
    writeMaxBytes: 1024 * 1024,
  });
  return {
    unary: () => Promise.reject(new ConnectError("this transport carries streams only", Code.Unimplemented)),
    stream: transport.stream.bind(transport),
  };
}

function callOver(connect: (url: string, subprotocol: string) => WebSocket): UniversalClientFn {
  return async (request) => {
    request.signal?.throwIfAborted();
    const socket = connect(`${request.url.replace(/^http/, "ws")}${route(request.header)}`, subprotocol);
    socket.binaryType = "arraybuffer";
    const tell = (bytes: number) => {
      if (socket.readyState === socket.OPEN) socket.send(JSON.stringify({ taken: bytes }));
    };
    const answer = createAnswer(tell, () => socket.close(canceled));
    const cancel = () => {
      answer.fail(request.signal?.reason ?? new ConnectError("the call was canceled", Code.Canceled));
      socket.close(canceled);
    };
    request.signal?.addEventListener("abort", cancel, { once: true });
    socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => answer.hear(data);
    const closed = new Promise<void>((resolve) => {
      socket.onclose = ({ code }) => {
        request.signal?.removeEventListener("abort", cancel);
        answer.close(code);
        resolve();
      };
    });
    socket.onopen = () => {
      socket.send(JSON.stringify({ headers: [...request.header] }));
      send(socket, request.body, closed).catch((error: unknown) => {
        answer.fail(error);
        socket.close(canceled);
      });
    };
    const { status, headers } = await answer.head;
    return { status, header: new Headers(headers), trailer: new Headers(), body: answer.body };
  };
}

/** A WebSocket has no headers of its own: what a balancer is to know stands in its address. */
function route(header: Headers): string {
  const node = header.get("bartizan-node");
  return node === null ? "" : `?bartizan_node=${encodeURIComponent(node)}`;
}

/** Ends when the body has, or when the socket is closed. */
async function send(socket: WebSocket, body: UniversalClientRequest["body"], closed: Promise<void>): Promise<void> {
  for await (const bytes of body ?? []) {
    for (let at = 0; at < bytes.length; at += frameBytes) {
      // The classic WebSocket tells by no event that it has room again.
      while (socket.readyState === socket.OPEN && socket.bufferedAmount > sendAheadBytes)
        await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, sendAgainMs))]);
      if (socket.readyState !== socket.OPEN) return;
      socket.send(bytes.slice(at, at + frameBytes));
    }
  }
  if (socket.readyState === socket.OPEN) socket.send(JSON.stringify({ end: true }));
}

interface Head {
  readonly status: number;
  readonly headers: [string, string][];
  /** The server is never silent for longer; older ones do not say. */
  readonly aliveMs?: unknown;
}

interface Answer {
  /** Rejects when the answer failed before it began. */
  readonly head: Promise<Head>;
  hear(data: string | ArrayBuffer): void;
  close(code: number): void;
  fail(error: unknown): void;
  /** The response's bytes, for one reader. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** Calls once when nothing was heard for 2.5 to 3 times `aliveMs`; never when that is no time a timer can wait. */
function listenFor(aliveMs: unknown, onSilence: () => void): { heard(): void; stop(): void } {
  if (typeof aliveMs !== "number" || !(aliveMs >= 1 && aliveMs < 2 ** 31)) return { heard() {}, stop() {} };
  let heardAtMs = performance.now();
  let suspected = false;
  const looks = setInterval(() => {
    if (performance.now() - heardAtMs < 2 * aliveMs) return;
    // A page that slept may have what came meanwhile still before it: only the second look in a row counts.
    if (!suspected) {
      suspected = true;
      return;
    }
    clearInterval(looks);
    onSilence();
  }, aliveMs / 2);
  return {
    heard() {
      heardAtMs = performance.now();
      suspected = false;
    },
    stop: () => clearInterval(looks),
  };
}

/**
 * Gathers one response; `tell` says how many of its bytes were taken over so far, `leave` closes the connection when the
 * reader goes before their end, or the server has fallen silent.
 */
function createAnswer(tell: (takenBytes: number) => void, leave: () => void): Answer {
  const head = Promise.withResolvers<Head>();
  head.promise.catch(() => {}); // whoever waits for it hears of it
  const waiting: Uint8Array[] = [];
  let over: { readonly error?: unknown } | undefined;
  let wake = () => {};
  let silence: ReturnType<typeof listenFor> | undefined;
  let takenBytes = 0;
  let toldBytes = 0;
  const finish = (how: { readonly error?: unknown }) => {
    over ??= how;
    silence?.stop();
    if ("error" in over) head.reject(over.error);
    wake();
  };
  const next = async (): Promise<IteratorResult<Uint8Array, undefined>> => {
    for (;;) {
      const bytes = waiting.shift();
      if (bytes !== undefined) {
        takenBytes += bytes.length;
        if (takenBytes - toldBytes >= tellTakenBytes) {
          toldBytes = takenBytes;
          tell(takenBytes);
        }
        return { done: false, value: bytes };
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
  return {
    head: head.promise,
    hear(data) {
      if (over !== undefined) return;
      silence?.heard();
      if (typeof data !== "string") {
        waiting.push(new Uint8Array(data));
        wake();
        return;
      }
      if (silence !== undefined) return; // the server is alive, and that is all it says
      try {
        const first = JSON.parse(data) as Head;
        silence = listenFor(first.aliveMs, () => {
          // First the word, then the close: over a dead network that can take minutes.
          finish({ error: new ConnectError("the connection was lost (silence)", Code.Unavailable) });
          leave();
        });
        head.resolve(first);
      } catch {
        finish({ error: new ConnectError("the server's first frame cannot be read", Code.Internal) });
      }
    },
    close(code) {
      // A complete response ends with a message that says so: without it, even code 1000 is a loss.
      if (code === 1000 || code === 1012) finish({});
      else if (code === messageTooBig)
        finish({ error: new ConnectError("a message is too big", Code.ResourceExhausted) });
      else finish({ error: new ConnectError(`the connection was lost (${code})`, Code.Unavailable) });
      head.reject(new ConnectError(`the connection was lost (${code})`, Code.Unavailable));
    },
    fail: (error) => finish({ error }),
    body: {
      [Symbol.asyncIterator]: () => ({
        next,
        // Connect calls these from outside when the call is aborted: they must not stand in line behind a `next`.
        async return() {
          leave();
          finish({});
          return { done: true, value: undefined };
        },
        async throw(error: unknown) {
          leave();
          finish({ error });
          throw error;
        },
      }),
    },
  };
}
