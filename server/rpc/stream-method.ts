/** The streaming methods, whose messages are worth a shorter way than the library's, and how their messages are written. */
import {
  type DescMessage,
  type DescMethod,
  type DescMethodServerStreaming,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import {
  AuditService,
  type FollowAuditRequest,
  type FollowAuditResponse,
} from "../../proto/gen/bartizan/v1/audit_pb.ts";
import {
  type ExportRecordingRequest,
  type ExportRecordingResponse,
  RecordingService,
  type ReplayRequest,
  type ReplayResponse,
  ReplayResponseSchema,
  type VerifyRecordingsRequest,
  type VerifyRecordingsResponse,
} from "../../proto/gen/bartizan/v1/recording_pb.ts";
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

export interface RecordingStreams {
  replay(request: ReplayRequest, context: HandlerContext): AsyncIterable<ReplayResponse>;
  verifyRecordings(request: VerifyRecordingsRequest, context: HandlerContext): AsyncIterable<VerifyRecordingsResponse>;
  exportRecording(request: ExportRecordingRequest, context: HandlerContext): AsyncIterable<ExportRecordingResponse>;
}

export interface AuditStreams {
  followAudit(request: FollowAuditRequest, context: HandlerContext): AsyncIterable<FollowAuditResponse>;
}

/** Every streaming method, by request path. */
export function createStreamMethods(
  { shell, watch, watchSessions }: StreamImplementations,
  { replay, verifyRecordings, exportRecording }: RecordingStreams,
  { followAudit }: AuditStreams,
): ReadonlyMap<string, StreamMethod> {
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
    serverStream(SessionService.method.watch, watch, ({ event }, binary) =>
      event.case === "output"
        ? { pieces: outputEnvelope(watchOutputField, event.value), last: false }
        : wireMessage(binary(), event.case === "ended"),
    ),
    serverStream(SessionService.method.watchSessions, watchSessions),
    serverStream(RecordingService.method.replay, replay, ({ event }, binary) =>
      event.case === "output"
        ? { pieces: outputEnvelope(replayOutputField, event.value), last: false }
        : wireMessage(binary(), false),
    ),
    serverStream(RecordingService.method.verifyRecordings, verifyRecordings),
    serverStream(RecordingService.method.exportRecording, exportRecording),
    serverStream(AuditService.method.followAudit, followAudit),
  ];
  return new Map(bySpec.map((each) => [`/${each.method.parent.typeName}/${each.method.name}`, each]));
}

/** A method with one request; `write`: how its messages are written when not by the general encoder. */
function serverStream<Input extends DescMessage, Output extends DescMessage>(
  method: DescMethodServerStreaming<Input, Output>,
  answer: (request: MessageShape<Input>, context: HandlerContext) => AsyncIterable<MessageShape<Output>>,
  write: (message: MessageShape<Output>, binary: () => Uint8Array) => WireMessage = (_message, binary) =>
    wireMessage(binary(), false),
): StreamMethod {
  return {
    method,
    async *invoke(requests, context) {
      for await (const request of requests as AsyncIterable<MessageShape<Input>>) {
        for await (const message of answer(request, context))
          yield write(message, () => toBinary(method.output, message));
        return;
      }
    },
  };
}

function wireMessage(data: Uint8Array, last: boolean): WireMessage {
  return { pieces: [envelope(0, data)], last };
}

const shellOutputField = ShellResponseSchema.field.output.number;
const watchOutputField = WatchResponseSchema.field.output.number;
const replayOutputField = ReplayResponseSchema.field.output.number;
