import { describe, expect, it } from "vitest";
import { createHostGuard } from "../../server/front/host-guard.ts";

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
