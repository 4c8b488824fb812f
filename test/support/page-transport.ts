/** The transport of pages, run by Node: its WebSockets say which origin they come from, as a browser's do. */
import type { Transport } from "@connectrpc/connect";
import { createBrowserTransport } from "../../proto/client/browser-transport.ts";

/** Node's WebSocket takes headers; browsers set the Origin themselves. */
type NodeWebSocket = new (url: string, options: { protocols: string; headers: Record<string, string> }) => WebSocket;

export interface PageTransport extends Transport, Disposable {
  /** Cuts every stream as a lost network would look to the page. */
  cut(): void;
  /** WebSockets that are not closed. */
  readonly open: number;
}

/** Disposing closes what is open. `more`: what else a browser says when it opens a WebSocket, such as its cookies. */
export function createPageTransport(
  baseUrl: string,
  token: string | undefined,
  origin = baseUrl,
  more: () => Record<string, string> = () => ({}),
): PageTransport {
  const sockets = new Set<WebSocket>();
  const connect = (url: string, protocols: string) => {
    const socket = new (WebSocket as unknown as NodeWebSocket)(url, { protocols, headers: { origin, ...more() } });
    sockets.add(socket);
    socket.addEventListener("close", () => sockets.delete(socket));
    return socket;
  };
  const cut = () => {
    for (const socket of sockets) socket.close(4999);
  };
  const { unary, stream } = createBrowserTransport({ baseUrl, token, connect });
  return {
    ...{ unary, stream, cut },
    get open() {
      return sockets.size;
    },
    [Symbol.dispose]: cut,
  };
}
