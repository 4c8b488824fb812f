/** A09: nobody becomes somebody else, or comes from elsewhere, by saying so in a header or in front of the request. */
import { request } from "node:http";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestBastion, type TestBastion } from "../support/test-bastion.ts";

const path = "/bartizan.v1.AccessService/WhoAmI";
const listen = { host: "127.0.0.1", port: 0, names: [] };
/** Some few failures of one source are taken, and none comes back while this lasts. */
const few = { burst: 5, everyMs: 3_600_000 };
const many = { burst: 1e6, everyMs: 1 };
const throttle = { net: few, everybody: many };

function call(port: number, headers: Record<string, string>, localAddress = "127.0.0.1"): Promise<number | undefined> {
  const all = { "content-type": "application/json", connection: "close", ...headers };
  return new Promise((resolve, reject) => {
    request({ host: "127.0.0.1", port, path, method: "POST", localAddress, headers: all }, (response) => {
      response.resume();
      response.once("end", () => resolve(response.statusCode));
    })
      .once("error", reject)
      .end("{}");
  });
}
const wrong = { authorization: "Bearer btz_wrong" };
const spoofs = ["x-forwarded-for", "forwarded", "x-real-ip", "true-client-ip", "cf-connecting-ip", "x-client-ip"];
const spoofed = (name: string, address: string) => (name === "forwarded" ? `for=${address}` : address);

describe("without trusted proxies", () => {
  let bastion: TestBastion;
  beforeAll(async () => {
    bastion = await openTestBastion({ throttle });
  });
  afterAll(() => bastion[Symbol.asyncDispose]());

  test("a guesser is slowed down as one source, whatever address he writes into which header", async () => {
    const statuses: (number | undefined)[] = [];
    for (let index = 0; index < 60; index += 1) {
      const name = spoofs[index % spoofs.length] ?? "";
      statuses.push(await call(bastion.port, { ...wrong, [name]: spoofed(name, `203.0.113.${index}`) }));
    }
    expect(statuses).toEqual([...Array(5).fill(401), ...Array(55).fill(429)]);
    // And he cannot have somebody else slowed down either.
    expect(await call(bastion.port, wrong, "127.0.7.7")).toBe(401);
  });

  test("identity headers are nobody's identity", async () => {
    for (const name of [
      "x-forwarded-user",
      "x-remote-user",
      "remote-user",
      "x-warpgate-username",
      "x-auth-request-email",
      "x-forwarded-email",
      "x-webauth-user",
      "x-ssl-client-cert",
      "x-ssl-client-verify",
      "tailscale-user-login",
    ])
      expect(await call(bastion.port, { [name]: "admin" }, "127.0.8.8")).toBe(401);
    const method = { "x-http-method-override": "DELETE", "x-original-url": "/healthz", "x-rewrite-url": "/healthz" };
    expect(await call(bastion.port, method, "127.0.8.8")).toBe(401);
  });

  test.each([
    ["PROXY in text", Buffer.from("PROXY TCP4 203.0.113.1 127.0.0.1 1234 80\r\n")],
    ["PROXY in text, of an unknown kind", Buffer.from("PROXY UNKNOWN\r\n")],
    ["PROXY in binary", Buffer.from("0d0a0d0a000d0a515549540a2111000ccb0071017f00000104d20050", "hex")],
  ])("%s before a request is refused, and the request with it", async (_name, preamble) => {
    const socket = connect(bastion.port, "127.0.0.1").on("error", () => {});
    const get = `GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:${bastion.port}\r\nConnection: close\r\n\r\n`;
    socket.end(Buffer.concat([preamble, Buffer.from(get)]));
    expect(await text(socket).catch(() => "")).not.toMatch(/ok|200/);
  });
});

describe("with a trusted proxy", () => {
  let bastion: TestBastion;
  beforeAll(async () => {
    bastion = await openTestBastion({ throttle, config: { listen: { ...listen, trustedProxies: ["127.0.5.0/24"] } } });
  });
  afterAll(() => bastion[Symbol.asyncDispose]());

  test("whom it names is the source, what its client wrote before that is not", async () => {
    const from = (forwarded: string) => call(bastion.port, { ...wrong, "x-forwarded-for": forwarded }, "127.0.5.1");
    for (let index = 0; index < 5; index += 1) expect(await from(`10.0.0.${index}, 203.0.113.9`)).toBe(401);
    expect(await from("198.51.100.1, 203.0.113.9")).toBe(429);
    expect(await from("203.0.113.9, 198.51.100.1")).toBe(401);
    // Another header of it says nothing.
    expect(await call(bastion.port, { ...wrong, "x-real-ip": "203.0.113.9" }, "127.0.5.1")).toBe(401);
  });

  test("nobody else is believed", async () => {
    for (let index = 0; index < 5; index += 1)
      expect(await call(bastion.port, { ...wrong, "x-forwarded-for": `10.1.1.${index}` }, "127.0.6.1")).toBe(401);
    expect(await call(bastion.port, { ...wrong, "x-forwarded-for": "10.1.2.3" }, "127.0.6.1")).toBe(429);
  });
});
