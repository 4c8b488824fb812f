import { type IncomingHttpHeaders, request } from "node:http";
import { text } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { createHostGuard } from "../../server/front/host-guard.ts";
import { openTestBastion } from "../support/test-bastion.ts";

it("a node answers to its own names at its own port, and to the places its config names", () => {
  const guard = createHostGuard(["bastion1.example", "127.0.0.1"], 7322, { http: false, https: true }, false, [
    "https://bastion.example",
    "http://[::1]:7500",
  ]);
  for (const host of [
    "bastion1.example:7322",
    "BASTION1.example:7322",
    "bastion.example",
    "bastion.example:443",
    "[::1]:7500",
  ])
    expect([host, guard.host(host)]).toEqual([host, true]);
  for (const host of [
    "bastion1.example",
    "bastion1.example:7500",
    "bastion.example:7322",
    "[::1]:7322",
    "evil.example",
    "",
  ])
    expect([host, guard.host(host)]).toEqual([host, false]);
  expect(guard.ownOrigin("https://bastion.example")).toBe(true);
  expect(guard.ownOrigin("https://evil.example")).toBe(false);
});

it("a browser that comes under another name gets a page that says what to add, a program a line", async () => {
  await using bastion = await openTestBastion();
  const ask = (host: string, accept: string) =>
    new Promise<{ status: number | undefined; headers: IncomingHttpHeaders; body: string }>((resolve, reject) => {
      request({ port: bastion.port, headers: { host, accept }, agent: false })
        .on("response", (response) => {
          const { statusCode: status, headers } = response;
          text(response).then((body) => resolve({ status, headers, body }), reject);
        })
        .on("error", reject)
        .end();
    });
  const page = await ask("lb.example:7400", "text/html,application/xhtml+xml");
  expect(page.status).toBe(421);
  expect(page.headers["content-type"]).toBe("text/html; charset=utf-8");
  expect(page.headers["content-security-policy"]).toContain("default-src 'none'");
  expect(page.body).toContain("<code>lb.example:7400</code>");
  for (const what of ["listen.names", "group.url", 'lang="zh"']) expect(page.body).toContain(what);
  expect((await ask("<b>evil</b>", "text/html")).body).not.toContain("evil");
  const line = await ask("lb.example:7400", "application/json");
  expect([line.status, line.body]).toEqual([421, "This server does not answer to that host name.\n"]);
});

describe("a page is the server's own only by the scheme that it is served by", () => {
  const own = (guard: ReturnType<typeof createHostGuard>, ...origins: string[]) => origins.filter(guard.ownOrigin);
  const name = "bastion1.example";

  it("TLS alone, clear text alone, and both on loopback", () => {
    const both = [`http://${name}:7322`, `https://${name}:7322`];
    expect(own(createHostGuard([name], 7322, { http: false, https: true }), ...both)).toEqual([both[1]]);
    expect(own(createHostGuard([name], 7322, { http: true, https: false }), ...both)).toEqual([both[0]]);
    expect(own(createHostGuard([name], 7322, { http: true, https: true }), ...both)).toEqual(both);
  });

  it("places that the config names, and a proxy's usual ports", () => {
    const guard = createHostGuard([name], 7322, { http: false, https: true }, true, ["https://front.example"]);
    const good = ["https://front.example", "https://front.example:443", `https://${name}`];
    expect(own(guard, ...good, "http://front.example", "http://front.example:443", `http://${name}`)).toEqual(good);
  });
});
