import { createServer, type Http2Server, type ServerHttp2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import { create } from "@bufbuild/protobuf";
import type { ConnectRouter } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { afterEach, describe, expect, it } from "vitest";
import { createClients } from "../../proto/client/clients.ts";
import { faultOf } from "../../proto/client/faults.ts";
import { createNodeTransport } from "../../proto/client/node-transport.ts";
import { openShell } from "../../proto/client/shell.ts";
import { openWatch } from "../../proto/client/watch.ts";
import { AccessService } from "../../proto/gen/bartizan/v1/access_pb.ts";
import { SessionService, ShellResponseSchema, WatchResponseSchema } from "../../proto/gen/bartizan/v1/session_pb.ts";
import { exited, output, started, text } from "./scripted-sessions.ts";

const open: { server: Http2Server; sessions: Set<ServerHttp2Session> }[] = [];

async function serve(routes: (router: ConnectRouter) => void): Promise<{ baseUrl: string; cut: () => void }> {
  const server = createServer(connectNodeAdapter({ routes }));
  const sessions = new Set<ServerHttp2Session>();
  server.on("session", (session) => {
    sessions.add(session);
    session.on("close", () => sessions.delete(session));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  open.push({ server, sessions });
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut: () => {
      for (const session of sessions) session.socket.destroy();
    },
  };
}

afterEach(async () => {
  for (const { server, sessions } of open.splice(0)) {
    for (const session of sessions) session.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
});

const shell = { open: { target: "demo" }, size: { cols: 80, rows: 24 }, acks: true, random: () => 0 } as const;

describe("the transport for Node", () => {
  it("puts the token on every call", async () => {
    let seen: string | null = null;
    const { baseUrl } = await serve(({ service }) =>
      service(AccessService, {
        whoAmI(_request, context) {
          seen = context.requestHeader.get("authorization");
          return { name: "ann" };
        },
      }),
    );
    using transport = createNodeTransport({ baseUrl, token: "secret" });
    expect((await createClients(transport).access.whoAmI({})).name).toBe("ann");
    expect(seen).toBe("Bearer secret");
  });

  it("opens a window of megabytes, for the stream and for the connection", async () => {
    let session: ServerHttp2Session | undefined;
    const { baseUrl } = await serve(({ service }) =>
      service(SessionService, {
        async *shell(_requests, context) {
          for (let at = 0; at < 40; at += 1) {
            yield create(ShellResponseSchema, at === 0 ? started(0) : output((at - 1) * 16_384, "x".repeat(16_384)));
          }
          session = [...(open[0]?.sessions ?? [])][0];
          await new Promise<void>((resolve) => context.signal.addEventListener("abort", () => resolve()));
        },
      }),
    );
    using transport = createNodeTransport({ baseUrl });
    const events = openShell(createClients(transport).sessions, shell).events[Symbol.asyncIterator]();
    await events.next();
    // Nobody reads: 640 KiB fit into the windows all the same; Node's default would stop the server at 64 KiB.
    await expect.poll(() => session !== undefined).toBe(true);
    expect(session?.remoteSettings.initialWindowSize).toBe(1_048_576);
    expect(session?.state.remoteWindowSize).toBeGreaterThan(4_000_000);
    await events.return?.();
  });

  it("ends its call on the server when the reader leaves the loop", async () => {
    let ended = false;
    const { baseUrl } = await serve(({ service }) =>
      service(SessionService, {
        async *shell(_requests, context) {
          yield create(ShellResponseSchema, started(0));
          await new Promise<void>((resolve) => context.signal.addEventListener("abort", () => resolve()));
          ended = true;
        },
      }),
    );
    using transport = createNodeTransport({ baseUrl });
    for await (const event of openShell(createClients(transport).sessions, shell).events) {
      if (event.kind === "started") break;
    }
    await expect.poll(() => ended).toBe(true);
  });

  it("lets a shell come back after its TCP connection was cut", async () => {
    let call = 0;
    const server = await serve(({ service }) =>
      service(SessionService, {
        async *shell(_requests, context) {
          call += 1;
          yield create(ShellResponseSchema, started(call === 1 ? 0 : 3, call > 1));
          if (call === 1) {
            yield create(ShellResponseSchema, output(0, "abc"));
            await new Promise<void>((resolve) => context.signal.addEventListener("abort", () => resolve()));
          } else {
            yield create(ShellResponseSchema, output(3, "def"));
            yield create(ShellResponseSchema, exited(7));
          }
        },
      }),
    );
    using transport = createNodeTransport({ baseUrl: server.baseUrl });
    const seen: string[] = [];
    for await (const event of openShell(createClients(transport).sessions, shell).events) {
      seen.push(event.kind === "output" ? text(event.bytes) : event.kind);
      if (event.kind === "output" && call === 1) server.cut();
    }
    expect(seen).toEqual(["started", "abc", "reconnecting", "reconnected", "def", "ended"]);
  });

  it("lets a watcher come back after the last byte it has, and once more from a key frame", async () => {
    const asked: (bigint | undefined)[] = [];
    const session = { id: "n1-abc", epoch: "e1" };
    const server = await serve(({ service }) =>
      service(SessionService, {
        async *watch(request, context) {
          asked.push(request.from?.offset);
          const resumed = asked.length === 2;
          const keyFrame = { offset: 5n, data: new TextEncoder().encode("screen"), size: { cols: 80, rows: 24 } };
          yield create(WatchResponseSchema, {
            event: {
              case: "state",
              value: {
                session,
                position: { epoch: "e1", offset: resumed ? 8n : 5n },
                ...(resumed ? {} : { keyFrame }),
              },
            },
          });
          const data = new TextEncoder().encode("abc");
          if (asked.length === 1) {
            yield create(WatchResponseSchema, { event: { case: "output", value: { offset: 5n, data } } });
            await new Promise<void>((resolve) => context.signal.addEventListener("abort", () => resolve()));
          } else {
            yield create(WatchResponseSchema, {
              event: { case: "ended", value: { cause: { case: "lost", value: { reason: "gone" } } } },
            });
          }
        },
      }),
    );
    using transport = createNodeTransport({ baseUrl: server.baseUrl });
    const kinds: string[] = [];
    for await (const event of openWatch(createClients(transport).sessions, { sessionId: "n1-abc", random: () => 0 })) {
      kinds.push(event.kind);
      if (event.kind === "output") server.cut();
    }
    expect(asked).toEqual([undefined, 8n]);
    expect(kinds).toEqual(["started", "key-frame", "output", "reconnecting", "reconnected", "ended"]);
  });

  it("reports a server that is not there as a connection fault", async () => {
    const { baseUrl } = await serve(() => {});
    const { server } = open.pop() ?? {};
    await new Promise((resolve) => server?.close(resolve));
    using transport = createNodeTransport({ baseUrl });
    const fault = await createClients(transport).access.whoAmI({}).catch(faultOf);
    expect(fault).toMatchObject({ word: "connection" });
  });
});
