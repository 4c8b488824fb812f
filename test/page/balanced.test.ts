import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openBalancer } from "../../docs/examples/tcp-balancer.ts";
import { openBrowser, openPageRig } from "../support/browser.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { frontPane, openShellOn, shows, typeLine } from "../support/page-parts.ts";
import { freePort } from "../support/sshd.ts";
import { createTestGroup } from "../support/test-group.ts";
import { until } from "../support/until.ts";

let browser: Browser & AsyncDisposable;
beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(() => browser[Symbol.asyncDispose]());

test("a page behind a balancer stays signed in whichever node answers, and its shell works on either", async () => {
  const [port, onePort, twoPort] = [await freePort(), await freePort(), await freePort()];
  const url = `http://127.0.0.1:${port}`;
  const group = createTestGroup();
  const memory = createMemoryTarget({ echo: true });
  const shared = (node: string, listen: number) => ({
    ...{ targets: [memory.target], dial: memory.dial },
    join: { bus: group.hub.openBus(), keys: group.keys },
    config: { node, listen: { host: "127.0.0.1", port: listen, names: [] }, group: { url } },
  });
  await using one = await openPageRig(browser, shared("one", onePort));
  await using two = await openPageRig(browser, shared("two", twoPort));
  const nodes = [one, two].map(({ bastion }) => bastion.url);
  await using _balancer = await openBalancer(port, nodes);
  const page = await one.open({ at: await one.link() });
  expect(page.url().startsWith(url)).toBe(true);
  // Every load of the page makes new connections, so both nodes are met.
  const met = new Set<string>();
  page.on("response", async (response) => {
    if (!response.url().endsWith("/WhoAmI")) return;
    met.add(/"?(one|two)\b/.exec((await response.body().catch(() => Buffer.alloc(0))).toString("latin1"))?.[1] ?? "?");
  });
  await until(async () => {
    await page.goto("about:blank");
    await page.goto(`${url}/sessions`);
    await page.getByRole("link", { name: "Targets" }).waitFor();
    return met.has("one") && met.has("two");
  }, "both nodes have answered");
  expect(await page.getByTestId("signed-out").count()).toBe(0);

  await page.getByRole("link", { name: "Targets" }).click();
  await openShellOn(page, "memory");
  await typeLine(page, "echoed");
  await shows(frontPane(page), "echoed");
  const held = () => [one, two].map(({ bastion }) => bastion.registry.size);
  expect(held().toSorted()).toEqual([0, 1]);
});
