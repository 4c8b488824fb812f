import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openBalancer } from "../../docs/examples/tcp-balancer.ts";
import { openBrowser, openPageRig } from "../support/browser.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { frontPane, openShellOn, shellIsOpen, shows, typeLine } from "../support/page-parts.ts";
import { freePort } from "../support/sshd.ts";
import { createTestGroup } from "../support/test-group.ts";

const free = { host: "127.0.0.1", port: 0, names: [] };

let browser: Browser & AsyncDisposable;
beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(() => browser[Symbol.asyncDispose]());

test("a page stays signed in when its balancer sends it to another node, and opens shells there", async () => {
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
  const page = await one.open({ at: "about:blank" });
  {
    await using _balancer = await openBalancer(port, [one.bastion.url]);
    await page.goto(await one.link());
    expect(page.url().startsWith(url)).toBe(true);
    await page.locator('[data-target="memory"]').waitFor();
  }
  // The first node is out of the balancer, and has its connections cut.
  await using _balancer = await openBalancer(port, [two.bastion.url]);
  await page.reload();
  await page.locator('[data-target="memory"]').waitFor();
  expect(await page.getByTestId("signed-out").count()).toBe(0);
  await openShellOn(page, "memory");
  await typeLine(page, "echoed");
  await shows(frontPane(page), "echoed");
  expect([one, two].map(({ bastion }) => bastion.registry.size)).toEqual([0, 1]);
});

test("a shell comes back by itself when its balancer leads to the other node first, and says where it is meanwhile", async () => {
  const [port, onePort, twoPort] = [await freePort(), await freePort(), await freePort()];
  const url = `http://127.0.0.1:${port}`;
  const group = createTestGroup({ renewMs: 500, heartbeatMs: 100, batchMs: 25 });
  const memory = createMemoryTarget({ echo: true });
  const shared = (node: string, listen: number) => ({
    ...{ targets: [memory.target], dial: memory.dial },
    join: { bus: group.hub.openBus(), keys: group.keys },
    config: {
      ...{ node, listen: { host: "127.0.0.1", port: listen, names: [] } },
      group: { url, address: `http://127.0.0.1:${listen}` },
    },
  });
  await using one = await openPageRig(browser, shared("one", onePort));
  await using two = await openPageRig(browser, shared("two", twoPort));
  const page = await one.open({ at: "about:blank" });
  const away = frontPane(page).getByTestId("reconnecting");
  {
    await using _balancer = await openBalancer(port, [one.bastion.url]);
    await page.goto(await one.link());
    await openShellOn(page, "memory");
    await typeLine(page, "before");
    await shows(frontPane(page), "before");
  }
  {
    // Only the other node is there for longer than a page with patience for some tries would have.
    await using balancer = await openBalancer(port, [two.bastion.url]);
    await away.getByText("Your shell is on one; this page reached two, trying again.").waitFor();
    const link = away.getByRole("link", { name: `Open it at http://127.0.0.1:${onePort}` });
    expect(await link.getAttribute("href")).toBe(`http://127.0.0.1:${onePort}/sessions`);
    await away.getByText("Attempt 5").waitFor();
    await page.reload();
    await away.getByText("this page reached two").waitFor();
    expect(await frontPane(page).getByTestId("shell-failed").count()).toBe(0);
    balancer.cut();
  }
  await using balancer = await openBalancer(port, [one.bastion.url, two.bastion.url]);
  await shellIsOpen(page);
  expect(await page.getByTestId("shell-node").textContent()).toBe("on one");
  expect(await page.getByTestId("connection").textContent()).toMatch(/^signed in at (one|two)$/);
  await shows(frontPane(page), "before");
  for (const word of ["once", "twice", "thrice"]) {
    balancer.cut();
    await away.waitFor();
    await shellIsOpen(page);
    await typeLine(page, word);
    await shows(frontPane(page), word);
  }
  expect([one, two].map(({ bastion }) => bastion.registry.size)).toEqual([1, 0]);
});

test("a shell whose node was started again is over, and its page says so at once and seeks it no more", async () => {
  const [port, onePort] = [await freePort(), await freePort()];
  const url = `http://127.0.0.1:${port}`;
  const group = createTestGroup({ renewMs: 500, heartbeatMs: 100, batchMs: 25 });
  const memory = createMemoryTarget({ echo: true });
  const needs = () => ({
    ...{ targets: [memory.target], dial: memory.dial },
    join: { bus: group.hub.openBus(), keys: group.keys },
    config: { node: "one", listen: { host: "127.0.0.1", port: onePort, names: [] }, group: { url } },
  });
  await using two = await openPageRig(browser, {
    ...needs(),
    config: { ...needs().config, node: "two", listen: free },
  });
  const page = await two.open({ at: "about:blank" });
  {
    await using one = await openPageRig(browser, needs());
    await using _balancer = await openBalancer(port, [one.bastion.url]);
    await page.goto(await one.link());
    await openShellOn(page, "memory");
  }
  await frontPane(page).getByText("The shell may go on").waitFor();
  await using one = await openPageRig(browser, needs());
  await using _balancer = await openBalancer(port, [one.bastion.url]);
  const over = frontPane(page).locator('[data-testid="ended"], [data-testid="shell-failed"]');
  await over.waitFor();
  expect(await over.textContent()).not.toMatch(/may (go on|still run)/);
  await over.getByRole("button", { name: "Open again" }).click();
  await shellIsOpen(page);
});

test("a link that one node made signs a page in on another, once", async () => {
  const [port, twoPort] = [await freePort(), await freePort()];
  const url = `http://127.0.0.1:${port}`;
  const group = createTestGroup();
  const shared = (node: string, listen: number) => ({
    join: { bus: group.hub.openBus(), keys: group.keys },
    config: { node, listen: { host: "127.0.0.1", port: listen, names: [] }, group: { url } },
  });
  await using one = await openPageRig(browser, shared("one", 0));
  await using two = await openPageRig(browser, shared("two", twoPort));
  await using _balancer = await openBalancer(port, [two.bastion.url]);
  const link = await one.link();
  const page = await two.open({ at: link });
  await page.getByRole("link", { name: "Targets" }).waitFor();
  const again = await two.open({ at: link });
  await again.getByText("npx bartizan link").first().waitFor();
});
