import { execFileSync } from "node:child_process";
import { createHmac } from "node:crypto";
import { createSocket } from "node:dgram";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer as createTlsServer } from "node:tls";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { runExport } from "../../server/audit/export-runner.ts";
import type { AuditSettings } from "../../server/audit/export-settings.ts";
import { type AuditLog, openAudit } from "../../server/audit/open-audit.ts";
import { openExports } from "../../server/audit/open-exports.ts";
import { readConfig } from "../../server/config.ts";
import { systemClock as clock } from "../../server/flow/clock.ts";
import { createLog } from "../../server/log.ts";
import { openSealKey } from "../../server/recording/seal-key.ts";
import { createHeldClock } from "../support/held-clock.ts";
import { until } from "../support/until.ts";

let folder: string;
let audit: AuditLog;
const opened: AsyncDisposable[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bartizan-exports-"));
  const path = join(folder, "audit.jsonl");
  audit = openAudit({ ...{ path, clock, log, node: "n1" }, signer: openSealKey(folder) });
});
afterEach(async () => {
  for (const each of opened.splice(0).reverse()) await each[Symbol.asyncDispose]();
  await audit[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const log = createLog("silent");
const start = (settings: AuditSettings): AsyncDisposable => {
  const path = join(folder, "audit-exports.json");
  const exports = openExports({ settings, path, audit, clock, log });
  opened.push(exports);
  return exports;
};
const fill = (from: number, to: number) => {
  for (let freeBytes = from; freeBytes <= to; freeBytes += 1) audit.write({ event: "reserve-hit", freeBytes });
};
const numbered = (lines: readonly string[]) =>
  lines.map((line) => JSON.parse(line.slice(line.indexOf("{")))).flatMap(({ freeBytes }) => freeBytes ?? []);
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, at) => from + at);

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => sockets.add(socket));
  opened.push({
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  });
  return (server.address() as AddressInfo).port;
}

/** Octet counting (RFC 6587, 3.4.1). */
function unframed(bytes: Buffer): string[] {
  const messages: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at);
    const length = Number(bytes.toString("ascii", at, space));
    if (space < 0 || space + 1 + length > bytes.length) break;
    messages.push(bytes.toString("utf8", space + 1, space + 1 + length));
    at = space + 1 + length;
  }
  return messages;
}

describe("syslog", () => {
  test("gets each line as an RFC 5424 message by UDP", async () => {
    const socket = createSocket("udp4");
    const got: string[] = [];
    socket.on("message", (message) => got.push(message.toString()));
    await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
    opened.push({ [Symbol.asyncDispose]: () => new Promise((resolve) => socket.close(() => resolve())) });
    start({ syslog: { address: `udp://127.0.0.1:${socket.address().port}`, facility: 13 } });
    audit.write({ event: "link-made", actor: { name: "漢\u202e\u009b" } });
    fill(1, 1);
    await until(() => got.length === 4, "all, from the first line");
    expect(got.splice(0, 2).map((message) => JSON.parse(message.slice(message.indexOf("{"))).n)).toEqual([1, 2]);
    // 13 * 8 + 6, and + 3 for what failed.
    expect(got[0]).toMatch(/^<110>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z n1 bartizan - link-made - \{"n":3,/);
    expect(got[1]).toMatch(/^<107>1 \S+ n1 bartizan - reserve-hit - \{/);
    expect(got[0]).toContain('"who":"漢\\u202e\\u009b"');
    const file = readFileSync(join(folder, "audit.jsonl"), "utf8").split("\n");
    expect(got.map((message) => message.slice(message.indexOf("{")))).toEqual(file.slice(2, 4));
  });

  test("gets them by TCP with octets counted, and goes on after its server was away", async () => {
    let bytes = Buffer.alloc(0);
    const server = createServer((socket) =>
      socket.on("data", (data: Buffer) => {
        bytes = Buffer.concat([bytes, data]);
      }),
    );
    const port = await listening(server);
    start({ syslog: { address: `tcp://127.0.0.1:${port}`, facility: 13 } });
    fill(1, 50);
    await until(() => numbered(unframed(bytes)).length === 50, "the first");
    await opened.splice(opened.length - 2, 1)[0]?.[Symbol.asyncDispose]();
    fill(51, 60);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    fill(61, 70);
    await until(() => numbered(unframed(bytes)).at(-1) === 70, "the rest");
    opened.push({
      [Symbol.asyncDispose]: async () => {
        server.close();
      },
    });
    const seen = numbered(unframed(bytes));
    expect(seen).toEqual([...seen].sort((one, other) => one - other));
    expect(new Set(seen)).toEqual(new Set(range(1, 70)));
  });

  test("gets them by TLS, and only where the certificate is the one it should be", async () => {
    const files = { key: join(folder, "key.pem"), cert: join(folder, "cert.pem") };
    const made = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"];
    const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"];
    execFileSync("openssl", [...made, ...subject, "-keyout", files.key, "-out", files.cert], { stdio: "ignore" });
    let bytes = Buffer.alloc(0);
    const read = (path: string) => readFileSync(path, "utf8");
    const server = createTlsServer({ key: read(files.key), cert: read(files.cert) }, (socket) => {
      socket.on("error", () => {});
      socket.on("data", (data: Buffer) => {
        bytes = Buffer.concat([bytes, data]);
      });
    });
    server.on("tlsClientError", () => {});
    const address = `tls://127.0.0.1:${await listening(server)}`;
    const untrusting = openExports({
      ...{ settings: { syslog: { address, facility: 13 } }, path: join(folder, "other.json"), audit, clock, log },
    });
    fill(1, 3);
    start({ syslog: { address, facility: 13, ca: files.cert } });
    fill(4, 6);
    await until(() => numbered(unframed(bytes)).length === 6, "the lines");
    expect(numbered(unframed(bytes))).toEqual([1, 2, 3, 4, 5, 6]);
    await untrusting[Symbol.asyncDispose]();
  });
});

describe("a webhook", () => {
  const secret = "a secret of more than sixteen signs".replaceAll(" ", "-");
  let secretFile: string;
  beforeEach(() => {
    secretFile = join(folder, "secret");
    writeFileSync(secretFile, `${secret}\n`);
  });

  const hook = async (answer: (body: string, request: IncomingMessage, response: ServerResponse) => void) => {
    const server = createHttpServer(async (request, response) => {
      const pieces: Buffer[] = [];
      for await (const piece of request) pieces.push(piece as Buffer);
      answer(Buffer.concat(pieces).toString(), request, response);
    });
    return `http://127.0.0.1:${await listening(server)}/log`;
  };

  test("gets batches of lines that it can tell are from here", async () => {
    const got: string[] = [];
    const wrong: unknown[] = [];
    const url = await hook((body, { headers, method }, response) => {
      const [, seconds, hmac] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(headers["bartizan-signature"])) ?? [];
      const right = createHmac("sha256", secret).update(`${seconds}.${body}`).digest("hex");
      const lines = body.trimEnd().split("\n");
      const numbers = lines.map((line) => JSON.parse(line).n);
      if (hmac !== right || Math.abs(Number(seconds) - Date.now() / 1000) > 5) wrong.push(headers);
      expect(headers).toMatchObject({
        ...{ "content-type": "application/x-ndjson", "bartizan-first": String(numbers[0]) },
        "bartizan-last": String(numbers.at(-1)),
      });
      if (method !== "POST" || lines.length > 500) wrong.push(method);
      got.push(...lines);
      response.writeHead(204).end();
    });
    start({ webhook: { url, secretFile } });
    fill(1, 1200);
    await until(() => numbered(got).length === 1200, "all");
    expect(numbered(got)).toEqual(range(1, 1200));
    expect(wrong).toEqual([]);
  });

  test("that fails is asked again until it takes them, and holds nobody up", async () => {
    let refusals = 2;
    const got: string[] = [];
    const url = await hook((body, _request, response) => {
      if (refusals-- > 0) return void response.writeHead(500).end("x".repeat(1000));
      got.push(...body.trimEnd().split("\n"));
      response.writeHead(200).end();
    });
    start({ webhook: { url, secretFile } });
    const before = performance.now();
    fill(1, 20);
    expect(performance.now() - before).toBeLessThan(1000);
    await until(() => numbered(got).length === 20, "all", 10_000);
    expect(numbered(got)).toEqual(range(1, 20));
  });

  test("gets after a restart what it had not got before", async () => {
    const got: string[] = [];
    const url = await hook((body, _request, response) => {
      got.push(...body.trimEnd().split("\n"));
      response.writeHead(200).end();
    });
    const first = start({ webhook: { url, secretFile } });
    fill(1, 5);
    await first[Symbol.asyncDispose]();
    opened.pop();
    fill(6, 9);
    start({ webhook: { url, secretFile } });
    fill(10, 12);
    await until(() => numbered(got).at(-1) === 12, "the rest");
    expect(numbered(got)).toEqual(range(1, 12));
  });

  test("is sent nowhere else by a redirect", async () => {
    let elsewhere = 0;
    const other = await hook((_body, _request, response) => {
      elsewhere += 1;
      response.end();
    });
    let asked = 0;
    const url = await hook((_body, _request, response) => {
      asked += 1;
      response.writeHead(307, { location: other }).end();
    });
    start({ webhook: { url, secretFile } });
    fill(1, 1);
    await until(() => asked > 0, "it was asked");
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(elsewhere).toBe(0);
  });
});

test("an exporter that is too far behind leaves lines out, in bounded memory, and that is noted", async () => {
  const held = createHeldClock();
  const places = new Map<string, number>([["slow", 0]]);
  const noted: unknown[] = [];
  const line = `${JSON.stringify({ n: 1, prev: "", event: "reserve-hit", text: "x".repeat(9000) })}\n`;
  const path = join(folder, "large.jsonl");
  writeFileSync(path, line.repeat(8000));
  const life = new AbortController();
  let most = 0;
  let sent = 0;
  const running = runExport(
    {
      ...{ clock: held, log },
      audit: {
        ...{ path, lengthBytes: line.length * 8000, note: (event) => void noted.push(event) },
        onGrown: () => ({ [Symbol.dispose]() {} }),
      },
      places: {
        get: (name) => places.get(name),
        set: (name, bytes) => void places.set(name, bytes),
        async [Symbol.asyncDispose]() {},
      },
      delivery: {
        name: "slow",
        async send(lines) {
          most = Math.max(
            most,
            lines.reduce((sum, { text }) => sum + text.length, 0),
          );
          sent += lines.length;
        },
        async [Symbol.asyncDispose]() {},
      },
    },
    life.signal,
  );
  await until(() => places.get("slow") === line.length * 8000, "it caught up");
  life.abort();
  await running;
  expect(noted).toMatchObject([{ event: "export-lost", exporter: "slow", bytes: expect.any(Number) }]);
  expect(sent * line.length).toBeLessThanOrEqual(32 * 1024 * 1024);
  expect(most).toBeLessThanOrEqual(1024 * 1024);
}, 30_000);

test("the config names what cannot be an exporter, and where", () => {
  const at = (text: string) => {
    const path = join(folder, "config.yaml");
    writeFileSync(path, text);
    return () => readConfig(path, { HOME: folder });
  };
  writeFileSync(join(folder, "short"), "password\n");
  for (const [text, problem] of [
    ["audit: { syslog: { address: 'http://x:1' } }", "audit.syslog.address: udp://"],
    ["audit: { syslog: { address: 'udp://x:99999' } }", "no such port"],
    ["audit: { webhook: { url: 'http://example.com/x', secretFile: short } }", "https://"],
    ["audit: { webhook: { url: 'https://u:p@example.com/x', secretFile: short } }", "without a password"],
    ["audit: { webhook: { url: 'https://example.com/x', secretFile: short } }", "at least 16"],
    ["audit: { webhook: { url: 'https://example.com/x', secretFile: gone } }", "cannot read"],
  ] as const)
    expect(at(text)).toThrow(problem);
  writeFileSync(join(folder, "long"), "0123456789abcdef\n");
  expect(at("audit: { webhook: { url: 'https://example.com/x', secretFile: long } }")().audit.webhook).toEqual({
    ...{ url: "https://example.com/x", secretFile: join(folder, "long") },
  });
});
