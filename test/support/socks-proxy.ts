/** A SOCKS5 proxy on loopback that browsers go through: a network that a test can take down and put up again. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export interface SocksProxy extends AsyncDisposable {
  readonly port: number;
  /** Resets every connection; none comes through until `up`. */
  down(): void;
  up(): void;
}

/** Takes CONNECT to IPv4 addresses and names without a login, which is all that Chromium asks for (RFC 1928). */
export async function openSocksProxy(): Promise<SocksProxy> {
  const sockets = new Set<Socket>();
  let isUp = true;
  const hold = (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  };
  const server = createServer({ noDelay: true }, (near) => {
    hold(near);
    if (!isUp) return void near.resetAndDestroy();
    near.once("data", () => {
      near.write(Buffer.from([5, 0]));
      near.once("data", (request) => {
        const far = connect({ ...destinationOf(request), noDelay: true });
        hold(far);
        far.on("connect", () => {
          near.write(Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]));
          near.pipe(far).pipe(near);
        });
        far.on("close", () => near.destroy());
        near.on("close", () => far.destroy());
      });
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = () => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    down() {
      isUp = false;
      cut();
    },
    up() {
      isUp = true;
    },
    async [Symbol.asyncDispose]() {
      cut();
      server.close();
      await once(server, "close");
    },
  };
}

/** The request's address (RFC 1928, section 4): a type, then four bytes or a counted name, then the port. */
function destinationOf(request: Buffer): { host: string; port: number } {
  const named = request[3] === 3;
  const length = named ? (request[4] ?? 0) : 4;
  const from = named ? 5 : 4;
  const address = request.subarray(from, from + length);
  return { host: named ? address.toString("latin1") : address.join("."), port: request.readUInt16BE(from + length) };
}
