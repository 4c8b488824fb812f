/** A SessionService whose every call is played by a script of the test; serialised for real, without a network. */

import type { MessageInitShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import { createRouterTransport, type HandlerContext } from "@connectrpc/connect";
import { createClients, type SessionClient } from "../../proto/client/clients.ts";
import {
  SessionService,
  type ShellRequest,
  type ShellResponse,
  ShellResponseSchema,
  type WatchRequest,
  type WatchResponse,
} from "../../proto/gen/bartizan/v1/session_pb.ts";

export type ShellScript = (requests: AsyncIterator<ShellRequest>, context: HandlerContext) => AsyncGenerator<Init>;
type Init = MessageInitShape<typeof ShellResponseSchema>;

/** The nth call to Shell is played by the nth script; one more fails the test by "unimplemented". */
export function scriptedShells(...scripts: ShellScript[]): SessionClient {
  let call = 0;
  const transport = createRouterTransport(({ service }) => {
    service(SessionService, {
      async *shell(requests: AsyncIterable<ShellRequest>, context: HandlerContext): AsyncGenerator<ShellResponse> {
        const script = scripts[call++];
        if (script === undefined) throw new Error("a call too many");
        for await (const message of script(requests[Symbol.asyncIterator](), context)) {
          yield create(ShellResponseSchema, message);
        }
      },
    });
  });
  return createClients(transport).sessions;
}

/** The same for Watch. */
export function scriptedWatches(
  ...scripts: ((request: WatchRequest, context: HandlerContext) => AsyncGenerator<WatchResponse>)[]
): SessionClient {
  let call = 0;
  const transport = createRouterTransport(({ service }) => {
    service(SessionService, {
      async *watch(request: WatchRequest, context: HandlerContext) {
        const script = scripts[call++];
        if (script === undefined) throw new Error("a call too many");
        yield* script(request, context);
      },
    });
  });
  return createClients(transport).sessions;
}

export const bytes = (text: string) => new TextEncoder().encode(text);
export const text = (data: Uint8Array) => new TextDecoder().decode(data);

export function started(offset: number, resumed = false, graceSeconds = 600): Init {
  return {
    event: {
      case: "started",
      value: {
        session: { id: "n1-abc", target: "demo", epoch: "e1" },
        position: { epoch: "e1", offset: BigInt(offset) },
        attachmentId: "a1",
        graceSeconds,
        resumed,
      },
    },
  };
}

export function output(offset: number, what: string): Init {
  return { event: { case: "output", value: { offset: BigInt(offset), data: bytes(what), atMs: 1n } } };
}

export function keyFrame(offset: number, what: string): Init {
  return {
    event: { case: "keyFrame", value: { offset: BigInt(offset), size: { cols: 80, rows: 24 }, data: bytes(what) } },
  };
}

export function exited(code: number): Init {
  return { event: { case: "ended", value: { cause: { case: "exited", value: { code } } } } };
}

export function kicked(by: string, reason: string): Init {
  return { event: { case: "ended", value: { cause: { case: "kicked", value: { by: { name: by }, reason } } } } };
}
