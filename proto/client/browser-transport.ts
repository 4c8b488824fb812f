/** `bartizan/client/browser`: the transport for pages: unary calls by fetch, every stream by a WebSocket of its own. */

import type { Interceptor, Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { bearer } from "./bearer.ts";
import { createWsTransport, type WsTransportOptions } from "./ws-transport.ts";

export interface BrowserTransportOptions extends Pick<WsTransportOptions, "connect"> {
  /** The page's own origin, as a rule. */
  readonly baseUrl: string;
  readonly token?: string | (() => string) | undefined;
  readonly interceptors?: readonly Interceptor[] | undefined;
}

/**
 * Carries every call of the contract. Streams do not go by fetch even where they could: over HTTP/1.1, which is what a
 * browser speaks without TLS, all tabs together have six connections, and each open stream would hold one.
 */
export function createBrowserTransport(options: BrowserTransportOptions): Transport {
  const { baseUrl, token, connect } = options;
  const interceptors = [...(token === undefined ? [] : [bearer(token)]), ...(options.interceptors ?? [])];
  const unary = createConnectTransport({ baseUrl, useBinaryFormat: true, interceptors });
  const streams = createWsTransport({ baseUrl, interceptors, connect });
  return {
    unary: unary.unary.bind(unary),
    stream: streams.stream.bind(streams),
  };
}
