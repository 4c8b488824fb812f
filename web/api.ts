/** The page's way to the server: one transport with this tab's token, the typed clients over it, and who is calling. */

import type { Transport } from "@connectrpc/connect";
import { createBrowserTransport } from "../proto/client/browser-transport.ts";
import { type Clients, createClients } from "../proto/client/index.ts";
import { type Access, createAccess, noticeRefusal, storedToken } from "./access.ts";
import { createAttendance } from "./attendance.ts";

export interface Api {
  readonly transport: Transport;
  readonly clients: Clients;
  readonly access: Access;
}

/** Opens nothing by itself. Calls carry the token of the moment they are made, and say whether somebody is there. */
export function createApi(): Api {
  const access: Access = createAccess(() => clients.access);
  const transport = createBrowserTransport({
    baseUrl: location.origin,
    token: storedToken,
    interceptors: [createAttendance(window).mark, noticeRefusal(() => access.refused())],
  });
  const clients = createClients(transport);
  return { transport, clients, access };
}
