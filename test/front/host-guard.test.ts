import { type IncomingHttpHeaders, request } from "node:http";
import { text } from "node:stream/consumers";
import { expect, it } from "vitest";
import { createHostGuard } from "../../server/front/host-guard.ts";
import { openTestBastion } from "../support/test-bastion.ts";

it("a node answers to its own names at its own port, and to the places its config names", () => {
  const guard = createHostGuard(["bastion1.example", "127.0.0.1"], 7322, false, [
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
