/** One port for h2c, HTTP/1.1 and TLS: told apart by first bytes, timed out, counted, and closed without remainders. */
import { createServer as createHttpServer, type IncomingMessage } from "node:http";
import { createServer as createHttp2Server, createSecureServer, type ServerHttp2Session } from "node:http2";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { BartizanFault } from "../errors.ts";
import { hostOf, netOf } from "../flow/address.ts";
import type { Clock } from "../flow/clock.ts";
import { rarely } from "../flow/rarely.ts";
import type { Log } from "../log.ts";
import type { Peer } from "../rpc/guard.ts";
import type { NodeRequest, NodeResponse, RequestListener } from "./adapter.ts";
import { type CrowdLimits, createCrowd } from "./crowd.ts";
import { type Http2Rates, type Http2Watch, usualHttp2Rates, watchHttp2 } from "./http2-watch.ts";
import { keepAlive } from "./keep-alive.ts";
import { createPenalties, type StrikeLimits } from "./penalties.ts";
import { sniff } from "./sniff.ts";
import type { TrustedProxies } from "./trusted-proxies.ts";
import type { UpgradeListener } from "./ws-bridge.ts";

const headerBytes = 16 * 1024;
const headersTimeoutMs = 10_000;
const requestTimeoutMs = 15_000;
const windowBytes = 1024 * 1024;
const lookMs = 1_000;
const abuseStrikes = 20;

export interface ListenOptions extends CrowdLimits {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** PEM texts; undefined: clear text only. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** True: clear text is answered too (loopback). */
  readonly clearText: boolean;
  /** No connection stays for longer than this before somebody has shown a token on it. */
  readonly unauthenticatedMs: number;
  readonly pingMs: number;
  readonly http2Rates: Http2Rates;
  /** An HTTP/2 connection without a call for so long is closed. */
  readonly http2IdleMs: number;
  /** For each address that breaks the protocol (one strike) or asks too much (as many as put it out for long). */
  readonly strikes: StrikeLimits;
}

/** What holds unless a test says otherwise. */
export const usualLimits = {
  maxConnections: 4096,
  maxUnauthenticated: 256,
  maxPerSource: 1024,
  maxUnauthenticatedPerSource: 128,
  unauthenticatedMs: 10_000,
  http2IdleMs: 300_000,
  http2Rates: usualHttp2Rates,
  strikes: { burst: 10, everyMs: 1_000 },
};

export interface Front extends AsyncDisposable {
  readonly port: number;
  /** Open now. */
  connections(): number;
}

export interface Listeners {
  readonly request: RequestListener;
  readonly upgrade: UpgradeListener;
}

/** The listeners may be built once the port is known. Throws `config` when the address is taken or not allowed. */
export async function listen(
  options: ListenOptions,
  listenersFor: (port: number) => Listeners,
  { clock, log, proxies }: { readonly clock: Clock; readonly log: Log; readonly proxies: TrustedProxies },
): Promise<Front> {
  const sessions = new Map<ServerHttp2Session, Http2Watch>();
  const peers = new Map<string, { readonly peer: Peer; readonly socket: Socket }>();
  let listeners: Listeners | undefined;

  const peerOf = (request: NodeRequest): Peer | undefined => {
    const peer = peers.get(remoteOf(request.socket))?.peer;
    if (peer === undefined) return undefined;
    const address = proxies.callerOf(peer.address, request.headers["x-forwarded-for"]);
    return address === peer.address ? peer : { ...peer, address };
  };
  const onRequest = (request: NodeRequest, response: NodeResponse) => {
    const peer = peerOf(request);
    if (peer === undefined || listeners === undefined) response.destroy();
    else listeners.request(request, response, peer);
  };
  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const peer = peerOf(request);
    if (peer === undefined || listeners === undefined) socket.destroy();
    else listeners.upgrade(request, socket, head, peer);
  };
  const settings = {
    ...{ maxConcurrentStreams: 256, initialWindowSize: windowBytes, maxHeaderListSize: headerBytes },
    enableConnectProtocol: false,
  };
  const http2Options = {
    ...{ settings, maxHeaderListPairs: 100, maxSessionMemory: 10, maxSettings: 16, maxSessionInvalidFrames: 100 },
    ...{ streamResetBurst: 1_000, streamResetRate: 50 },
  };
  const http1Options = {
    maxHeaderSize: headerBytes,
    headersTimeout: headersTimeoutMs,
    requestTimeout: requestTimeoutMs,
    connectionsCheckingInterval: 1000,
    // Any other upgrade is an offer that may be ignored (RFC 9110, 7.8): some clients make one for h2c.
    shouldUpgradeCallback: (request: IncomingMessage) => request.headers.upgrade?.toLowerCase() === "websocket",
  };
  const clear2 = createHttp2Server(http2Options, onRequest);
  const clear1 = createHttpServer(http1Options, onRequest);
  const secure =
    options.tls &&
    createSecureServer({ ...http2Options, ...http1Options, ...options.tls, allowHTTP1: true }, onRequest);
  clear1.on("upgrade", onUpgrade);
  secure?.on("upgrade", onUpgrade);
  // Header and request timers are armed on this event only, and these servers never listen themselves.
  clear1.emit("listening");
  secure?.emit("listening");

  const warn = rarely(clock, (kind, about: object, leftOut) => log.warn({ ...about, leftOut }, kind));
  const penalties = createPenalties(options.strikes, clock);
  const crowd = createCrowd(options, () =>
    warn("too many connections: some are closed", {
      ...{ connections: crowd.sockets.size, unauthenticated: crowd.strangers.size },
    }),
  );

  const keep = (session: ServerHttp2Session) => {
    const { peer, socket } = peers.get(remoteOf(session.socket)) ?? {};
    const strike = (strikes: number) => {
      if (peer !== undefined && !proxies.trusts(peer.address)) penalties.strike(hostOf(peer.address), strikes);
    };
    session.on("error", (error: NodeJS.ErrnoException) => {
      log.debug({ err: error }, "http2 session failed");
      // What nghttp2 could not take; a client that leaves with a code of its own (ERR_HTTP2_SESSION_ERROR) breaks nothing.
      if (error.code === "ERR_HTTP2_ERROR") strike(1);
    });
    session.setLocalWindowSize(windowBytes);
    const watch = watchHttp2(session, {
      ...{ rates: options.http2Rates, idleMs: options.http2IdleMs, clock },
      bytesRead: () => socket?.bytesRead ?? 0,
      isStranger: () => socket !== undefined && crowd.strangers.has(socket),
      onAbuse: (kind) => {
        warn("an HTTP/2 connection asks too much: closed", { kind, from: peer?.address });
        strike(abuseStrikes);
      },
    });
    sessions.set(session, watch);
    const ping = keepAlive(session, options.pingMs, clock);
    session.once("close", () => {
      ping[Symbol.dispose]();
      sessions.delete(session);
    });
  };
  const looking = clock.every(lookMs, () => {
    for (const watch of sessions.values()) watch.look();
  });
  clear2.on("session", keep);
  secure?.on("session", keep);
  for (const server of [clear2, clear1, secure])
    server?.on("clientError", (_error: Error, socket: Socket) => socket.destroy());
  secure?.on("tlsClientError", (_error: Error, socket: Socket) => socket.destroy());

  const server = createServer({ noDelay: true, keepAlive: true }, (socket) => {
    socket.on("error", (error) => log.debug({ err: error }, "socket failed"));
    const address = socket.remoteAddress ?? "";
    if (penalties.isOut(hostOf(address))) return void socket.destroy();
    if (!crowd.enter(socket, proxies.trusts(address) ? undefined : netOf(address))) return;
    const timer = clock.after(options.unauthenticatedMs, () => crowd.strangers.has(socket) && socket.destroy());
    const known = () => {
      crowd.known(socket);
      timer[Symbol.dispose]();
    };
    const remote = remoteOf(socket);
    socket.once("close", () => {
      timer[Symbol.dispose]();
      peers.delete(remote);
    });
    peers.set(remote, { peer: { address, authenticated: known }, socket });
    sniff(socket, (kind) => {
      if (kind === "tls" ? secure === undefined : !options.clearText) socket.destroy();
      else if (kind === "tls") secure?.emit("connection", socket);
      else (kind === "http2" ? clear2 : clear1).emit("connection", socket);
    });
  });
  const port = await bound(server, options);
  listeners = listenersFor(port);

  return {
    port,
    connections: () => crowd.sockets.size,
    [Symbol.asyncDispose]: async () => {
      looking[Symbol.dispose]();
      const closed = new Promise((resolve) => server.close(resolve));
      for (const session of sessions.keys()) session.close();
      clear1.close();
      clear2.close();
      secure?.close();
      // Calls have had their last word by now; a client that does not hang up is hung up on.
      await quiet(crowd.sockets, clock);
      for (const session of sessions.keys()) session.destroy();
      for (const socket of crowd.sockets) socket.destroy();
      await closed;
    },
  };
}

/** The far end, which names a connection through TLS sockets and HTTP/2's proxies alike. */
function remoteOf({
  remoteAddress,
  remotePort,
}: {
  remoteAddress?: string | undefined;
  remotePort?: number | undefined;
}): string {
  return `${remoteAddress} ${remotePort}`;
}

async function quiet(sockets: ReadonlySet<Socket>, clock: Clock): Promise<void> {
  const limit = Promise.withResolvers<void>();
  using _timer = clock.after(1000, limit.resolve);
  const closed = Array.from(sockets, (socket) => new Promise((resolve) => socket.once("close", resolve)));
  await Promise.race([Promise.all(closed), limit.promise]);
}

async function bound(server: Server, { host, port }: ListenOptions): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen({ host, port }, resolve);
  try {
    await promise;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "unknown error";
    const hint = code === "EADDRINUSE" ? "Another program listens there: stop it, or choose another port." : "";
    throw new BartizanFault("config", `Cannot listen on ${host}:${port} (${code}).`, hint, error);
  }
  return (server.address() as AddressInfo).port;
}
