/** One port for h2c, HTTP/1.1 and TLS: told apart by first bytes, timed out, counted, and closed without remainders. */
import { createServer as createHttpServer, type IncomingMessage } from "node:http";
import { createServer as createHttp2Server, createSecureServer, type ServerHttp2Session } from "node:http2";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { BartizanFault } from "../errors.ts";
import type { Clock } from "../flow/clock.ts";
import type { Log } from "../log.ts";
import type { Peer } from "../rpc/guard.ts";
import type { NodeRequest, NodeResponse, RequestListener } from "./adapter.ts";
import { keepAlive } from "./keep-alive.ts";
import { sniff } from "./sniff.ts";
import type { UpgradeListener } from "./ws-bridge.ts";

const headerBytes = 16 * 1024;
const headersTimeoutMs = 10_000;
const requestTimeoutMs = 15_000;
const windowBytes = 1024 * 1024;

export interface ListenOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** PEM texts; undefined: clear text only. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** True: clear text is answered too (loopback). */
  readonly clearText: boolean;
  readonly maxConnections: number;
  /** Of those, at most this many on which nobody has shown a token yet ... */
  readonly maxUnauthenticated: number;
  /** ... and none of them for longer than this. */
  readonly unauthenticatedMs: number;
  readonly pingMs: number;
}

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
  clock: Clock,
  log: Log,
): Promise<Front> {
  const sockets = new Set<Socket>();
  const sessions = new Set<ServerHttp2Session>();
  const strangers = new Set<Socket>();
  const peers = new Map<string, Peer>();
  let listeners: Listeners | undefined;

  const onRequest = (request: NodeRequest, response: NodeResponse) => {
    const peer = peers.get(remoteOf(request.socket));
    if (peer === undefined || listeners === undefined) response.destroy();
    else listeners.request(request, response, peer);
  };
  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const peer = peers.get(remoteOf(request.socket));
    if (peer === undefined || listeners === undefined) socket.destroy();
    else listeners.upgrade(request, socket, head, peer);
  };
  const settings = { maxConcurrentStreams: 256, initialWindowSize: windowBytes };
  const http2Options = { settings, maxHeaderListPairs: 100, maxSessionMemory: 10 };
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

  let warnedAtMs = Number.NEGATIVE_INFINITY;
  const warnOfCrowd = () => {
    const nowMs = clock.monotonicMs();
    if (nowMs - warnedAtMs < 60_000) return;
    warnedAtMs = nowMs;
    log.warn({ connections: sockets.size, unauthenticated: strangers.size }, "too many connections: some are closed");
  };

  const keep = (session: ServerHttp2Session) => {
    sessions.add(session);
    session.on("error", (error) => log.debug({ err: error }, "http2 session failed"));
    session.setLocalWindowSize(windowBytes);
    const ping = keepAlive(session, options.pingMs, clock);
    session.once("close", () => {
      ping[Symbol.dispose]();
      sessions.delete(session);
    });
  };
  clear2.on("session", keep);
  secure?.on("session", keep);
  for (const server of [clear2, clear1, secure])
    server?.on("clientError", (_error: Error, socket: Socket) => socket.destroy());
  secure?.on("tlsClientError", (_error: Error, socket: Socket) => socket.destroy());

  const server = createServer({ noDelay: true, keepAlive: true }, (socket) => {
    socket.on("error", (error) => log.debug({ err: error }, "socket failed"));
    // A crowd of strangers must not keep callers out: the one who waited longest without a token goes.
    if (
      strangers.size >= options.maxUnauthenticated ||
      (sockets.size >= options.maxConnections && strangers.size > 0)
    ) {
      const [longest] = strangers;
      longest?.destroy();
      if (longest !== undefined) strangers.delete(longest);
      warnOfCrowd();
    } else if (sockets.size >= options.maxConnections) {
      socket.destroy();
      warnOfCrowd();
      return;
    }
    sockets.add(socket);
    strangers.add(socket);
    const timer = clock.after(options.unauthenticatedMs, () => strangers.has(socket) && socket.destroy());
    const known = () => {
      strangers.delete(socket);
      timer[Symbol.dispose]();
    };
    socket.once("close", () => {
      known();
      sockets.delete(socket);
      peers.delete(remote);
    });
    const peer: Peer = { address: socket.remoteAddress ?? "", authenticated: known };
    const remote = remoteOf(socket);
    peers.set(remote, peer);
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
    connections: () => sockets.size,
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const session of sessions) session.close();
      clear1.close();
      clear2.close();
      secure?.close();
      // Calls have had their last word by now; a client that does not hang up is hung up on.
      await quiet(sockets, clock);
      for (const session of sessions) session.destroy();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** The far end, which names a connection through TLS sockets and HTTP/2's proxies alike. */
function remoteOf({ remoteAddress, remotePort }: Pick<Socket, "remoteAddress" | "remotePort">): string {
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
