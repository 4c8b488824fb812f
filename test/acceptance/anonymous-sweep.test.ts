/** A01: without a valid token nothing answers but what the policy table says is for anyone, whatever carries the call. */
import { randomBytes } from "node:crypto";
import { type IncomingMessage, request as requestHttp1 } from "node:http";
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { create, type DescMethod, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { anyone, policyTable } from "../../server/access/policy.ts";
import { contractMethods, pathOf } from "../support/contract.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { openTestBastion, type TestBastion } from "../support/test-bastion.ts";
import { operate } from "../support/viewing.ts";

const endless = { burst: 1e9, everyMs: 1 };
const memory = createMemoryTarget();
const methods = await contractMethods();
const guarded = methods.filter((method) => policyTable[pathOf(method).slice(1)] !== anyone);
const garbage: Readonly<Record<string, Record<string, string>>> = {
  "no token": {},
  "a wrong token": { authorization: "Bearer btz_wrong" },
  "another scheme": { authorization: "Basic YWRtaW46YWRtaW4=" },
  "an empty token": { authorization: "Bearer " },
  "a token beside a wrong scheme": { authorization: "Bearer a Bearer b" },
  "a cookie": { cookie: "__Host-bartizan=x; token=y" },
  "an identity that a proxy might set": {
    "x-forwarded-user": "admin",
    "x-remote-user": "admin",
    "remote-user": "root",
  },
};

let bastion: TestBastion;
let session: ClientHttp2Session;
beforeAll(async () => {
  const throttle = { net: endless, name: endless, nameAndNet: endless, everybody: endless };
  bastion = await openTestBastion({
    ...{ throttle, limits: { unauthenticatedMs: 600_000 }, targets: [memory.target], dial: memory.dial },
    principals: { ann: ["operator"], bob: ["operator"] },
  });
  session = connectHttp2(bastion.url);
});
afterAll(async () => {
  session.close();
  await bastion[Symbol.asyncDispose]();
});

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly headers: Readonly<Record<string, unknown>>;
}

function overHttp2(path: string, headers: Record<string, string>, body?: Uint8Array): Promise<Answer> {
  const stream = session.request({ ":path": path, ":method": body === undefined ? "GET" : "POST", ...headers });
  stream.end(body);
  return new Promise((resolve, reject) => {
    let said: Record<string, unknown> = {};
    const chunks: Buffer[] = [];
    stream.on("response", (each) => {
      said = { ...said, ...each };
    });
    stream.on("trailers", (each) => {
      said = { ...said, ...each };
    });
    stream.on("data", (chunk) => chunks.push(chunk));
    stream.once("error", reject);
    stream.once("end", () =>
      resolve({ status: Number(said[":status"]), text: Buffer.concat(chunks).toString(), headers: said }),
    );
  });
}

function overHttp1(path: string, headers: Record<string, string>, body?: Uint8Array): Promise<Answer> {
  const method = body === undefined ? "GET" : "POST";
  return new Promise((resolve, reject) => {
    const sent = requestHttp1(`${bastion.url}${path}`, { method, headers: { connection: "close", ...headers } });
    const read = (response: IncomingMessage) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk) => chunks.push(chunk));
      const text = () => Buffer.concat(chunks).toString();
      response.once("end", () =>
        resolve({ status: response.statusCode ?? 0, text: text(), headers: response.headers }),
      );
    };
    sent.once("response", read).once("error", reject);
    sent.on("upgrade", (response, socket) => {
      socket.destroy();
      resolve({ status: response.statusCode ?? 0, text: "", headers: response.headers });
    });
    sent.end(body);
  });
}

const enveloped = (body: Uint8Array) => Buffer.concat([Buffer.from([0, 0, 0, 0, body.length]), body]);
const isUnary = (method: DescMethod) => method.methodKind === "unary";

/** Calls in every form that is served, with what tells that the caller was not let in. */
const forms: Readonly<
  Record<string, (method: DescMethod, headers: Record<string, string>) => Promise<{ answer: Answer; refused: boolean }>>
> = {
  "Connect, JSON, HTTP/1.1": async (method, headers) => {
    const type = isUnary(method) ? "application/json" : "application/connect+json";
    const body = isUnary(method) ? Buffer.from("{}") : enveloped(Buffer.from("{}"));
    return byText(await overHttp1(pathOf(method), { ...headers, "content-type": type }, body));
  },
  "Connect, Protobuf, HTTP/2": async (method, headers) => {
    const empty = toBinary(method.input, create(method.input));
    const type = isUnary(method) ? "application/proto" : "application/connect+proto";
    const body = isUnary(method) ? empty : enveloped(empty);
    return byText(await overHttp2(pathOf(method), { ...headers, "content-type": type }, body));
  },
  "Connect by GET": async (method, headers) => {
    const query = "?connect=v1&encoding=json&message=%7B%7D";
    const answer = await overHttp1(`${pathOf(method)}${query}`, headers);
    return { answer, refused: [401, 404, 405, 415, 505].includes(answer.status) };
  },
  gRPC: async (method, headers) => {
    const answer = await overHttp2(
      pathOf(method),
      { ...headers, "content-type": "application/grpc+proto", te: "trailers" },
      enveloped(new Uint8Array()),
    );
    return { answer, refused: answer.headers["grpc-status"] === "16" };
  },
  "gRPC-Web": async (method, headers) => {
    const type = { "content-type": "application/grpc-web+proto" };
    const answer = await overHttp1(pathOf(method), { ...headers, ...type }, enveloped(new Uint8Array()));
    const refused = answer.headers["grpc-status"] === "16" || /grpc-status: 16/.test(answer.text);
    return { answer, refused: refused || answer.status === 505 };
  },
  "a WebSocket": async (method, headers) => {
    const answer = await overHttp1(pathOf(method), {
      ...{ ...headers, connection: "Upgrade", upgrade: "websocket", origin: bastion.url },
      ...{ "sec-websocket-version": "13", "sec-websocket-key": randomBytes(16).toString("base64") },
      "sec-websocket-protocol": "bartizan.v1",
    });
    // An open socket is a stranger until its first frame shows a token (test/front/ws-bridge.test.ts).
    return { answer, refused: answer.status === (isUnary(method) ? 404 : 101) };
  },
};

function byText(answer: Answer): { answer: Answer; refused: boolean } {
  // HTTP/1.1 cannot carry both ways at once: such a call is not even begun.
  return { answer, refused: answer.status === 505 || answer.text.includes('"unauthenticated"') };
}

describe.each(Object.keys(garbage))("with %s", (name) => {
  test.each(Object.keys(forms))("nobody is let in by %s", async (form) => {
    const answered: string[] = [];
    for (const method of guarded) {
      const result = await forms[form]?.(method, garbage[name] ?? {});
      if (result?.refused !== true) answered.push(`${pathOf(method)}: ${result?.answer.status} ${result?.answer.text}`);
    }
    expect(answered).toEqual([]);
  });
});

test("what is for anyone is a short list that is written down", () => {
  const forAnyone = methods.filter((method) => !guarded.includes(method)).map(pathOf);
  const known = [
    "/bartizan.v1.AccessService/RedeemCode",
    // Signing in, where an identity provider is configured.
    "/bartizan.v1.AccessService/BeginLogin",
    "/bartizan.v1.AccessService/PollLogin",
    "/bartizan.v1.AccessService/GetSignInWays",
  ];
  expect(forAnyone.filter((path) => !known.includes(path))).toEqual([]);
  expect(guarded.length).toBeGreaterThan(15);
});

test("paths that are no method and no file are 404, and tell nothing", async () => {
  for (const path of [
    "/metrics",
    "/debug",
    "/.env",
    "/.git/config",
    "/api",
    "/bartizan.v1.SessionService",
    "/bartizan.v1.SessionService/",
    "/bartizan.v1.SessionService/kick",
    "/bartizan.v1.SessionService/Kick/",
    "//bartizan.v1.SessionService/Kick",
    "/bartizan.v1.SessionService/Kick%00",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/token",
    "/audit.jsonl",
    "/recordings.db",
  ]) {
    const type = { "content-type": "application/json" };
    for (const answer of [await overHttp2(path, {}), await overHttp1(path, type, Buffer.from("{}"))]) {
      expect([404, 405], path).toContain(answer.status);
      expect(answer.text).toBe("There is nothing here.\n");
    }
  }
});

test("what exists and what does not look alike to who may not see it, id by id", async () => {
  await using operator = operate(bastion.clients("token-ann"), "memory");
  const { session: own } = await operator.started();
  await operator.shell.write(Buffer.from("x"));
  const recording = bastion.catalogue.find(own.id)?.id ?? "";
  const bob = bastion.clients("token-bob");
  const missing = { session: own.id.replace(/.$/, (last) => (last === "a" ? "b" : "a")), recording: "0".repeat(32) };
  const said = async (call: () => Promise<unknown>) => {
    const error = await call().then(
      () => undefined,
      (reason) => ConnectError.from(reason),
    );
    return { code: error?.code, text: error?.rawMessage, details: JSON.stringify(error?.details) };
  };
  const drained = async (stream: AsyncIterable<unknown>) => {
    for await (const _ of stream);
  };
  const calls: ((id: { session: string; recording: string }) => Promise<unknown>)[] = [
    ({ session: sessionId }) => bob.sessions.kick({ sessionId, reason: "x" }),
    ({ session: sessionId }) => drained(bob.sessions.watch({ sessionId })),
    ({ recording: id }) => bob.recordings.getRecording({ id }),
    ({ recording: id }) => drained(bob.recordings.replay({ id })),
    ({ recording: id }) => drained(bob.recordings.exportRecording({ id })),
  ];
  for (const call of calls) {
    const foreign = await said(() => call({ session: own.id, recording }));
    expect(foreign.code).toBe(Code.NotFound);
    expect(foreign).toEqual(await said(() => call(missing)));
  }
  operator.shell.hangUp();
  await operator.ended();
});
