/** A14 and A15: no other site brings anything about here, by whatever means a browser has; nor does a form with a token. */
import { randomBytes } from "node:crypto";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openBrowser } from "../support/browser.ts";
import { contractMethods, pathOf } from "../support/contract.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { openTestBastion, type TestBastion } from "../support/test-bastion.ts";
import { until } from "../support/until.ts";
import { type OperatorViewing, operate } from "../support/viewing.ts";

const memory = createMemoryTarget();
const methods = await contractMethods();
let bastion: TestBastion;
let operator: OperatorViewing;
let sessionId: string;
beforeAll(async () => {
  bastion = await openTestBastion({ targets: [memory.target], dial: memory.dial });
  operator = operate(bastion.clients(), "memory");
  sessionId = (await operator.started()).session.id;
});
afterAll(async () => {
  operator.shell.hangUp();
  await operator.ended();
  await operator[Symbol.asyncDispose]();
  await bastion[Symbol.asyncDispose]();
});

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
}

/** Just these headers, and a right token: what is refused is refused for where it comes from. */
function call(path: string, headers: Record<string, string>, body = "{}", method = "POST"): Promise<Answer> {
  const all = { connection: "close", authorization: `Bearer ${bastion.token}`, ...headers };
  return new Promise((resolve, reject) => {
    const sent = request(`${bastion.url}${path}`, { method, headers: all }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.once("end", () =>
        resolve({
          ...{ status: response.statusCode ?? 0, headers: response.headers },
          text: Buffer.concat(chunks).toString(),
        }),
      );
    });
    sent.on("upgrade", (response, socket) => {
      socket.destroy();
      resolve({ status: response.statusCode ?? 0, headers: response.headers, text: "" });
    });
    sent.once("error", reject);
    sent.end(method === "GET" || method === "HEAD" ? undefined : body);
  });
}

const json = { "content-type": "application/json" };
/** A kick that would be carried out, were it let in. */
const kickBody = () => JSON.stringify({ sessionId, reason: "from elsewhere" });
const nothingHappened = () => expect(bastion.registry.find(sessionId)?.info.state).toBe("attached");
const noCors = ({ headers }: Answer) =>
  expect(Object.keys(headers).filter((name) => name.startsWith("access-control-"))).toEqual([]);

const elsewhere: Readonly<Record<string, () => Record<string, string>>> = {
  "another site": () => ({ origin: "https://evil.example" }),
  "a sandboxed frame or a file": () => ({ origin: "null" }),
  "another port of this machine": () => ({ origin: "http://127.0.0.1:1" }),
  "a name that begins as ours": () => ({ origin: `${bastion.url}.evil.example` }),
  "a user name that looks as ours": () => ({ origin: `http://127.0.0.1:${bastion.port}@evil.example` }),
  "another site that sends no origin": () => ({ "sec-fetch-site": "cross-site" }),
  "a sister site": () => ({ "sec-fetch-site": "same-site", origin: bastion.url }),
  "an address typed by hand": () => ({ "sec-fetch-site": "none" }),
};

describe.each(Object.keys(elsewhere))("from %s", (where) => {
  const headers = () => elsewhere[where]?.() ?? {};

  test("no method is called, and no answer may be read", async () => {
    for (const method of methods) {
      const answer = await call(pathOf(method), { ...headers(), ...json }, kickBody());
      expect([method.name, answer.status]).toEqual([method.name, 403]);
      noCors(answer);
    }
    nothingHappened();
  });

  test("no preflight is answered, and no WebSocket opened", async () => {
    const asks = { "access-control-request-method": "POST", "access-control-request-headers": "content-type" };
    const preflight = await call("/bartizan.v1.SessionService/Kick", { ...headers(), ...asks }, "", "OPTIONS");
    expect(preflight.status).toBe(403);
    noCors(preflight);
    const upgrade = {
      ...{ connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13" },
      ...{ "sec-websocket-key": randomBytes(16).toString("base64"), "sec-websocket-protocol": "bartizan.v1" },
    };
    for (const path of ["/bartizan.v1.SessionService/Shell", "/bartizan.v1.SessionService/Watch"])
      expect((await call(path, { ...upgrade, ...headers() }, "", "GET")).status).toBe(403);
  });
});

describe("a request that browsers send without asking first", () => {
  test.each([
    "text/plain",
    "text/plain;charset=UTF-8",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "",
    "text/plain, application/json",
  ])("as %j reaches no method", async (type) => {
    for (const method of methods) {
      const answer = await call(pathOf(method), type === "" ? {} : { "content-type": type }, kickBody());
      expect(answer.status, `${method.name} ${answer.text}`).toBeGreaterThanOrEqual(400);
      noCors(answer);
    }
    nothingHappened();
  });

  test("by GET, with a message in its address, reaches no method either", async () => {
    const message = encodeURIComponent(kickBody());
    for (const method of methods)
      for (const verb of ["GET", "HEAD"]) {
        const path = `${pathOf(method)}?connect=v1&encoding=json&message=${message}`;
        expect((await call(path, {}, "", verb)).status, method.name).toBeGreaterThanOrEqual(400);
      }
    nothingHappened();
  });

  test("by GET could reach only what the contract marks as free of effects, and that is nothing", () => {
    expect(methods.filter(({ idempotency }) => idempotency !== 0).map(pathOf)).toEqual([]);
  });
});

test("from the server's own page all of it works: the same calls, with its own origin", async () => {
  const own = { origin: bastion.url, "sec-fetch-site": "same-origin", ...json };
  expect((await call("/bartizan.v1.AccessService/WhoAmI", own)).status).toBe(200);
});

test("a real browser on another site gets nothing through: fetch, form, link, image, script, WebSocket, EventSource", async () => {
  await using browser = await openBrowser();
  const other = createServer((_request, response) => {
    response.setHeader("content-type", "text/html");
    response.end("<!doctype html><title>evil</title><body></body>");
  });
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  const { port } = other.address() as AddressInfo;
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    await page.goto(`http://127.0.0.1:${port}/`);
    const told = await page.evaluate(
      async ({ url, token, body }) => {
        const path = `${url}/bartizan.v1.SessionService/Kick`;
        const outcomes: string[] = [];
        const attempt = (init: RequestInit) =>
          fetch(path, init).then(
            (answer) => outcomes.push(`${answer.type} ${answer.status}`),
            () => outcomes.push("refused"),
          );
        const headers = { "content-type": "application/json", authorization: `Bearer ${token}` };
        await attempt({ method: "POST", headers, body });
        await attempt({ method: "POST", headers, body, credentials: "include" });
        await attempt({ method: "POST", mode: "no-cors", body });
        await new Promise<void>((done) => {
          const socket = new WebSocket(path.replace("http", "ws"), "bartizan.v1");
          socket.onopen = () => outcomes.push("opened");
          socket.onclose = () => done();
        });
        await new Promise<void>((done) => {
          const source = new EventSource(path);
          source.onopen = () => outcomes.push("opened");
          source.onerror = () => {
            source.close();
            done();
          };
        });
        for (const tag of ["script", "img", "iframe"] as const)
          await new Promise<void>((done) => {
            const element = document.createElement(tag);
            element.onload = () => {
              // A frame loads its own error page, too.
              if (tag !== "iframe") outcomes.push("loaded");
              done();
            };
            element.onerror = () => done();
            element.src = tag === "iframe" ? url : path;
            document.body.append(element);
          });
        const framed = document.querySelector("iframe");
        try {
          if ((framed?.contentDocument?.body.childElementCount ?? 0) > 0) outcomes.push("framed");
        } catch {
          // What was loaded instead is of another origin: its error page.
        }
        return outcomes;
      },
      { url: bastion.url, token: bastion.token, body: kickBody() },
    );
    expect(told).toEqual(["refused", "refused", "refused"]);
    await page.evaluate(
      ({ url }) => {
        const form = document.createElement("form");
        form.method = "POST";
        form.action = `${url}/bartizan.v1.SessionService/Kick`;
        form.enctype = "text/plain";
        document.body.append(form);
        form.submit();
      },
      { url: bastion.url },
    );
    await page.waitForURL(/Kick$/);
    expect(await page.textContent("body")).toContain("Calls from other sites are not allowed.");
    nothingHappened();
  } finally {
    await context.close();
    other.closeAllConnections();
    other.close();
  }
  await until(() => bastion.connections() === 1, "the browser's connections are gone");
});
