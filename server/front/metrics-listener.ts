/** A listener of its own for the figures: one path, no calls, no page. Whoever reaches it reads; nobody can change a thing. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { BartizanFault } from "../errors.ts";
import type { Log } from "../log.ts";
import { createHostGuard } from "./host-guard.ts";

export interface MetricsListenerOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** True: only this machine reaches it, so only this machine's names are answered to. */
  readonly loopback: boolean;
  readonly metrics: { readonly contentType: string; text(): Promise<string> };
  readonly log: Log;
}

export interface MetricsListener extends AsyncDisposable {
  readonly port: number;
}

/** Throws `config` when the address is taken or not allowed. */
export async function listenForMetrics(options: MetricsListenerOptions): Promise<MetricsListener> {
  const { host, port, loopback, metrics, log } = options;
  const limits = { maxHeaderSize: 8192, headersTimeout: 5000, requestTimeout: 5000, keepAliveTimeout: 65_000 };
  let answersTo = (_host: string | undefined) => !loopback;
  const server = createServer(limits, (request, response) => {
    const answer = (status: number, body: string, type = "text/plain; charset=utf-8") =>
      response
        .writeHead(status, { "content-type": type, "cache-control": "no-store", "x-content-type-options": "nosniff" })
        .end(request.method === "HEAD" ? "" : body);
    // A web page in a browser on this machine reaches loopback, too (DNS rebinding).
    if (!answersTo(request.headers.host)) answer(421, "This server does not answer to that host name.\n");
    else if ((request.url ?? "").split("?", 1)[0] !== "/metrics") answer(404, "There is nothing here but /metrics.\n");
    else if (request.method !== "GET" && request.method !== "HEAD") answer(405, "Only GET.\n");
    else
      metrics.text().then(
        (text) => answer(200, text, metrics.contentType),
        (error) => {
          log.error({ err: error }, "the figures could not be read");
          answer(500, "The figures could not be read.\n");
        },
      );
  });
  server.maxConnections = 64;
  server.on("clientError", (_error, socket) => socket.destroy());
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen({ host, port }, resolve);
  try {
    await promise;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "unknown error";
    throw new BartizanFault("config", `Cannot listen on ${host}:${port} for metrics (${code}).`, "", error);
  }
  const bound = (server.address() as AddressInfo).port;
  if (loopback)
    answersTo = createHostGuard(["127.0.0.1", "::1", "localhost", host], bound, { http: true, https: false }).host;
  return {
    port: bound,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
