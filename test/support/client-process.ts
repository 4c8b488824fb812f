/** An operator or a watcher in a process of its own, so that a test can stop it as a frozen laptop would stop. */
import { bearer, createClients } from "../../proto/client/index.ts";
import { createNodeTransport } from "../../proto/client/node-transport.ts";
import { operate, watch } from "./viewing.ts";

export interface ClientOrder {
  readonly url: string;
  readonly token: string;
  /** Opens a shell on this target, or watches this session. */
  readonly target?: string;
  readonly sessionId?: string;
}

process.once("message", async ({ url, token, target, sessionId }: ClientOrder) => {
  const transport = createNodeTransport({ baseUrl: url, interceptors: [bearer(token)] });
  const clients = createClients(transport);
  const viewing = target === undefined ? watch(clients, sessionId ?? "") : operate(clients, target);
  await viewing.started();
  process.send?.("attached");
  process.once("disconnect", () => process.exit(0));
});
