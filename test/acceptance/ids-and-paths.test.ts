/** A27: an id that is none, however it is written, finds nothing, opens nothing, and is no fault of the server's. */
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { type DescMethod, fromJson } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bearer } from "../../proto/client/index.ts";
import { createNodeTransport, type NodeTransport } from "../../proto/client/node-transport.ts";
import { contractMethods, pathOf } from "../support/contract.ts";
import { dataOf } from "../support/recordings-of.ts";
import { openTestBastion, type TestBastion } from "../support/test-bastion.ts";

const ids = [
  "../token",
  "..%2ftoken",
  "%2e%2e/token",
  "....//token",
  "..\\token",
  "/etc/passwd",
  "file:///etc/passwd",
  "token",
  "token\0.cast",
  "\0",
  ".",
  "..",
  "~",
  "*",
  "f".repeat(32),
  `${"f".repeat(32)}.cast`,
  `${"F".repeat(32)}`,
  "ｆ".repeat(32),
  `${"0".repeat(31)}O`,
  "__proto__",
  "constructor",
  "toString",
  "hasOwnProperty",
  "'; DROP TABLE recordings; --",
  "0".repeat(60_000),
  "\u202e\u0000<img src=x>",
];
const secret = "nobody may read this";
let bastion: TestBastion;
let transport: NodeTransport;
beforeAll(async () => {
  bastion = await openTestBastion();
  const recordings = join(dataOf(bastion), "recordings");
  mkdirSync(recordings, { recursive: true });
  writeFileSync(join(bastion.folder, "secret"), secret);
  symlinkSync(join(bastion.folder, "secret"), join(recordings, `${"f".repeat(32)}.cast`));
  transport = createNodeTransport({ baseUrl: bastion.url, interceptors: [bearer(bastion.token)] });
});
afterAll(async () => {
  transport[Symbol.dispose]();
  await bastion[Symbol.asyncDispose]();
});

const isId = (name: string) => /(^|_)(id|ids|code|target|node|name)$/.test(name);
const methods = (await contractMethods()).filter(
  (method) => method.methodKind !== "bidi_streaming" && method.input.fields.some(({ name }) => isId(name)),
);

/** A request with this in everything that is an id, and something short in every other text. */
function requestWith(method: DescMethod, id: string) {
  const fields = method.input.fields.filter(({ fieldKind, scalar }) => fieldKind === "scalar" && scalar === 9);
  const json = Object.fromEntries(fields.map(({ name, jsonName }) => [jsonName, isId(name) ? id : "x"]));
  return fromJson(method.input, json);
}

async function answerTo(method: DescMethod, id: string): Promise<{ code: Code | undefined; text: string }> {
  const client = createClient(method.parent, transport) as unknown as Record<string, (message: unknown) => unknown>;
  const said: string[] = [];
  try {
    const call = client[method.localName]?.(requestWith(method, id));
    if (method.methodKind === "unary") said.push(JSON.stringify(await call, bigints));
    else for await (const each of call as AsyncIterable<unknown>) said.push(JSON.stringify(each, bigints));
    return { code: undefined, text: said.join() };
  } catch (error) {
    const { code, message } = ConnectError.from(error);
    return { code, text: `${said.join()}${message}` };
  }
}
const bigints = (_key: string, value: unknown) => (typeof value === "bigint" ? Number(value) : value);

test.each(ids.map((id) => ({ id, shown: JSON.stringify(id).slice(0, 40) })))("$shown", async ({ id }) => {
  // Only lists may take it for a filter that nothing passes, or say that nothing needed to be done.
  const refusals = [Code.NotFound, Code.InvalidArgument, Code.Unauthenticated, Code.ResourceExhausted, undefined];
  for (const method of methods) {
    const { code, text } = await answerTo(method, id);
    expect([pathOf(method), refusals.includes(code), code]).toEqual([pathOf(method), true, code]);
    expect(text).not.toContain(secret);
    expect(text).not.toMatch(/ENOENT|EACCES|\/tmp\/|at .*\.ts:/);
  }
});

test("every id-addressed method is among them", () => {
  expect(methods.map(({ name }) => name)).toEqual(
    expect.arrayContaining(["Kick", "Watch", "Replay", "GetRecording", "ExportRecording", "DeleteRecording"]),
  );
});

test("paths of the server's own files lead nowhere", async () => {
  const paths = [
    "/../token",
    "/..%2f..%2ftoken",
    "/%2e%2e/token",
    "/assets/../../../token",
    "/recordings/",
    "/.%00./token",
  ];
  for (const path of [...paths, "//etc/passwd", "/file:/etc/passwd", "/\\..\\token", `/${"a/../".repeat(500)}token`]) {
    const status = await new Promise((resolve) => {
      const headers = { connection: "close" };
      request({ host: "127.0.0.1", port: bastion.port, path, headers }, (response) => {
        response.resume();
        response.once("end", () => resolve(response.statusCode));
      })
        .once("error", () => resolve("refused"))
        .end();
    });
    expect([404, 400, "refused"]).toContain(status);
  }
});
