import { connect as connectHttp2, constants } from "node:http2";
import { connect, type Socket } from "node:net";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createPartlyHeldClock, type HeldClock, passUntilSettled } from "../support/held-clock.ts";
import { openTestBastion, type TestBastion } from "../support/test-bastion.ts";
import { until } from "../support/until.ts";

/** No other timer has this length. */
const unauthenticatedMs = 987;
let bastion: TestBastion;
let clock: HeldClock;
beforeEach(async () => {
  clock = createPartlyHeldClock(unauthenticatedMs);
  bastion = await openTestBastion({ clock, limits: { maxUnauthenticated: 20, unauthenticatedMs } });
});
// Connections that showed no token are hung up on then, and not waited for.
afterEach(() => passUntilSettled(clock, bastion[Symbol.asyncDispose]()));

/** Sends text over a bare socket; resolves with all that comes back until the server closes. */
async function raw(text: string | Uint8Array): Promise<string> {
  const socket = connect(bastion.port, "127.0.0.1");
  const chunks: Buffer[] = [];
  socket.on("data", (chunk) => chunks.push(chunk));
  socket.on("error", () => {});
  socket.write(text);
  await closed(socket);
  return Buffer.concat(chunks).toString("latin1");
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.once("close", () => resolve());
  });
}

async function stillAnswers(): Promise<void> {
  expect((await bastion.clients().access.whoAmI({})).node).toBe("test");
}

const post = (host: string, version = "1.1") =>
  `POST /bartizan.v1.AccessService/WhoAmI HTTP/${version}\r\n${host}content-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}`;

describe("the front", () => {
  it.each([
    ["a port that is none", "Host: a:99999\r\n"],
    ["an open bracket", "Host: [\r\n"],
    ["another site's name (DNS rebinding)", "Host: evil.example:7322\r\n"],
    ["an empty one", "Host:\r\n"],
  ])("refuses a Host with %s and goes on serving", async (_name, host) => {
    expect(await raw(post(host))).toMatch(/^HTTP\/1\.1 4\d\d /);
    await stillAnswers();
  });

  it("refuses HTTP/1.0 without a Host and goes on serving", async () => {
    expect(await raw(post("", "1.0"))).toMatch(/^HTTP\/1\.1 4\d\d /);
    await stillAnswers();
  });

  it.each(["a:99999", "[", "evil.example", ""])("refuses the :authority %j over HTTP/2", async (authority) => {
    const session = connectHttp2(bastion.url);
    session.on("error", () => {});
    const stream = session.request({
      [constants.HTTP2_HEADER_METHOD]: "POST",
      [constants.HTTP2_HEADER_PATH]: "/bartizan.v1.AccessService/WhoAmI",
      [constants.HTTP2_HEADER_AUTHORITY]: authority,
      "content-type": "application/json",
    });
    stream.on("error", () => {});
    const status = await new Promise((resolve) => {
      stream.on("response", (headers) => resolve(headers[":status"]));
      stream.on("close", () => resolve("reset"));
    });
    stream.close();
    session.destroy();
    expect([400, 421, "reset"]).toContain(status);
    await stillAnswers();
  });

  it("refuses a call with another site's Origin", async () => {
    const answer = await fetch(`${bastion.url}/bartizan.v1.AccessService/WhoAmI`, {
      method: "POST",
      headers: { origin: "https://evil.example", "content-type": "application/json" },
      body: "{}",
    });
    expect(answer.status).toBe(403);
  });

  it("answers health and readiness to anybody, and nothing else", async () => {
    const health = await fetch(`${bastion.url}/healthz`);
    expect(health.headers.get("content-type")).toMatch(/^application\/json/);
    expect(await health.json()).toEqual({ status: "ok", bus: "none" });
    const ready = await fetch(`${bastion.url}/readyz`);
    expect([ready.status, await ready.json()]).toEqual([200, { status: "ready", bus: "none" }]);
    expect((await fetch(`${bastion.url}/metrics`)).status).toBe(404);
    expect((await fetch(`${bastion.url}/__proto__`)).status).toBe(404);
  });

  it("answers Connect over HTTP/1.1 with a token, and Unauthenticated without or with a wrong one", async () => {
    const call = (headers: Record<string, string>) =>
      fetch(`${bastion.url}/bartizan.v1.AccessService/WhoAmI`, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: "{}",
      });
    expect((await call({})).status).toBe(401);
    expect((await call({ authorization: "Bearer btz_wrong" })).status).toBe(401);
    expect((await call({ authorization: `Bearer ${bastion.token}` })).status).toBe(200);
  });

  it("refuses every method without a token", async () => {
    const { sessions, targets, access } = bastion.clients("nobody");
    const calls: (() => Promise<unknown>)[] = [
      () => access.whoAmI({}),
      () => targets.listTargets({}),
      () => sessions.listSessions({}),
      () => sessions.kick({ sessionId: "x", reason: "y" }),
      () => drained(sessions.watch({ sessionId: "x" })),
      () => drained(sessions.watchSessions({})),
      () => drained(sessions.shell((async function* () {})())),
    ];
    for (const call of calls) {
      const error = await call().then(
        () => undefined,
        (reason) => ConnectError.from(reason),
      );
      expect(error?.code).toBe(Code.Unauthenticated);
    }
  });

  it("refuses a body over its limit without reading it all", async () => {
    const error = await bastion
      .clients()
      .sessions.kick({ sessionId: "x", reason: "y".repeat(400_000) })
      .catch((reason) => ConnectError.from(reason));
    expect((error as ConnectError).code).toBe(Code.ResourceExhausted);
    await stillAnswers();
  });

  it.each([
    ["nothing", ""],
    ["a first letter", "P"],
    ["half a header", "GET / HTTP/1.1\r\nHost: x"],
    ["the preface alone", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
  ])("hangs up on a connection that sends %s and shows no token in time", async (_name, text) => {
    const shown = raw(text);
    await until(() => bastion.connections() === 1, "the connection is there");
    expect(await passUntilSettled(clock, shown)).toBeGreaterThanOrEqual(unauthenticatedMs);
    await stillAnswers();
  });

  it.each([
    ["TLS where there is none", Buffer.from([0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0])],
    ["rubbish", Buffer.from(Array.from({ length: 3000 }, (_, index) => (index * 7) & 0xff))],
    [
      "a preface and rubbish",
      Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Buffer.alloc(500, 0xaa)]),
    ],
    ["headers without end", Buffer.from(`GET / HTTP/1.1\r\n${"x: y\r\n".repeat(20_000)}`)],
  ])("hangs up on %s and goes on serving", async (_name, bytes) => {
    await passUntilSettled(clock, raw(bytes));
    await stillAnswers();
  });

  it("keeps room for callers when strangers fill their share of connections", async () => {
    const { access } = bastion.clients();
    await access.whoAmI({});
    const strangers = Array.from({ length: 40 }, () => connect(bastion.port, "127.0.0.1").on("error", () => {}));
    let open = 40;
    for (const socket of strangers) socket.once("close", () => (open -= 1));
    await until(() => open <= 20, "those over the share are hung up on");
    await access.whoAmI({});
    // Also for one who comes only now.
    await stillAnswers();
    for (const socket of strangers) socket.destroy();
    await Promise.all(strangers.map(closed));
  });
});

async function drained(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of stream);
}
