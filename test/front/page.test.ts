import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { brotliDecompressSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openTestBastion, type TestBastion } from "../support/test-bastion.ts";

const folder = mkdtempSync(join(tmpdir(), "bartizan-page-"));
const built = join(folder, "web");
const script = `console.log(${JSON.stringify("x".repeat(5000))});\n`;
const index = '<!doctype html><html lang="en"><title>bartizan</title><div id="root"></div></html>\n';
let bastion: TestBastion;

beforeAll(async () => {
  mkdirSync(join(built, "assets"), { recursive: true });
  writeFileSync(join(built, "index.html"), index);
  writeFileSync(join(built, "assets", "main-abc123.js"), script);
  writeFileSync(join(built, "icon.svg"), "<svg xmlns='http://www.w3.org/2000/svg'/>");
  writeFileSync(join(folder, "secret.txt"), "not yours");
  symlinkSync(join(folder, "secret.txt"), join(built, "linked.txt"));
  bastion = await openTestBastion({ pageFolder: built });
});
afterAll(async () => {
  await bastion[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const get = (path: string, headers: Record<string, string> = {}, method = "GET") =>
  fetch(`${bastion.url}${path}`, { method, headers });

/** A request line just as it stands: fetch would tidy the path first. */
async function raw(path: string): Promise<string> {
  const socket = connect(bastion.port, "127.0.0.1");
  socket.end(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${bastion.port}\r\nConnection: close\r\n\r\n`);
  return await text(socket);
}

describe("the page", () => {
  it("is answered at / and at the address of every view, never kept by the browser", async () => {
    for (const path of ["/", "/sessions", "/watch/test-abc", "/watch/web1.k3f9x2ab4cd5-AbC0", "/?x=1"]) {
      const answer = await get(path, { accept: "text/html,application/xhtml+xml" });
      expect(await answer.text()).toBe(index);
      expect(answer.headers.get("content-type")).toBe("text/html; charset=utf-8");
      expect(answer.headers.get("cache-control")).toBe("no-store");
    }
  });

  it("has its hashed files kept for ever, and other files asked for again", async () => {
    const answer = await get("/assets/main-abc123.js");
    expect(await answer.text()).toBe(script);
    expect(answer.headers.get("content-type")).toBe("text/javascript; charset=utf-8");
    expect(answer.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    expect((await get("/icon.svg")).headers.get("cache-control")).toBe("no-cache");
    expect((await get("/icon.svg")).headers.get("content-type")).toBe("image/svg+xml");
  });

  it("forbids everything foreign, framing and markup from script in every answer", async () => {
    for (const path of ["/", "/assets/main-abc123.js", "/icon.svg"]) {
      const { headers } = await get(path);
      const policy = headers.get("content-security-policy") ?? "";
      for (const part of [
        "default-src 'none'",
        "script-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
      ])
        expect(policy.split("; ")).toContain(part);
      expect(policy).not.toMatch(/unsafe-eval|script-src[^;]*unsafe-inline|https?:/);
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("referrer-policy")).toBe("no-referrer");
      expect(headers.get("cross-origin-opener-policy")).toBe("same-origin");
      expect(headers.get("cross-origin-resource-policy")).toBe("same-origin");
      expect(headers.get("access-control-allow-origin")).toBeNull();
      expect(headers.get("set-cookie")).toBeNull();
    }
  });

  it("is compressed for who takes that, and says by what the answer varies", async () => {
    const of = async (accepted: string) =>
      (await get("/assets/main-abc123.js", { "accept-encoding": accepted })).headers;
    expect((await of("gzip, deflate, br")).get("content-encoding")).toBe("br");
    expect((await of("gzip")).get("content-encoding")).toBe("gzip");
    expect((await of("br;q=0, gzip")).get("content-encoding")).toBe("gzip");
    expect((await of("identity")).get("content-encoding")).toBeNull();
    expect((await of("identity")).get("vary")).toBe("accept-encoding");
  });

  it("answers HEAD with the same headers and no body, and no other method", async () => {
    const head = await get("/assets/main-abc123.js", { "accept-encoding": "identity" }, "HEAD");
    expect(head.headers.get("content-length")).toBe(String(script.length));
    expect(await head.text()).toBe("");
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) expect((await get("/", {}, method)).status).toBe(404);
  });

  it("has no files but its own, however their names are written", async () => {
    for (const path of [
      "/../secret.txt",
      "/assets/../../secret.txt",
      "/..%2fsecret.txt",
      "/%2e%2e/secret.txt",
      "/assets/..\\..\\secret.txt",
      "//etc/passwd",
      "/linked.txt",
      "/assets",
      "/assets/",
      "/__proto__",
      "/constructor",
      "/main.js",
    ]) {
      const answer = await raw(path);
      expect(answer).toMatch(/^HTTP\/1\.1 404 /);
      expect(answer).not.toContain("not yours");
    }
    expect((await get("/missing.js", { accept: "text/html" })).status).toBe(404);
    expect((await get("/sessions", { accept: "application/json" })).status).toBe(404);
  });

  it("is served over HTTP/2 as well", async () => {
    const session = connectHttp2(bastion.url);
    const stream = session.request({ ":path": "/assets/main-abc123.js", "accept-encoding": "br" });
    const headers = await new Promise<Record<string, unknown>>((resolve) => stream.once("response", resolve));
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    session.close();
    expect(headers).toMatchObject({ ":status": 200, "content-encoding": "br" });
    expect(brotliDecompressSync(Buffer.concat(chunks)).toString()).toBe(script);
  });

  it("that is not built says so, under the same rules, and the rest of the server works", async () => {
    await using bare = await openTestBastion({ pageFolder: join(folder, "nowhere") });
    const answer = await fetch(`${bare.url}/`);
    expect(answer.status).toBe(503);
    expect(await answer.text()).toContain("npm run build:web");
    expect(answer.headers.get("content-security-policy")).toContain("default-src 'none'");
    expect((await fetch(`${bare.url}/healthz`)).status).toBe(200);
  });
});
