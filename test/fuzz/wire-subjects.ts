/** A real server, and clients that send it what no client should: bodies of calls, HTTP/1, HTTP/2 and WebSocket frames. */
import { randomBytes } from "node:crypto";
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import type { DescMethod } from "@bufbuild/protobuf";
import { contractMethods, pathOf } from "../support/contract.ts";
import { endHeaders, endStream, frame, frameTypes, preface, requestBlock } from "../support/http2-frames.ts";
import type { Random } from "../support/random.ts";
import { openServed, type Served } from "../support/served.ts";
import { randomBinary, randomJson } from "./messages.ts";
import { mutate } from "./mutate.ts";
import { Finding, hangMs, type Subject } from "./subject.ts";

const methods = await contractMethods();
/** A target that refuses at once: what is typed goes nowhere. */
const yaml = `listen: { port: 0 }
demo: false
sshConfig: false
log: silent
targets: [{ name: web1, host: 127.0.0.1, port: 9 }]
`;
/** A call that is not answered by then is left, not waited for: streams have no end of their own. */
const patienceMs = 300;

export interface Wire extends AsyncDisposable {
  readonly subjects: readonly Subject[];
}

/** One server for all of them. */
export async function openWire(): Promise<Wire> {
  const served = await openServed(yaml);
  const parts = { atOnce: 8, rssBytes: served.rssBytes, check: () => check(served) };
  const bodies = bodySender(served);
  const raw = (name: string, input: (random: Random) => Buffer): Subject => ({
    ...{ ...parts, name },
    step: (random) => sendRaw(served, input(random), `127.${1 + random.below(250)}.${random.below(250)}.9`),
    [Symbol.asyncDispose]: async () => {},
  });
  return {
    subjects: [
      { ...parts, name: "Protobuf bodies", step: bodies.binary, [Symbol.asyncDispose]: bodies.close },
      { ...parts, name: "JSON bodies", step: bodies.json, [Symbol.asyncDispose]: async () => {} },
      raw("HTTP/1 requests", (random) => mutate(random, random.pick(http1Seeds(served)))),
      raw("HTTP/2 frames", (random) => http2Input(served, random)),
      raw("WebSocket frames", (random) => webSocketInput(served, random)),
    ],
    [Symbol.asyncDispose]: () => served[Symbol.asyncDispose](),
  };
}

/** The server lives and answers an honest caller; slow only when it is so three times, for the machine has other work. */
async function check(served: Served): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    if (!served.alive()) throw new Finding(`the server ended: ${served.said().slice(-4000)}`);
    const startedMs = performance.now();
    const answer = await fetch(`${served.url}/bartizan.v1.AccessService/WhoAmI`, {
      method: "POST",
      headers: { authorization: `Bearer ${served.token}`, "content-type": "application/json", connection: "close" },
      body: "{}",
    }).catch((error: Error) => error);
    const tookMs = performance.now() - startedMs;
    if (!(answer instanceof Error)) {
      await answer.arrayBuffer();
      if (answer.status !== 200) throw new Finding(`an honest call got ${answer.status}`);
      if (tookMs <= hangMs) return;
    }
    if (tries >= 2) throw new Finding(answer instanceof Error ? `no answer: ${answer.cause}` : `slow: ${tookMs} ms`);
  }
}

function envelope(flags: number, body: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head[0] = flags;
  head.writeUInt32BE(body.length, 1);
  return Buffer.concat([head, body]);
}

function bodySender(served: Served) {
  let session: ClientHttp2Session | undefined;
  const call = async (random: Random, method: DescMethod, form: "proto" | "json", body: Uint8Array): Promise<void> => {
    if (session === undefined || session.closed || session.destroyed) {
      session = connectHttp2(served.url);
      session.on("error", () => {});
    }
    const unary = method.methodKind === "unary";
    const kind = unary ? random.pick([form, form, form, "grpc"]) : random.pick([`connect+${form}`, `grpc+${form}`]);
    const stream = session.request({
      ...{ ":method": "POST", ":path": pathOf(method), authorization: `Bearer ${served.token}`, te: "trailers" },
      "content-type": `application/${kind}`,
    });
    const done = Promise.withResolvers<void>();
    for (const event of ["end", "error", "close"]) stream.once(event, () => done.resolve());
    const timer = setTimeout(done.resolve, patienceMs);
    stream.resume();
    stream.end(kind === form ? body : envelope(random.below(20) === 0 ? random.below(256) : 0, body));
    await done.promise;
    clearTimeout(timer);
    stream.close();
  };
  return {
    binary(random: Random) {
      const method = random.pick(methods);
      const body = randomBinary(random, method.input);
      return call(random, method, "proto", random.below(3) === 0 ? body : mutate(random, body));
    },
    json(random: Random) {
      const method = random.pick(methods);
      const body = Buffer.from(random.below(20) === 0 ? "[".repeat(50_000) : randomJson(random, method.input));
      return call(random, method, "json", random.below(3) === 0 ? body : mutate(random, body));
    },
    async close() {
      session?.destroy();
    },
  };
}

/** From an address that was not put out for what it sent before. Sends it all, says that this was all, and waits for the far side to close, or for a moment. */
async function sendRaw({ port }: Served, input: Uint8Array, localAddress: string): Promise<void> {
  const done = Promise.withResolvers<void>();
  const socket: Socket = connect({ port, host: "127.0.0.1", localAddress });
  socket.on("error", () => {}).once("close", () => done.resolve());
  socket.resume();
  socket.end(input);
  const timer = setTimeout(done.resolve, patienceMs);
  await done.promise;
  clearTimeout(timer);
  socket.destroy();
}

function http1Seeds({ port, token }: Served): Buffer[] {
  const host = `Host: 127.0.0.1:${port}\r\n`;
  const auth = `Authorization: Bearer ${token}\r\n`;
  const path = "/bartizan.v1.SessionService/ListSessions";
  return [
    `GET / HTTP/1.1\r\n${host}Accept: text/html\r\n\r\n`,
    `GET /healthz HTTP/1.0\r\n${host}\r\nGET /readyz HTTP/1.1\r\n${host}\r\n`,
    `POST ${path} HTTP/1.1\r\n${host}${auth}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`,
    `POST ${path} HTTP/1.1\r\n${host}${auth}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\n{}\r\n0\r\nx: y\r\n\r\n`,
    `GET ${path}?connect=v1&encoding=json&message=%7B%7D&base64=1 HTTP/1.1\r\n${host}${auth}\r\n`,
    `POST ${path} HTTP/1.1\r\n${host}${auth}Expect: 100-continue\r\nContent-Type: application/proto\r\nContent-Length: 99999999999\r\n\r\n`,
    `PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET / HTTP/1.1\r\n${host}\r\n`,
    `OPTIONS * HTTP/1.1\r\n${host}Origin: https://evil.example\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\n\r\n`,
  ].map((text) => Buffer.from(text));
}

function http2Input({ port, token }: Served, random: Random): Buffer {
  const authority = `127.0.0.1:${port}`;
  const call = (method: DescMethod, body: Uint8Array) => {
    const unary = method.methodKind === "unary";
    const type = unary ? "application/proto" : "application/connect+proto";
    return {
      block: requestBlock(authority, pathOf(method), "POST", [
        ["content-type", type],
        ["authorization", `Bearer ${token}`],
      ]),
      body: unary ? body : envelope(0, body),
    };
  };
  const frames: Buffer[] = [preface, frame(frameTypes.settings, 0, 0)];
  for (let count = 1 + random.below(12), stream = 1; count > 0; count -= 1, stream += random.pick([0, 2, 2])) {
    const method = random.pick(methods);
    const { block, body } = call(method, randomBinary(random, method.input));
    frames.push(
      ...random.pick([
        [frame(frameTypes.headers, endHeaders, stream, block), frame(frameTypes.data, endStream, stream, body)],
        [frame(frameTypes.headers, endHeaders, stream, mutate(random, block)), frame(frameTypes.data, 1, stream, body)],
        [frame(frameTypes.headers, 0, stream, block), frame(frameTypes.continuation, endHeaders, stream, block)],
        [frame(random.below(256), random.below(256), random.pick([0, stream]), random.bytes(random.below(40)))],
        [frame(frameTypes.settings, 0, 0, random.bytes(6 * random.below(4)))],
        [frame(frameTypes.windowUpdate, 0, random.pick([0, stream]), random.bytes(4))],
        [frame(frameTypes.reset, 0, stream, random.bytes(4)), frame(frameTypes.goaway, 0, 0, random.bytes(12))],
      ]),
    );
  }
  const input = Buffer.concat(frames);
  if (random.below(2) === 0) return input;
  // What stands before the frames stays: else it is HTTP/1 that is tried.
  return Buffer.concat([preface, mutate(random, input.subarray(preface.length))]);
}

function webSocketInput({ port, token }: Served, random: Random): Buffer {
  const method = random.pick(methods.filter(({ methodKind }) => methodKind !== "unary"));
  const upgrade = [
    `GET ${pathOf(method)} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    `Origin: http://127.0.0.1:${port}`,
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`,
    "Sec-WebSocket-Protocol: bartizan.v1",
    "\r\n",
  ].join("\r\n");
  const headers = JSON.stringify({
    headers: [
      ["content-type", "application/connect+proto"],
      ["authorization", `Bearer ${token}`],
    ],
  });
  const frames = [
    webSocketFrame(1, Buffer.from(random.below(3) === 0 ? mutate(random, Buffer.from(headers)) : headers)),
  ];
  for (let count = random.below(8); count > 0; count -= 1) {
    const body = envelope(0, randomBinary(random, method.input));
    frames.push(
      random.pick([
        webSocketFrame(2, body),
        webSocketFrame(2, mutate(random, body)),
        webSocketFrame(1, mutate(random, Buffer.from('{"taken":5}'))),
        webSocketFrame(1, Buffer.from('{"end":true}')),
        webSocketFrame(random.below(16), random.bytes(random.below(130))),
      ]),
    );
  }
  const sent = Buffer.concat(frames);
  return Buffer.concat([Buffer.from(upgrade), random.below(3) === 0 ? mutate(random, sent) : sent]);
}

/** RFC 6455, 5.2; masked with nothing. */
function webSocketFrame(opcode: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(payload.length < 126 ? 6 : 8);
  head[0] = 0x80 | opcode;
  head[1] = 0x80 | Math.min(payload.length, 126);
  if (payload.length >= 126) head.writeUInt16BE(Math.min(payload.length, 65_535), 2);
  return Buffer.concat([head, payload]);
}
