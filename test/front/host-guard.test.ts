import { expect, it } from "vitest";
import { createHostGuard } from "../../server/front/host-guard.ts";

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
