/** Tells the protocol of a fresh connection by its first bytes, and gives those bytes back. */
import type { Socket } from "node:net";

export type Protocol = "tls" | "http2" | "http1";

const tlsHandshake = 0x16;
/** The HTTP/2 preface begins so (RFC 9113, 3.4); POST, PUT and PATCH share only its first byte. */
const preface = Buffer.from("PRI");

/** Calls once; never for a socket that closes first. The caller has a timer for one that stays silent. */
export function sniff(socket: Socket, found: (protocol: Protocol) => void): void {
  let head = Buffer.alloc(0);
  const look = () => {
    const more: Buffer | null = socket.read();
    if (more === null) return;
    // Kept here and not given back piecemeal: giving back wakes the reader again at once.
    head = Buffer.concat([head, more]);
    const protocol = protocolOf(head);
    if (protocol === undefined) return;
    socket.off("readable", look);
    socket.unshift(head);
    found(protocol);
  };
  socket.on("readable", look);
}

/** Undefined while too few bytes are there. */
export function protocolOf(head: Uint8Array): Protocol | undefined {
  if (head[0] === tlsHandshake) return "tls";
  const length = Math.min(head.length, preface.length);
  if (preface.compare(head, 0, length, 0, length) !== 0) return "http1";
  return length < preface.length ? undefined : "http2";
}
