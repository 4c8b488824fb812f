import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { faultsZh } from "../../web/messages/zh-faults.ts";

test("every fault that the server can tell a page has its words in Chinese", () => {
  const documented = [...readFileSync("docs/errors.md", "utf8").matchAll(/^\| `([a-z-]+)` /gm)].map(([, word]) => word);
  expect(documented.length).toBeGreaterThan(20);
  // A page is not there while its server cannot start, and an ended sign-in is a state of its own.
  const told = documented.filter((word) => word !== "config" && word !== "unauthenticated");
  expect(Object.keys(faultsZh).sort()).toEqual([...told, "connection"].sort());
  for (const { what, todo } of Object.values(faultsZh)) {
    expect(what).toMatch(/\p{Script=Han}.*[。！]$/u);
    expect(todo).toMatch(/\p{Script=Han}.*[。？]$/u);
  }
});
