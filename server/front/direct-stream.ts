/**
 * A streaming call over HTTP/2 in Connect's own binary form, the short way. Every other protocol and form goes through
 * the library; both reach the same handlers.
 */
import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import type { StreamMethod } from "../rpc/stream-method.ts";
import { callHeaders } from "./answer-headers.ts";
import { type CallNeeds, type CallRequest, type Carrier, contentType, serveCall } from "./stream-call.ts";

/** True for the calls that this file serves: POST, binary, not compressed, without a deadline. */
export function isDirect(method: string | undefined, headers: IncomingHttpHeaders): boolean {
  return (
    method === "POST" &&
    headers["content-type"] === contentType &&
    (headers["connect-content-encoding"] ?? "identity") === "identity" &&
    headers["connect-timeout-ms"] === undefined
  );
}

/** Resolves when the call is over; never rejects. The response's headers leave with its first message. */
export function serveDirect(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  spec: StreamMethod,
  from: Pick<CallRequest, "peer" | "cookie">,
  needs: CallNeeds,
): Promise<void> {
  const header = new Headers(Object.entries(headers).flatMap(([name, value]) => plainHeader(name, value)));
  const url = `http://${headers[":authority"]}${headers[":path"]}`;
  return serveCall(spec, { url, header, ...from }, carrierOf(stream), needs);
}

function plainHeader(name: string, value: string | string[] | undefined): [string, string][] {
  if (value === undefined || name.startsWith(":")) return [];
  return [[name, Array.isArray(value) ? value.join(", ") : value]];
}

function carrierOf(stream: ServerHttp2Stream): Carrier {
  let gone = () => {};
  return {
    pause: () => void stream.pause(),
    resume: () => void stream.resume(),
    read(body) {
      stream.on("data", (chunk: Buffer) => body.push(chunk));
      stream.once("end", () => body.end());
    },
    onGone(call) {
      gone = call;
      stream.once("close", gone);
    },
    write(pieces) {
      respond(stream);
      return write(stream, pieces);
    },
    heard: () => heard(stream),
    finish(last) {
      stream.off("close", gone);
      if (stream.closed || stream.destroyed) return;
      respond(stream);
      stream.end(last);
      // What the client still sends is of no interest, but has to be read for the stream to close.
      stream.resume();
    },
  };
}

/** A PING is answered after all that was sent before it was read (RFC 9113, 6.7). */
function heard(stream: ServerHttp2Stream): Promise<void> {
  const { session } = stream;
  if (session === undefined || session.destroyed || stream.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    stream.once("close", resolve);
    // Refused when too many pings are out already: then what was written has to do.
    if (!session.ping(() => resolve())) resolve();
  });
}

function respond(stream: ServerHttp2Stream): void {
  if (!stream.headersSent && !stream.destroyed)
    stream.respond({ ...callHeaders, ":status": 200, "content-type": contentType });
}

function write(stream: ServerHttp2Stream, pieces: readonly Uint8Array[]): Promise<void> | undefined {
  if (stream.destroyed || stream.closed) return undefined;
  let room = true;
  if (pieces.length === 1 && pieces[0] !== undefined) room = stream.write(pieces[0]);
  else {
    stream.cork();
    for (const piece of pieces) room = stream.write(piece);
    stream.uncork();
  }
  if (room) return undefined;
  return new Promise((resolve) => {
    const go = () => {
      stream.off("drain", go);
      stream.off("close", go);
      resolve();
    };
    stream.on("drain", go);
    stream.on("close", go);
  });
}
