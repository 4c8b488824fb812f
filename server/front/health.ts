/** What probes and balancers are told, without a token: words alone, no names, no addresses, no reasons. */
import type { PlainPages } from "./adapter.ts";

export interface HealthNeeds {
  readonly draining: () => boolean;
  /** What joins this node to others, and whether it works; "memory": there are no others. */
  readonly group: () => { readonly bus: string; readonly up: boolean };
}

/**
 * `/healthz` and `/readyz`. A node whose bus is down, or does not bring its own messages back, is "degraded" and answers
 * 200 all the same: its shells go on, and new ones can be opened. Only a node that stops is not ready: 503.
 */
export function createHealth({ draining, group }: HealthNeeds): PlainPages {
  const page = (status: number, word: string, bus: string) => ({
    status,
    body: `${JSON.stringify({ status: word, bus })}\n`,
    type: "application/json; charset=utf-8",
  });
  const look = () => {
    const { bus, up } = group();
    return { bus: bus === "memory" ? "none" : up ? "up" : "down", degraded: !up };
  };
  return {
    "/healthz": () => {
      const { bus, degraded } = look();
      return page(200, degraded ? "degraded" : "ok", bus);
    },
    "/readyz": () => {
      const { bus, degraded } = look();
      return draining() ? page(503, "draining", bus) : page(200, degraded ? "degraded" : "ready", bus);
    },
  };
}
