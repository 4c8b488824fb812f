import { connect } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { ShellRequestSchema } from "../../proto/gen/bartizan/v1/session_pb.ts";
import { openBastion } from "../../server/bastion.ts";
import { readConfig } from "../../server/config.ts";
import { createLog } from "../../server/log.ts";
import { createMemoryTarget, type MemoryTarget } from "../support/memory-target.ts";
import { openTestBastion, type TestBastion } from "../support/test-bastion.ts";
import { until } from "../support/until.ts";
import { watch } from "../support/viewing.ts";

const subprotocol = "bartizan.v1";
const shellPath = "/bartizan.v1.SessionService/Shell";
const watchPath = "/bartizan.v1.SessionService/Watch";

let memory: MemoryTarget;
let bastion: TestBastion;
const dialled = new Set<WebSocket>();
beforeEach(async () => {
  memory = createMemoryTarget({ echo: true });
  bastion = await openTestBastion({
    targets: [memory.target],
    dial: memory.dial,
    limits: { unauthenticatedMs: 1500, pingMs: 300 },
  });
});
afterEach(async () => {
  for (const socket of dialled) socket.terminate();
  dialled.clear();
  await bastion[Symbol.asyncDispose]();
});

async function stillAnswers(): Promise<void> {
  expect((await bastion.clients().access.whoAmI({})).node).toBe("test");
}

interface Dialled {
  readonly socket: WebSocket;
  /** "open", or the status the upgrade was refused with. */
  readonly opened: Promise<"open" | number>;
  readonly closed: Promise<number>;
  readonly texts: string[];
  /** The bodies' bytes, joined. */
  body(): Buffer;
}

function dial(
  path: string,
  headers: Record<string, string> = {},
  protocols: string | string[] = subprotocol,
  url = bastion.url,
): Dialled {
  const address = `${url.replace("http", "ws")}${path}`;
  const socket = new WebSocket(address, protocols, { headers: { origin: url, ...headers } });
  dialled.add(socket);
  const texts: string[] = [];
  const chunks: Buffer[] = [];
  socket.on("error", () => {});
  socket.on("message", (data: Buffer, isBinary: boolean) => {
    if (isBinary) chunks.push(data);
    else texts.push(data.toString());
  });
  const opened = new Promise<"open" | number>((resolve) => {
    socket.once("open", () => resolve("open"));
    socket.once("unexpected-response", (request, response) => {
      resolve(response.statusCode ?? 0);
      request.destroy();
    });
    socket.once("close", () => resolve(0));
  });
  const closed = new Promise<number>((resolve) => socket.once("close", resolve));
  return { socket, opened, closed, texts, body: () => Buffer.concat(chunks) };
}

const headersFrame = (more: [string, string][] = [], token = bastion.token) =>
  JSON.stringify({
    headers: [["content-type", "application/connect+proto"], ["authorization", `Bearer ${token}`], ...more],
  });

function enveloped(data: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(data.length, 1);
  return Buffer.concat([head, data]);
}

const start = () =>
  enveloped(
    toBinary(
      ShellRequestSchema,
      create(ShellRequestSchema, {
        event: {
          case: "start",
          value: { shell: { case: "target", value: "memory" }, size: { cols: 80, rows: 24 }, acks: false },
        },
      }),
    ),
  );

async function endAll() {
  for (const { id } of bastion.registry.list())
    await bastion.clients().sessions.kick({ sessionId: id, reason: "the test is over" });
}

describe("an upgrade", () => {
  it.each([
    ["another site's origin", shellPath, { origin: "https://evil.example" }, subprotocol, 403],
    ["an origin that hides itself", shellPath, { origin: "null" }, subprotocol, 403],
    ["this host with another port as origin", shellPath, { origin: "http://127.0.0.1:1" }, subprotocol, 403],
    ["another host (DNS rebinding)", shellPath, { host: "evil.example:7322" }, subprotocol, 421],
    ["a path that is no stream", "/", {}, subprotocol, 404],
    ["a unary call's path", "/bartizan.v1.SessionService/Kick", {}, subprotocol, 404],
    ["another subprotocol", shellPath, {}, "chat", 400],
    ["no subprotocol", shellPath, {}, [], 400],
  ] as const)("with %s is refused", async (_name, path, headers, protocols, status) => {
    expect(await dial(path, headers, [...(typeof protocols === "string" ? [protocols] : protocols)]).opened).toBe(
      status,
    );
    await stillAnswers();
  });

  it("without an origin is refused", async () => {
    const socket = connect(bastion.port, "127.0.0.1");
    socket.write(
      `GET ${shellPath} HTTP/1.1\r\nHost: 127.0.0.1:${bastion.port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${"A".repeat(22)}==\r\nSec-WebSocket-Protocol: ${subprotocol}\r\n\r\n`,
    );
    const chunks: Buffer[] = [];
    for await (const chunk of socket) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks).toString()).toMatch(/^HTTP\/1\.1 403 /);
    await stillAnswers();
  });

  it("to something else than a WebSocket is an offer that is not taken", async () => {
    const socket = connect(bastion.port, "127.0.0.1");
    socket.end(
      `GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:${bastion.port}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n` +
        `HTTP2-Settings: AAMAAABkAARAAAAA\r\n\r\n`,
    );
    const chunks: Buffer[] = [];
    for await (const chunk of socket) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks).toString()).toMatch(/^HTTP\/1\.1 200 /);
  });
});

describe("a call's WebSocket", () => {
  it.each([
    ["text rubbish", "rubbish"],
    ["JSON that is no frame", "[1,2,3]"],
    ["null", "null"],
    ["headers that are no list", '{"headers":{"a":"b"}}'],
    ["a header that is none", '{"headers":[["a b","c\\u0000"]]}'],
    ["the end before the beginning", '{"end":true}'],
    ["headers of 20 KiB", JSON.stringify({ headers: [["x", "y".repeat(20_000)]] })],
    ["a thousand headers", JSON.stringify({ headers: Array(1000).fill(["x", "y"]) })],
    ["a form that is not served", '{"headers":[["content-type","application/connect+json"]]}'],
    ["a body before its headers", Buffer.alloc(10)],
  ])("that begins with %s is closed", async (_name, frame) => {
    const { socket, opened, closed, texts } = dial(shellPath);
    expect(await opened).toBe("open");
    socket.send(frame);
    expect(await closed).toBe(4400);
    expect(texts).toEqual([]);
    await stillAnswers();
  });

  it("over which nobody shows a token in time is hung up on", async () => {
    const { opened, closed } = dial(shellPath);
    expect(await opened).toBe("open");
    expect([1006, 4408]).toContain(await closed);
    await stillAnswers();
  });

  it("with a wrong token brings a typed error, and no byte of the body is read", async () => {
    const { socket, opened, closed, body } = dial(shellPath);
    await opened;
    socket.send(
      JSON.stringify({
        headers: [
          ["content-type", "application/connect+proto"],
          ["authorization", "Bearer no"],
        ],
      }),
    );
    socket.send(start());
    expect(await closed).toBe(1000);
    expect(body().toString()).toContain('"unauthenticated"');
    expect(bastion.registry.size).toBe(0);
  });

  it("takes headers about the connection from nobody but the connection", async () => {
    const { socket, opened, closed, body } = dial(watchPath);
    await opened;
    socket.send(
      headersFrame([
        ["cookie", "a=b"],
        ["host", "evil.example"],
        ["origin", "https://evil.example"],
        ["x-forwarded-for", "10.0.0.1"],
      ]),
    );
    socket.send(enveloped(new Uint8Array()));
    socket.send('{"end":true}');
    expect(await closed).toBe(1000);
    expect(body().toString()).toContain('"not_found"');
  });

  it.each([
    ["a second headers frame", () => headersFrame()],
    ["text rubbish", () => "rubbish"],
    ["more taken than was sent", () => '{"taken":999999999}'],
  ])("that says %s in the middle of a call ends it with a typed error", async (_name, frame) => {
    const { socket, opened, closed, body } = dial(shellPath);
    await opened;
    socket.send(headersFrame());
    socket.send(start());
    await until(() => bastion.registry.list()[0]?.state === "attached", "the shell is open");
    socket.send(frame());
    expect(await closed).toBe(1000);
    expect(body().toString()).toContain('"invalid_argument"');
    await endAll();
    await stillAnswers();
  });

  it("may cut its messages anywhere", async () => {
    const { socket, opened, texts } = dial(shellPath);
    await opened;
    socket.send(headersFrame());
    for (const byte of start()) socket.send(Buffer.from([byte]));
    await until(() => bastion.registry.list()[0]?.state === "attached", "the shell is open");
    await until(() => texts.length > 0, "the answer began");
    expect(JSON.parse(texts[0] ?? "")).toEqual({
      status: 200,
      headers: [["content-type", "application/connect+proto"]],
      aliveMs: 300,
    });
    socket.close(4000);
    await until(() => bastion.registry.list()[0]?.state === "detached", "the shell is detached");
    await endAll();
  });

  it("is given a sign of life that scripts can see, however little there is to say", async () => {
    const { socket, opened, texts, body } = dial(shellPath);
    await opened;
    socket.send(headersFrame());
    // The call has begun; nothing of its body ever comes, so there is no answer either.
    await until(() => texts.length >= 4, "three signs of life");
    expect(JSON.parse(texts[0] ?? "")).toMatchObject({ status: 200, aliveMs: 300 });
    expect(texts.slice(1).every((text) => text === '{"alive":true}')).toBe(true);
    expect(body().length).toBe(0);
    socket.close(4000);
  });

  it("may have a deadline that is longer than any timer waits", async () => {
    const { socket, opened, texts, body } = dial("/bartizan.v1.SessionService/WatchSessions");
    await opened;
    socket.send(headersFrame([["connect-timeout-ms", "9999999999"]]));
    socket.send(enveloped(new Uint8Array()));
    await until(() => texts.includes('{"alive":true}'), "a sign of life");
    expect(body().toString()).not.toContain('"deadline_exceeded"');
    expect(socket.readyState).toBe(socket.OPEN);
    socket.close(4000);
  });

  it("with a frame over the limit is closed, and its shell is kept", async () => {
    const { socket, opened, closed } = dial(shellPath);
    await opened;
    socket.send(headersFrame());
    socket.send(start());
    await until(() => bastion.registry.list()[0]?.state === "attached", "the shell is open");
    socket.send(Buffer.alloc(2 * 1024 * 1024));
    expect(await closed).toBe(1009);
    await until(() => bastion.registry.list()[0]?.state === "detached", "the shell is detached");
    await endAll();
    await stillAnswers();
  });

  it("whose far side is gone without a word is noticed by its silence", async () => {
    const { socket, opened } = dial(shellPath);
    await opened;
    socket.send(headersFrame());
    socket.send(start());
    await until(() => bastion.registry.list()[0]?.state === "attached", "the shell is open");
    socket.pause();
    await until(() => bastion.registry.list()[0]?.state === "detached", "the shell is detached");
    socket.terminate();
    await endAll();
  });

  it("that takes nothing is sent at most what the window holds, and slows nobody who only watches", async () => {
    const { socket, opened, body } = dial(shellPath);
    await opened;
    socket.send(headersFrame());
    socket.send(start());
    const session = await until(() => bastion.registry.list()[0], "the shell is open");
    const pty = memory.pty();
    let printed = 0;
    const printing = (async () => {
      for (let step = 0; step < 128 && !pty.hungUp(); step += 1) {
        await pty.print(new Uint8Array(32 * 1024).fill(0x61));
        printed += 32 * 1024;
      }
    })();
    await until(() => body().length > 512 * 1024, "the window is full");
    await using watcher = watch(bastion.clients(), session.id);
    await watcher.started();
    expect(body().length).toBeLessThan(700 * 1024);
    expect(printed).toBeLessThan(1024 * 1024);
    socket.send(JSON.stringify({ taken: body().length - 1000 }));
    await until(() => body().length > 900 * 1024, "it goes on when more was taken");
    await endAll();
    await printing;
  });

  it("is closed with the word for a restart when the server stops", async () => {
    const config = { ...readConfig(undefined, { HOME: bastion.folder }), data: bastion.folder, node: "stopping" };
    const listen = { host: "127.0.0.1", port: 0, names: [] };
    const log = createLog("silent");
    const stopping = await openBastion({ log, config: { ...config, listen }, targets: () => [] });
    const path = "/bartizan.v1.SessionService/WatchSessions";
    const { socket, opened, closed, body } = dial(path, {}, subprotocol, stopping.url);
    await opened;
    socket.send(headersFrame([], stopping.token));
    socket.send(enveloped(new Uint8Array()));
    await until(() => body().length > 0, "the list began");
    await stopping[Symbol.asyncDispose]();
    expect(await closed).toBe(1012);
    expect(body().toString()).toContain('"unavailable"');
  });
});
