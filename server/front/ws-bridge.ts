/**
 * Streaming calls over WebSockets, for browsers, which have no other way to stream both ways: one WebSocket for each call,
 * to the call's own path. Text frames carry what HTTP would say around the body (socket-frames.ts), binary frames the body
 * of the Connect protocol, cut anywhere. The same guard, limits and handlers as over HTTP/2.
 */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { Code, ConnectError } from "@connectrpc/connect";
import { type WebSocket, WebSocketServer } from "ws";
import type { Clock } from "../flow/clock.ts";
import { cookieOf, signInCookie } from "../rpc/cookies.ts";
import type { Peer } from "../rpc/guard.ts";
import type { StreamMethod } from "../rpc/stream-method.ts";
import { callHeaders } from "./answer-headers.ts";
import type { HostGuard } from "./host-guard.ts";
import { aliveFrame, readClientFrame, responseFrame } from "./socket-frames.ts";
import { type CallNeeds, type CallRequest, type Carrier, contentType, serveCall } from "./stream-call.ts";

/** What client and server agree on in the handshake. */
const subprotocol = "bartizan.v1";
/** A response goes on while the client has this much not taken over yet. */
const windowBytes = 512 * 1024;
/** The longest that timers can wait (2^31 - 1 ms); what is longer they take for no time at all. */
const longestTimeoutMs = 2_147_483_647;
const headersWithinMs = 5_000;
const closeWithinMs = 5_000;

const lastWordMark = Buffer.from("heard");

const closeCodes = { done: 1000, stopping: 1012, malformed: 4400, silent: 4408 } as const;

export type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer, peer: Peer) => void;

export interface WsBridgeNeeds {
  /** What can be called, by path. */
  readonly streams: ReadonlyMap<string, StreamMethod>;
  readonly call: CallNeeds;
  readonly guard: HostGuard;
  readonly clock: Clock;
  /** Told of each socket that a page of another site asked for. */
  readonly onCrossSite: (address: string) => void;
  /** A connection is asked for a sign of life this often, and given one; one miss ends it, and with it its call. */
  readonly pingMs: number;
}

/** Takes every upgrade request over: answered by a call, or refused and hung up. */
export function createWsBridge(needs: WsBridgeNeeds): UpgradeListener {
  const { streams, guard, call } = needs;
  const server = new WebSocketServer({
    ...{ noServer: true, clientTracking: false, perMessageDeflate: false },
    maxPayload: call.maxMessageBytes + 1024,
    ...{ closeTimeout: closeWithinMs }, // its types do not know it yet
    handleProtocols: () => subprotocol,
  });
  return (request, raw, head, peer) => {
    raw.on("error", (error) => call.log.debug({ err: error }, "websocket failed"));
    const path = (request.url ?? "/").split("?", 1)[0] ?? "/";
    const spec = streams.get(path);
    const offered = (request.headers["sec-websocket-protocol"] ?? "").split(",").map((each) => each.trim());
    if (!guard.host(request.headers.host)) return refuse(raw, "421 Misdirected Request", "Not this server's name.");
    if (!guard.ownOrigin(request.headers.origin) || !guard.site(request.headers["sec-fetch-site"])) {
      // Without an Origin it is no browser's.
      if (request.headers.origin !== undefined) needs.onCrossSite(peer.address);
      return refuse(raw, "403 Forbidden", "Only this server's own page may do this.");
    }
    if (spec === undefined) return refuse(raw, "404 Not Found", "There is no such stream.");
    if (!offered.includes(subprotocol))
      return refuse(raw, "400 Bad Request", `The subprotocol ${subprotocol} is missing.`);
    const url = `http://${request.headers.host}${path}`;
    // Of the upgrade, not of the frame with the call's headers, which a script writes.
    const cookie = guard.samePage(request.headers) ? cookieOf(request.headers.cookie, signInCookie) : undefined;
    server.handleUpgrade(request, raw, head, (socket) => serveSocket(socket, raw, spec, { url, peer, cookie }, needs));
  };
}

function refuse(raw: Duplex, status: string, text: string): void {
  const body = `${text}\n`;
  const headers = Object.entries({
    ...{ ...callHeaders, connection: "close", "content-type": "text/plain; charset=utf-8" },
    "content-length": body.length,
  }).map(([name, value]) => `${name}: ${value}`);
  raw.once("finish", () => raw.destroy());
  raw.end(`HTTP/1.1 ${status}\r\n${headers.join("\r\n")}\r\n\r\n${body}`);
}

/** The call begins with its headers and ends with the socket, or the socket with the call. */
function serveSocket(
  socket: WebSocket,
  raw: Duplex,
  spec: StreamMethod,
  from: Pick<CallRequest, "url" | "peer" | "cookie">,
  { call, clock, pingMs }: WsBridgeNeeds,
): void {
  const { carrier, hear, sayAlive } = carrierOf(socket, raw, call.shutdown, pingMs);
  let alive = true;
  let begun = false;
  const late = clock.after(headersWithinMs, () => socket.close(closeCodes.silent, "the headers did not come in time"));
  const pings = clock.every(pingMs, () => {
    if (begun) sayAlive();
    // What is not read cannot be heard.
    if (socket.isPaused) return;
    if (!alive) return socket.terminate();
    alive = false;
    socket.ping();
  });
  socket.on("pong", () => {
    alive = true;
  });
  socket.on("error", (error) => call.log.debug({ err: error }, "websocket failed"));
  socket.once("close", () => {
    late[Symbol.dispose]();
    pings[Symbol.dispose]();
  });
  socket.on("message", (data: Buffer, isBinary: boolean) => {
    alive = true;
    if (begun) return hear(data, isBinary);
    const frame = isBinary ? undefined : readClientFrame(data);
    const form = frame?.kind === "headers" ? formOf(frame.header) : undefined;
    if (form === undefined) return socket.close(closeCodes.malformed, "the first frame must bring the call's headers");
    begun = true;
    late[Symbol.dispose]();
    void serveCall(spec, { ...from, ...form }, carrier, call);
  });
}

/** What of the headers decides how the call is read; undefined for a form that is not served here. */
function formOf(header: Headers): { readonly header: Headers; readonly timeoutMs?: number } | undefined {
  if (header.get("content-type") !== contentType) return undefined;
  if ((header.get("connect-content-encoding") ?? "identity") !== "identity") return undefined;
  const timeout = header.get("connect-timeout-ms");
  if (timeout === null) return { header };
  if (!/^\d{1,10}$/.test(timeout)) return undefined;
  return { header, timeoutMs: Math.min(Number(timeout), longestTimeoutMs) };
}

/** `hear` takes every frame after the headers; `sayAlive` is called every `aliveMs` once these have come. */
function carrierOf(
  socket: WebSocket,
  raw: Duplex,
  shutdown: AbortSignal,
  aliveMs: number,
): {
  readonly carrier: Carrier;
  readonly hear: (data: Buffer, isBinary: boolean) => void;
  readonly sayAlive: () => void;
} {
  let body: Parameters<Carrier["read"]>[0] | undefined;
  let gone = () => {};
  let answered = false;
  let sentBytes = 0;
  let takenBytes = 0;
  let wake: (() => void) | undefined;
  const hasRoom = () =>
    socket.readyState !== socket.OPEN || (!raw.writableNeedDrain && sentBytes - takenBytes <= windowBytes);
  const look = () => {
    if (wake === undefined || !hasRoom()) return;
    wake();
    wake = undefined;
  };
  const answer = () => {
    if (!answered) socket.send(responseFrame(200, contentType, aliveMs));
    answered = true;
  };
  const sayAlive = () => {
    // What still waits to be sent will say as much.
    if (socket.readyState !== socket.OPEN || socket.bufferedAmount > 0) return;
    answer();
    socket.send(aliveFrame);
  };
  const send = (bytes: Uint8Array) => {
    if (socket.readyState !== socket.OPEN) return;
    answer();
    sentBytes += bytes.length;
    socket.send(bytes);
  };
  raw.on("drain", look);
  socket.once("close", () => {
    gone();
    look();
  });
  const hear = (data: Buffer, isBinary: boolean) => {
    if (isBinary) return body?.push(data);
    const frame = readClientFrame(data);
    if (frame?.kind === "end") body?.end();
    else if (frame?.kind === "taken" && frame.bytes <= sentBytes) {
      takenBytes = Math.max(takenBytes, frame.bytes);
      look();
    } else body?.fail(new ConnectError("a text frame says nothing that is known", Code.InvalidArgument));
  };
  const carrier: Carrier = {
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    read(reader) {
      body = reader;
    },
    onGone(call) {
      gone = call;
      if (socket.readyState !== socket.OPEN) call();
    },
    write(pieces) {
      send(pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces));
      return hasRoom() ? undefined : new Promise((resolve) => (wake = resolve));
    },
    heard: () =>
      new Promise((resolve) => {
        if (socket.readyState !== socket.OPEN) return resolve();
        socket.once("close", () => resolve());
        // Its payload comes back with the pong (RFC 6455, 5.5.3): the keep-alive's pongs have none.
        socket.on("pong", (data) => data.equals(lastWordMark) && resolve());
        socket.ping(lastWordMark);
      }),
    finish(last) {
      gone = () => {};
      send(last);
      socket.close(shutdown.aborted ? closeCodes.stopping : closeCodes.done);
    },
  };
  return { carrier, hear, sayAlive };
}
