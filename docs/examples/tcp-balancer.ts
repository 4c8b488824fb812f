/** The smallest balancer that a group needs: connections in turn to the nodes that say they are ready. It reads no byte. */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

const lookMs = 1000;

export interface Balancer extends AsyncDisposable {
  readonly port: number;
  /** Drops every connection, as a network does that fails. Gives back how many clients that were; new ones are taken. */
  cut(): number;
}

/** `nodes`: base URLs on this machine. A node that does not answer, or stops, gets no new connection; those it has stay. */
export async function openBalancer(port: number, nodes: readonly string[]): Promise<Balancer> {
  const sockets = new Set<Socket>();
  const clients = new Set<Socket>();
  const ready = new Map(nodes.map((node) => [node, true]));
  let turn = 0;
  const look = async (node: string) => {
    const answer = await fetch(`${node}/readyz`, { signal: AbortSignal.timeout(lookMs) }).catch(() => undefined);
    await answer?.body?.cancel();
    ready.set(node, answer?.ok === true);
  };
  const timer = setInterval(() => nodes.forEach(look), lookMs);

  /** The next nodes in turn: ready ones first, the others in case the last look is old. */
  const order = () => {
    turn += 1;
    const inTurn = nodes.map((_, at) => nodes[(turn + at) % nodes.length] as string);
    return inTurn.toSorted((one, other) => Number(ready.get(other)) - Number(ready.get(one)));
  };

  const server = createServer({ noDelay: true }, (client) => {
    const keep = (socket: Socket) => {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
      return socket.on("error", () => {});
    };
    keep(client);
    clients.add(client);
    client.once("close", () => clients.delete(client));
    const join = ([node, ...others]: readonly string[]) => {
      if (node === undefined || client.destroyed) return client.destroy();
      const { hostname, port: at } = new URL(node);
      const far = keep(connect({ host: hostname, port: Number(at), noDelay: true }));
      const refused = () => join(others);
      far.once("error", refused);
      far.once("connect", () => {
        far.off("error", refused);
        client.pipe(far).pipe(client);
        client.once("close", () => far.destroy());
        far.once("close", () => client.destroy());
      });
      return far;
    };
    join(order());
  });
  server.listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch (error) {
    clearInterval(timer);
    throw error;
  }
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : port,
    cut() {
      const { size } = clients;
      for (const socket of sockets) socket.resetAndDestroy();
      return size;
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
