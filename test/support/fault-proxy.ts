/** A TCP proxy on loopback that does to a connection what bad networks do. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export interface FaultProxy extends AsyncDisposable {
  readonly port: number;
  /** Connections taken so far. */
  readonly taken: number;
  /** Bytes that have come from the far sides so far. */
  readonly returnedBytes: number;
  /** Connections whose near side is still there. */
  readonly open: number;
  /** From now on forwards nothing, either way or one way, and passes no end on: a half-open connection. */
  freeze(way?: "both" | "there" | "back"): void;
  /** Resets the near side of every connection. */
  reset(): void;
  /** Sends a byte to the near sides: one that is really closed, and not only ended, answers with a reset. */
  poke(): void;
  /** Ends the near side of every connection cleanly. */
  finish(): void;
}

export interface FaultProxyOptions {
  /** Cuts what passes into pieces of at most so many bytes, each sent on its own. */
  readonly chopBytes?: number;
  /** Ends of the near side are not passed on, and never answered. */
  readonly swallowFin?: boolean;
}

export async function openFaultProxy(toPort: number, options: FaultProxyOptions = {}): Promise<FaultProxy> {
  const pairs = new Set<readonly [Socket, Socket]>();
  let frozen = false;
  let still: "there" | "back" | undefined;
  let taken = 0;
  let returnedBytes = 0;
  const pump = (from: Socket, to: Socket, way: "there" | "back") => {
    from.on("error", () => {});
    from.on("data", async (data) => {
      if (frozen || still === way) return;
      from.pause();
      const step = options.chopBytes ?? data.length;
      for (let at = 0; at < data.length && !to.destroyed && !frozen; at += step) {
        const piece = data.subarray(at, at + step);
        const flushed = to.write(piece) || to.destroyed || once(to, "drain").catch(() => {});
        await flushed;
        // Each piece in a turn of its own, so that it travels as a segment of its own.
        if (step < data.length) await new Promise((resolve) => setImmediate(resolve));
      }
      from.resume();
    });
  };
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
    taken++;
    const far = connect({ port: toPort, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
    const pair = [near, far] as const;
    pairs.add(pair);
    pump(near, far, "there");
    pump(far, near, "back");
    far.on("data", (data) => {
      returnedBytes += data.length;
    });
    near.on("end", () => {
      if (!frozen && options.swallowFin !== true) far.end();
    });
    far.on("end", () => {
      if (!frozen && options.swallowFin !== true) near.end();
    });
    near.on("close", () => {
      pairs.delete(pair);
      if (!frozen) far.destroy();
    });
    far.on("close", () => {
      if (!frozen && options.swallowFin !== true) near.destroy();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    get taken() {
      return taken;
    },
    get returnedBytes() {
      return returnedBytes;
    },
    get open() {
      return pairs.size;
    },
    freeze(way = "both") {
      if (way === "both") frozen = true;
      else still = way;
    },
    reset() {
      for (const [near] of pairs) near.resetAndDestroy();
    },
    poke() {
      for (const [near] of pairs) near.write("x");
    },
    finish() {
      for (const [near] of pairs) near.end();
    },
    async [Symbol.asyncDispose]() {
      for (const [near, far] of pairs) {
        near.destroy();
        far.destroy();
      }
      server.close();
      await once(server, "close");
    },
  };
}
