/** Puts the figures and their listener together. */
import { endpointOf, isLoopbackHost } from "./config-group.ts";
import { listenForMetrics } from "./front/metrics-listener.ts";
import type { Log } from "./log.ts";
import { createMetrics, type MetricsNeeds } from "./metrics.ts";

export interface OpenMetrics extends AsyncDisposable {
  /** Where they are read. */
  readonly url: string;
}

/** `listen`: "host:port". Throws `config` when the address is taken or not allowed. */
export async function openMetrics(listen: string, log: Log, needs: MetricsNeeds): Promise<OpenMetrics> {
  const { host, port } = endpointOf(listen);
  await using opening = new AsyncDisposableStack();
  const metrics = opening.use(createMetrics(needs));
  const listener = opening.use(await listenForMetrics({ host, port, loopback: isLoopbackHost(host), metrics, log }));
  const held = opening.move();
  const name = host.includes(":") ? `[${host}]` : host;
  return { url: `http://${name}:${listener.port}/metrics`, [Symbol.asyncDispose]: () => held.disposeAsync() };
}
