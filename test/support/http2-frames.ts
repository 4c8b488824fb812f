/** HTTP/2 by hand, for frames that no library would send: RFC 9113 for the frames, RFC 7541 for the headers in them. */
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

export const frameTypes = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;
export const endStream = 1;
export const endHeaders = 4;

export const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

export function frame(type: number, flags: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Headers as literals that are not remembered (RFC 7541, 6.2.2); names and values below 127 bytes each, or `long`. */
export function headerBlock(headers: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(headers.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]));
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, "latin1");
  if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  const prefix = [127];
  let rest = bytes.length - 127;
  for (; rest >= 128; rest >>= 7) prefix.push((rest & 127) | 128);
  prefix.push(rest);
  return Buffer.concat([Buffer.from(prefix), bytes]);
}

/** The block of a request for `path`. */
export function requestBlock(authority: string, path: string, method = "GET", more: [string, string][] = []): Buffer {
  return headerBlock([[":method", method], [":scheme", "http"], [":authority", authority], [":path", path], ...more]);
}

export interface RawHttp2 {
  readonly socket: Socket;
  /** Everything that came back. */
  readonly received: () => Buffer;
  /** Resolves when the connection is closed. */
  readonly closed: Promise<void>;
  /** Writes and waits while the far side does not read; false once the connection is closed. */
  write(bytes: Uint8Array): Promise<boolean>;
}

export interface RawHttp2Options {
  readonly localAddress?: string;
  /** PEM; then it is TLS. */
  readonly ca?: string;
}

/** A connection that has said the preface and empty settings. */
export function openRawHttp2(port: number, { localAddress = "127.0.0.1", ca }: RawHttp2Options = {}): RawHttp2 {
  const to = { host: "127.0.0.1", port };
  const socket =
    ca === undefined
      ? connect({ ...to, localAddress, noDelay: true })
      : connectTls({ ...to, ca, servername: "localhost", ALPNProtocols: ["h2"] });
  const chunks: Buffer[] = [];
  socket.on("data", (chunk) => chunks.push(chunk));
  socket.on("error", () => {});
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.write(Buffer.concat([preface, frame(frameTypes.settings, 0, 0)]));
  return {
    ...{ socket, closed },
    received: () => Buffer.concat(chunks),
    async write(bytes) {
      if (socket.destroyed) return false;
      if (socket.write(bytes)) {
        // Lets the closing be seen between two writes.
        await new Promise((resolve) => setImmediate(resolve));
        return !socket.destroyed;
      }
      await Promise.race([closed, new Promise((resolve) => socket.once("drain", resolve))]);
      return !socket.destroyed;
    },
  };
}

/** The types of the frames in what came back. */
export function framesIn(bytes: Buffer): { readonly type: number; readonly flags: number; readonly payload: Buffer }[] {
  const frames = [];
  for (let at = 0; at + 9 <= bytes.length; ) {
    const length = bytes.readUIntBE(at, 3);
    frames.push({
      type: bytes[at + 3] ?? 0,
      flags: bytes[at + 4] ?? 0,
      payload: bytes.subarray(at + 9, at + 9 + length),
    });
    at += 9 + length;
  }
  return frames;
}
