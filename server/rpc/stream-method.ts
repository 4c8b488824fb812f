/** The streaming methods, whose messages are worth a shorter way than the library's, and how their messages are written. */
import { type DescMethod, type MessageShape, toBinary } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import {
  SessionService,
  type ShellRequest,
  type ShellResponse,
  ShellResponseSchema,
  type WatchRequest,
  type WatchResponse,
  WatchResponseSchema,
  type WatchSessionsRequest,
  type WatchSessionsResponse,
  WatchSessionsResponseSchema,
} from "../../proto/gen/bartizan/v1/session_pb.ts";
import { envelope, outputEnvelope } from "./envelope.ts";

/** One response message, enveloped, in pieces to be written in order. */
export interface WireMessage {
  readonly pieces: readonly Uint8Array[];
  /** The session's last word: the handler goes on when the far side has heard it, and counts it as told. */
  readonly last: boolean;
}

/** One method as the front serves it: requests in, enveloped response messages out. */
export interface StreamMethod {
  readonly method: DescMethod;
  invoke(
    requests: AsyncIterable<MessageShape<DescMethod["input"]>>,
    context: HandlerContext,
  ): AsyncIterable<WireMessage>;
}

export interface StreamImplementations {
  shell(requests: AsyncIterable<ShellRequest>, context: HandlerContext): AsyncIterable<ShellResponse>;
  watch(request: WatchRequest, context: HandlerContext): AsyncIterable<WatchResponse>;
  watchSessions(request: WatchSessionsRequest, context: HandlerContext): AsyncIterable<WatchSessionsResponse>;
}

/** Every streaming method, by request path. */
export function createStreamMethods({
  shell,
  watch,
  watchSessions,
}: StreamImplementations): ReadonlyMap<string, StreamMethod> {
  const bySpec: StreamMethod[] = [
    {
      method: SessionService.method.shell,
      async *invoke(requests, context) {
        for await (const message of shell(requests as AsyncIterable<ShellRequest>, context))
          yield message.event.case === "output"
            ? { pieces: outputEnvelope(shellOutputField, message.event.value), last: false }
            : wireMessage(toBinary(ShellResponseSchema, message), message.event.case === "ended");
      },
    },
    {
      method: SessionService.method.watch,
      async *invoke(requests, context) {
        for await (const request of requests as AsyncIterable<WatchRequest>) {
          for await (const message of watch(request, context))
            yield message.event.case === "output"
              ? { pieces: outputEnvelope(watchOutputField, message.event.value), last: false }
              : wireMessage(toBinary(WatchResponseSchema, message), message.event.case === "ended");
          return;
        }
      },
    },
    {
      method: SessionService.method.watchSessions,
      async *invoke(requests, context) {
        for await (const request of requests as AsyncIterable<WatchSessionsRequest>) {
          for await (const message of watchSessions(request, context))
            yield wireMessage(toBinary(WatchSessionsResponseSchema, message), false);
          return;
        }
      },
    },
  ];
  return new Map(bySpec.map((each) => [`/${each.method.parent.typeName}/${each.method.name}`, each]));
}

function wireMessage(data: Uint8Array, last: boolean): WireMessage {
  return { pieces: [envelope(0, data)], last };
}

const shellOutputField = ShellResponseSchema.field.output.number;
const watchOutputField = WatchResponseSchema.field.output.number;
