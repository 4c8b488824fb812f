/**
 * One call of a streaming method in Connect's own binary form, whatever carries it (an HTTP/2 stream, a WebSocket),
 * without the library's layers of generators: these cost more than the terminal's own work.
 */
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
import { cookieKey, type Peer, peerKey } from "../rpc/guard.ts";
import type { StreamMethod } from "../rpc/stream-method.ts";
import { createEnvelopeReader, type EnvelopeReader, type Flow } from "./envelope-reader.ts";

export const contentType = "application/connect+proto";

export interface CallNeeds {
  readonly guard: (context: HandlerContext) => void;
  readonly shutdown: AbortSignal;
  readonly maxMessageBytes: number;
  readonly log: Log;
  /** The name of this node. */
  readonly node: string;
}

/** What one call is carried by. */
export interface Carrier extends Flow {
  /** The body's pieces go into `body` from here on: the caller may be heard. */
  read(body: Pick<EnvelopeReader<unknown>, "push" | "end" | "fail">): void;
  /** Calls back once when the far side has left, until `finish`. */
  onGone(call: () => void): void;
  /** Undefined when there is room for more; else resolves when there is, or when the far side has left. */
  write(pieces: readonly Uint8Array[]): Promise<void> | undefined;
  /** Resolves when the far side has read what was written so far, or has left. */
  heard(): Promise<void>;
  /** The last bytes; closes the carrier in good order. Harmless when the far side has left. */
  finish(last: Uint8Array): void;
}

export interface CallRequest {
  readonly url: string;
  readonly header: Headers;
  readonly peer: Peer;
  /** The sign-in cookie, of a request that proved to be from this server's own page. */
  readonly cookie?: string | undefined;
  readonly timeoutMs?: number | undefined;
}

/** Resolves when the call is over; never rejects. Nothing of the body is read before the guard has let the caller in. */
export async function serveCall(
  spec: StreamMethod,
  request: CallRequest,
  carrier: Carrier,
  needs: CallNeeds,
): Promise<void> {
  const { log, maxMessageBytes, node } = needs;
  const requests = new AbortController();
  const context = createHandlerContext({
    service: spec.method.parent,
    method: spec.method,
    protocolName: "connect",
    requestMethod: "POST",
    url: request.url,
    ...(request.timeoutMs === undefined ? {} : { timeoutMs: request.timeoutMs }),
    requestSignal: requests.signal,
    shutdownSignal: needs.shutdown,
    requestHeader: request.header,
    contextValues: createContextValues().set(peerKey, request.peer).set(cookieKey, request.cookie),
  });
  let failure: ConnectError | undefined;
  let body: EnvelopeReader<unknown> | undefined;
  try {
    needs.guard(context);
    const requestsBody = createEnvelopeReader(maxMessageBytes, (data) => fromBinary(spec.method.input, data), carrier);
    carrier.onGone(() => {
      const error = new ConnectError("the client left", Code.Canceled);
      requests.abort(error);
      requestsBody.fail(error);
    });
    body = requestsBody;
    carrier.read(requestsBody);
    for await (const { pieces, last } of spec.invoke(requestsBody, context)) {
      const wait = carrier.write(pieces);
      if (wait !== undefined) await wait;
      if (last) await carrier.heard();
    }
  } catch (error) {
    failure = connectErrorFrom(error, log, node);
  } finally {
    body?.stop();
  }
  context.abort(failure);
  const end = endStreamToJson(new Headers(), failure, undefined);
  carrier.finish(envelope(endStreamFlag, Buffer.from(JSON.stringify(end))));
}
