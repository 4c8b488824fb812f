/** A16: every answer of every route says what R55 wants, whoever asks and however it goes. */
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { request as requestTls } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { root } from "../house/sources.ts";
import { selfSigned } from "../support/self-signed.ts";
import { openTestBastion, type TestBastion } from "../support/test-bastion.ts";

const built = join(root, "dist", "web");
let bastion: TestBastion;
beforeAll(async () => {
  bastion = await openTestBastion();
});
afterAll(() => bastion[Symbol.asyncDispose]());

type Headers = Readonly<Record<string, string | string[] | undefined>>;

function ask(
  path: string,
  headers: Record<string, string> = {},
  method = "GET",
  body = "",
): Promise<[number, Headers]> {
  return new Promise((resolve, reject) => {
    request(`${bastion.url}${path}`, { method, headers: { connection: "close", ...headers } }, (response) => {
      response.resume();
      response.once("end", () => resolve([response.statusCode ?? 0, response.headers]));
    })
      .once("error", reject)
      .end(body);
  });
}

function expectEverywhere(headers: Headers): void {
  expect(headers["x-content-type-options"]).toBe("nosniff");
  expect(headers["referrer-policy"]).toBe("no-referrer");
  expect(headers["cross-origin-opener-policy"]).toBe("same-origin");
  expect(headers["cross-origin-resource-policy"]).toBe("same-origin");
  const policy = String(headers["content-security-policy"]).split("; ");
  for (const part of ["default-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"])
    expect(policy).toContain(part);
  expect(Object.keys(headers).filter((name) => name.startsWith("access-control-"))).toEqual([]);
  expect(headers.server).toBeUndefined();
  expect(headers["x-powered-by"]).toBeUndefined();
  expect(headers["set-cookie"]).toBeUndefined();
}

test("a server that others reach, which is by TLS alone, says so to browsers; one on loopback does not", async () => {
  expect((await ask("/"))[1]["strict-transport-security"]).toBeUndefined();
  const folder = mkdtempSync(join(tmpdir(), "bartizan-tls-"));
  try {
    const { cert, key } = selfSigned();
    const tls = { cert: join(folder, "cert.pem"), key: join(folder, "key.pem") };
    writeFileSync(tls.cert, cert);
    writeFileSync(tls.key, key);
    await using wide = await openTestBastion({
      ...{ config: { listen: { host: "0.0.0.0", port: 0, names: ["localhost"], tls } } },
      principals: { alice: ["operator"] },
    });
    const { port } = wide;
    for (const [path, host] of [
      ["/", `localhost:${port}`],
      ["/healthz", `localhost:${port}`],
      ["/bartizan.v1.AccessService/WhoAmI", `localhost:${port}`],
      ["/", "evil.example"],
    ] as const) {
      const headers = await new Promise<Headers>((resolve, reject) => {
        const options = { host: "127.0.0.1", port, path, ca: cert, servername: "localhost" };
        const asked = requestTls({ ...options, headers: { host, connection: "close" } }, (response) => {
          response.resume();
          response.once("end", () => resolve(response.headers));
        });
        asked.once("error", reject).end();
      });
      expect(headers["strict-transport-security"]).toBe("max-age=31536000");
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("each file of the page and each view of it", async () => {
  expect(existsSync(join(built, "index.html")), "npm run build:web").toBe(true);
  const files = readdirSync(built, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(built.length));
  expect(files.length).toBeGreaterThan(3);
  for (const path of [...files, "/", "/sessions", "/recordings", "/shell", "/wall", "/access", "/watch/test-1"]) {
    const [status, headers] = await ask(path, { accept: "text/html" });
    expect([path, status]).toEqual([path, 200]);
    expectEverywhere(headers);
    const policy = String(headers["content-security-policy"]);
    expect(policy).toContain("script-src 'self';");
    expect(policy).toContain("connect-src 'self';");
    expect(policy).toContain("require-trusted-types-for 'script'");
    expect(policy).not.toMatch(/unsafe-eval|\*|https?:|script-src[^;]*unsafe-inline/);
    const lasting = /^\/assets\//.test(path) ? /immutable/ : /no-store|no-cache/;
    expect(headers["cache-control"]).toMatch(lasting);
  }
});

const calls: readonly (readonly [string, number, string, Record<string, string>, string?, string?])[] = [
  ["a probe", 200, "/healthz", {}],
  ["readiness", 200, "/readyz", {}],
  ["nothing", 404, "/nothing", {}],
  ["a wrong method", 405, "/healthz", {}, "POST"],
  ["another host", 421, "/", { host: "evil.example" }],
  ["another origin", 403, "/", { origin: "https://evil.example" }],
  ["a call from another site", 403, "/bartizan.v1.AccessService/WhoAmI", { "sec-fetch-site": "cross-site" }, "POST"],
  [
    "a call without a token",
    401,
    "/bartizan.v1.AccessService/WhoAmI",
    { "content-type": "application/json" },
    "POST",
    "{}",
  ],
  ["a call in a wrong form", 415, "/bartizan.v1.AccessService/WhoAmI", { "content-type": "text/plain" }, "POST", "{}"],
  [
    "an upgrade that is refused",
    403,
    "/bartizan.v1.SessionService/Shell",
    { connection: "Upgrade", upgrade: "websocket" },
  ],
];
test.each(calls.map(([name, status, ...rest]) => ({ name, status, rest })))("$name ($status)", async (each) => {
  const { status, rest } = each;
  const [answered, said] = await ask(...rest);
  expect(answered).toBe(status);
  expectEverywhere(said);
  expect(said["cache-control"]).toBe("no-store");
});

describe("a call that is let in", () => {
  const authorization = () => `Bearer ${bastion.token}`;

  test("over HTTP/1.1", async () => {
    const headers = { authorization: authorization(), "content-type": "application/json" };
    const [status, said] = await ask("/bartizan.v1.AccessService/WhoAmI", headers, "POST", "{}");
    expect(status).toBe(200);
    expectEverywhere(said);
    expect(said["cache-control"]).toBe("no-store");
  });

  test.each([
    ["at once", "AccessService/WhoAmI", "application/proto", Buffer.alloc(0)],
    ["as a stream", "SessionService/WatchSessions", "application/connect+proto", Buffer.alloc(5)],
  ])("over HTTP/2, answered %s", async (_name, path, type, body) => {
    const session = connectHttp2(bastion.url);
    const headers = { authorization: authorization(), "content-type": type };
    const stream = session.request({ ":method": "POST", ":path": `/bartizan.v1.${path}`, ...headers });
    stream.end(body);
    const said = await new Promise<Headers>((resolve) => stream.once("response", (each) => resolve(each as Headers)));
    session.destroy();
    expect(said[":status"]).toBe(200);
    expectEverywhere(said);
    expect(said["cache-control"]).toBe("no-store");
  });
});
