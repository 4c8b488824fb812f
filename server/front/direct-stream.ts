/**
 * Shell and Watch over HTTP/2 in Connect's own binary form, without the library's layers of generators: these cost more
 * than the terminal's own work. Every other protocol and form goes through the library; both reach the same handlers.
 */
import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { fromBinary } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  createContextValues,
  createHandlerContext,
  type HandlerContext,
} from "@connectrpc/connect";
import { endStreamToJson } from "@connectrpc/connect/protocol-connect";
import type { Log } from "../log.ts";
import { endStreamFlag, envelope } from "../rpc/envelope.ts";
import { connectErrorFrom } from "../rpc/errors.ts";
import { type Peer, peerKey } from "../rpc/guard.ts";
import type { StreamMethod } from "../rpc/stream-method.ts";
import { readEnvelopes } from "./envelope-reader.ts";

const contentType = "application/connect+proto";

export interface DirectNeeds {
  readonly guard: (context: HandlerContext) => void;
  readonly shutdown: AbortSignal;
  readonly maxMessageBytes: number;
  readonly log: Log;
}

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
export async function serveDirect(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  spec: StreamMethod,
  peer: Peer,
  needs: DirectNeeds,
): Promise<void> {
  const { log, maxMessageBytes } = needs;
  const requests = new AbortController();
  const context = createHandlerContext({
    service: spec.method.parent,
    method: spec.method,
    protocolName: "connect",
    requestMethod: "POST",
    url: `http://${headers[":authority"]}${headers[":path"]}`,
    requestSignal: requests.signal,
    shutdownSignal: needs.shutdown,
    requestHeader: new Headers(Object.entries(headers).flatMap(([name, value]) => plainHeader(name, value))),
    contextValues: createContextValues().set(peerKey, peer),
  });
  let failure: ConnectError | undefined;
  try {
    needs.guard(context);
    const body = readEnvelopes(stream, maxMessageBytes, (data) => fromBinary(spec.method.input, data));
    const gone = () => {
      const error = new ConnectError("the client left", Code.Canceled);
      requests.abort(error);
      body.fail(error);
    };
    stream.once("close", gone);
    for await (const pieces of spec.invoke(body, context)) {
      respond(stream);
      const wait = write(stream, pieces);
      if (wait !== undefined) await wait;
    }
    stream.off("close", gone);
    body.fail(new ConnectError("the call is over", Code.Canceled));
  } catch (error) {
    failure = connectErrorFrom(error, log);
  }
  context.abort(failure);
  if (stream.closed || stream.destroyed) return;
  respond(stream);
  const end = endStreamToJson(new Headers(), failure, undefined);
  stream.end(envelope(endStreamFlag, Buffer.from(JSON.stringify(end))));
  // What the client still sends is of no interest, but has to be read for the stream to close.
  stream.resume();
}

function plainHeader(name: string, value: string | string[] | undefined): [string, string][] {
  if (value === undefined || name.startsWith(":")) return [];
  return [[name, Array.isArray(value) ? value.join(", ") : value]];
}

function respond(stream: ServerHttp2Stream): void {
  if (!stream.headersSent && !stream.destroyed) stream.respond({ ":status": 200, "content-type": contentType });
}

/** Undefined when there is room for more; else resolves when there is, or when the stream is gone. */
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
