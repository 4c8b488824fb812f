/** `bartizan/client/browser`: the transport for pages: unary calls and server streams, which is what fetch can carry. */

import type { Interceptor, Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { bearer } from "./bearer.ts";

export interface BrowserTransportOptions {
  /** The page's own origin, as a rule. */
  readonly baseUrl: string;
  readonly token?: string | (() => string) | undefined;
  readonly interceptors?: readonly Interceptor[] | undefined;
}

/** Carries lists, Watch and Kick. Shell needs a stream both ways: browsers refuse it before any traffic. */
export function createBrowserTransport(options: BrowserTransportOptions): Transport {
  const { baseUrl, token, interceptors = [] } = options;
  return createConnectTransport({
    baseUrl,
    useBinaryFormat: true,
    interceptors: [...(token === undefined ? [] : [bearer(token)]), ...interceptors],
  });
}
