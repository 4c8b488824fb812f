/** From a Node request to a Connect handler: Host guard first, nothing thrown at the process, one line for what is refused. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { Code, ConnectError, type ConnectRouter, createContextValues } from "@connectrpc/connect";
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from "@connectrpc/connect-node";
import type { Clock } from "../flow/clock.ts";
import { printable } from "../flow/printable.ts";
import { rarely } from "../flow/rarely.ts";
import type { Log } from "../log.ts";
import { cookieOf, signInCookie } from "../rpc/cookies.ts";
import { cookieKey, type Peer, peerKey } from "../rpc/guard.ts";
import type { StreamMethod } from "../rpc/stream-method.ts";
import { callHeaders, strictTransport } from "./answer-headers.ts";
import type { AuthPages } from "./auth-pages.ts";
import { isDirect, serveDirect } from "./direct-stream.ts";
import type { HostGuard } from "./host-guard.ts";
import type { Page } from "./page.ts";
import type { CallNeeds } from "./stream-call.ts";
import { wrongHostPage, wrongHostPolicy } from "./wrong-host-page.ts";

const bodyTimeoutMs = 15_000;

export type NodeRequest = IncomingMessage | Http2ServerRequest;
export type NodeResponse = ServerResponse | Http2ServerResponse;
export type RequestListener = (request: NodeRequest, response: NodeResponse, peer: Peer) => void;

/** `GET` answers for people and probes, by path. */
export type PlainPages = Readonly<
  Record<string, () => { readonly status: number; readonly body: string; readonly type: string }>
>;

export interface AdapterNeeds {
  readonly router: ConnectRouter;
  /** Calls that go without the library, by path. */
  readonly streams: ReadonlyMap<string, StreamMethod>;
  readonly direct: CallNeeds;
  readonly guard: HostGuard;
  readonly pages: PlainPages;
  readonly page: Page;
  readonly auth: AuthPages;
  readonly clock: Clock;
  readonly log: Log;
  /** Browsers are told to come by TLS alone from now on, to this name, whatever the port. */
  readonly onlyTls: boolean;
  /** Told of each call that a page of another site made. */
  readonly onCrossSite: (address: string) => void;
}

/** The library's own adapter parses the Host outside any try/catch: one malformed request would end every shell. */
export function createAdapter(needs: AdapterNeeds): RequestListener {
  const { router, streams, direct, guard, pages, page, auth, clock, log, onCrossSite, onlyTls } = needs;
  const warn = rarely(clock, (kind, about: object, leftOut) => log.warn({ ...about, leftOut }, kind));
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  return (request, response, peer) => {
    // Errors of a response that its client left are not ours to handle, only not to crash on.
    response.on("error", (error: Error) => log.debug({ err: error }, "response failed"));
    try {
      if (onlyTls) response.setHeader(...strictTransport);
      const authority = request.headers[":authority"];
      const host = typeof authority === "string" ? authority : request.headers.host;
      if (!guard.host(host)) return refuseHost(request, response, host);
      const otherSite = () => {
        const { origin } = request.headers;
        onCrossSite(peer.address);
        warn("a call from another site was refused", { from: peer.address, origin: printable(origin ?? "", 100) });
        refuse(response, 403, "Calls from other sites are not allowed.");
      };
      if (!guard.origin(request.headers.origin)) return otherSite();
      const path = (request.url ?? "/").split("?", 1)[0] ?? "/";
      const handler = handlers.get(path);
      if (handler === undefined) {
        const known = Object.hasOwn(pages, path) ? pages[path] : undefined;
        if (known === undefined && (auth.serve(request, response, peer) || page.serve(request, response))) return;
        return plain(request, response, known);
      }
      if (!guard.site(request.headers["sec-fetch-site"])) return otherSite();
      for (const [name, value] of Object.entries(callHeaders)) response.setHeader(name, value);
      const cookie = guard.samePage(request.headers) ? cookieOf(request.headers.cookie, signInCookie) : undefined;
      const stream = streams.get(path);
      if (stream !== undefined && "stream" in request && isDirect(request.method, request.headers))
        return void serveDirect(request.stream, request.headers, stream, { peer, cookie }, direct);
      if (stream === undefined) limitBody(request, clock);
      const values = createContextValues().set(peerKey, peer).set(cookieKey, cookie);
      const universal = universalRequestFromNodeRequest(request, response, undefined, values);
      handler(universal)
        .then((answer) => universalResponseToNodeResponse(answer, response))
        .catch((error: unknown) => failed(error, response, log));
    } catch (error) {
      failed(error, response, log);
    }
  };
}

/** What is read whole has to come in time: over HTTP/2 nothing else sees to that. */
function limitBody(request: NodeRequest, clock: Clock): void {
  const timer = clock.after(bodyTimeoutMs, () => request.destroy());
  for (const event of ["end", "close"]) request.once(event, () => timer[Symbol.dispose]());
}

function plain(request: NodeRequest, response: NodeResponse, page: PlainPages[string] | undefined): void {
  if (page === undefined) refuse(response, 404, "There is nothing here.");
  else if (request.method !== "GET" && request.method !== "HEAD") refuse(response, 405, "Only GET.");
  else {
    const { status, body, type } = page();
    send(response, status, request.method === "HEAD" ? "" : body, type);
  }
}

/** A person gets a page, a program a line. */
function refuseHost(request: NodeRequest, response: NodeResponse, host: string | undefined): void {
  const forPerson = request.method === "GET" && (request.headers.accept ?? "").includes("text/html");
  const policy = { "content-security-policy": wrongHostPolicy };
  if (forPerson) send(response, 421, wrongHostPage(host), "text/html; charset=utf-8", policy);
  else refuse(response, 421, "This server does not answer to that host name.");
}

function refuse(response: NodeResponse, status: number, text: string): void {
  send(response, status, `${text}\n`);
}

function send(
  response: NodeResponse,
  status: number,
  body: string,
  type = "text/plain; charset=utf-8",
  also = {},
): void {
  if (response.headersSent) return;
  const headers = { ...callHeaders, "content-type": type, ...also };
  (response as ServerResponse).writeHead(status, headers);
  response.end(body);
}

/** A client that left is no news; anything else is. */
function failed(error: unknown, response: NodeResponse, log: Log): void {
  const code = ConnectError.from(error).code;
  const level = code === Code.Canceled || code === Code.Aborted || response.destroyed ? "debug" : "warn";
  log[level]({ err: error }, "call failed");
  try {
    if (response.headersSent) response.destroy();
    else refuse(response, 400, "The request could not be read.");
  } catch (again) {
    log.debug({ err: again }, "response failed");
  }
}
