import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openBrowser, openPageRig, type PageRig } from "../support/browser.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { frontPane, openShellOn, shellIsOpen, shows, typeLine } from "../support/page-parts.ts";
import { openSocksProxy } from "../support/socks-proxy.ts";
import { openSshd, type Sshd } from "../support/sshd.ts";
import { until } from "../support/until.ts";

let browser: Browser & AsyncDisposable;
let sshd: Sshd;
beforeAll(async () => {
  browser = await openBrowser();
  sshd = await openSshd();
});
afterAll(async () => {
  await browser[Symbol.asyncDispose]();
  await sshd[Symbol.asyncDispose]();
});

const principals = { mallory: ["operator"] } as const;
const live = ({ bastion }: PageRig) => bastion.registry.list().filter(({ state }) => state !== "ended");
const banner = (page: Page) => page.getByTestId("signed-out");
/** As after twelve hours: the server does not know the page's token any more. */
const loseToken = (page: Page) => page.evaluate(() => sessionStorage.setItem("bartizan.token", "nobody-has-this"));

async function paste(page: Page, link: string): Promise<void> {
  await banner(page).getByLabel("Paste the link").fill(link);
  await banner(page).getByRole("button", { name: "Sign in" }).click();
}

describe("a sign-in that ends", () => {
  test("keeps the shells on the page: one that is connected goes on, and takes keys while the page asks for a link", async () => {
    await using rig = await openPageRig(browser, { targets: [sshd.target], principals });
    const page = await rig.open();
    await openShellOn(page, "box");
    await typeLine(page, "echo here-$$");
    const [here] = await shows(page, /^here-\d+/);
    await loseToken(page);
    await page.getByRole("link", { name: "Targets" }).click();
    await page.locator('[data-target="box"]').click();
    await banner(page).getByText("Your sign-in has ended").waitFor();
    await page.getByTestId("shell-signed-out").waitFor();
    expect(await page.evaluate(() => sessionStorage.getItem("bartizan.token"))).toBeNull();
    await page.getByRole("tab").first().click();
    await shellIsOpen(page);
    await shows(frontPane(page), here);
    await typeLine(page, "echo still $((40+2))");
    await shows(frontPane(page), "still 42");

    await paste(page, "http://127.0.0.1/not-a-link");
    await banner(page).getByText("That is no link of this server").waitFor();
    await paste(page, await rig.link());
    await banner(page).waitFor({ state: "detached" });
    // The one that had failed is opened by itself.
    await until(() => live(rig).length === 2, "the second shell is open");
    await page.getByRole("tab").nth(1).click();
    await shellIsOpen(page);
  });

  test("while the network is away leaves the last screen, and a new link leads back to the same shells", async () => {
    await using rig = await openPageRig(browser, { targets: [sshd.target], principals });
    await using network = await openSocksProxy();
    const page = await rig.open({ proxy: { server: `socks5://127.0.0.1:${network.port}` } });
    await openShellOn(page, "box");
    await typeLine(page, "echo kept-$$");
    const [kept] = await shows(page, /^kept-\d+/);
    network.down();
    await page.getByTestId("reconnecting").waitFor();
    await loseToken(page);
    network.up();
    await page.getByTestId("shell-signed-out").getByText("keeps the shell for up to 10 min").waitFor();
    await shows(page, kept);
    await paste(page, await rig.link());
    await shellIsOpen(page);
    await shows(page, kept);
    await typeLine(page, "echo again-$$");
    await shows(page, kept.replace("kept", "again"));
    expect(live(rig)).toHaveLength(1);
  });

  test("lets a watched screen come back by itself after the new link", async () => {
    const memory = createMemoryTarget({ name: "play" });
    await using rig = await openPageRig(browser, { targets: [memory.target], dial: memory.dial, principals });
    await using network = await openSocksProxy();
    const operator = await rig.open({ as: "mallory" });
    await openShellOn(operator, "play");
    await memory.pty().print("to be watched");
    const page = await rig.open({ proxy: { server: `socks5://127.0.0.1:${network.port}` } });
    await page.getByRole("link", { name: "Sessions" }).click();
    await page.getByRole("link", { name: /^Watch .* on play/ }).click();
    await shows(page.getByTestId("stage"), "to be watched");
    network.down();
    await until(() => live(rig)[0]?.attachments.length === 1, "the server has noticed");
    await loseToken(page);
    network.up();
    await banner(page).waitFor();
    await page.getByText("This needs a new link").waitFor();
    await paste(page, await rig.link());
    await shows(page.getByTestId("stage"), "to be watched");
  });

  test("during which the shell ended says how it ended after the new link", async () => {
    const memory = createMemoryTarget({ name: "play" });
    await using rig = await openPageRig(browser, { targets: [memory.target], dial: memory.dial, principals });
    await using network = await openSocksProxy();
    const page = await rig.open({ proxy: { server: `socks5://127.0.0.1:${network.port}` } });
    await openShellOn(page, "play");
    const own = live(rig)[0]?.id ?? "";
    network.down();
    await until(() => live(rig)[0]?.state === "detached", "the server has noticed");
    await loseToken(page);
    network.up();
    await banner(page).waitFor();
    await rig.bastion.clients().sessions.kick({ sessionId: own, reason: "meanwhile" });
    await paste(page, await rig.link());
    await frontPane(page).getByTestId("ended").getByText("meanwhile").waitFor();
  });

  test("and a new link opened in the same tab lead back to the same shells", async () => {
    await using rig = await openPageRig(browser, { targets: [sshd.target], principals });
    const page = await rig.open();
    await openShellOn(page, "box");
    await typeLine(page, "echo mine-$$");
    const [mine] = await shows(page, /^mine-\d+/);
    await loseToken(page);
    page.on("dialog", (dialog) => void dialog.accept());
    await page.goto(await rig.link());
    await page.getByRole("link", { name: "Shells" }).click();
    await shellIsOpen(page);
    await shows(page, mine);
    expect(live(rig)).toHaveLength(1);
  });
});

describe("a link of somebody else", () => {
  test("is asked about first; a no changes nothing, a yes begins anew without the former's shells", async () => {
    await using rig = await openPageRig(browser, { targets: [sshd.target], principals });
    const page = await rig.open();
    await openShellOn(page, "box");
    await typeLine(page, "echo secret words");
    await shows(page, "secret words");
    const follow = async () => {
      const { hash } = new URL(await rig.link("mallory"));
      await page.evaluate((code) => {
        location.hash = code;
      }, hash);
    };
    await follow();
    const offer = page.getByRole("dialog", { name: "Sign in as mallory?" });
    await offer.getByText("If somebody sent it to you, refuse").waitFor();
    // What is being typed does not say yes.
    await page
      .getByRole("button", { name: /^Stay / })
      .and(page.locator(":focus"))
      .waitFor();
    await page.keyboard.press("Enter");
    await offer.waitFor({ state: "detached" });
    await typeLine(page, "echo unmoved");
    await shows(page, /^unmoved/);
    expect(live(rig).map(({ operator }) => operator.name)).not.toContain("mallory");

    await follow();
    await offer.getByRole("button", { name: "Go on as mallory" }).click();
    await page.getByRole("button", { name: "Menu of mallory" }).waitFor();
    expect(await page.getByText("secret words").count()).toBe(0);
    expect(await page.getByRole("tab").count()).toBe(0);
    await until(() => live(rig)[0]?.state === "detached", "the former's shell is let go");
  });

  test("in a new tab is asked about, too, while another tab of the browser is signed in", async () => {
    await using rig = await openPageRig(browser, { targets: [sshd.target], principals });
    const page = await rig.open();
    await page.locator('[data-target="box"]').waitFor();
    const tab = await page.context().newPage();
    await tab.goto(await rig.link("mallory"));
    await tab.getByRole("dialog", { name: "Sign in as mallory?" }).getByText("in other tabs of this browser").waitFor();
    await tab.getByRole("button", { name: "Do not sign in" }).click();
    await tab.getByRole("heading", { name: "Open this page by its link" }).waitFor();
    await page.close();
    await tab.goto(`${rig.bastion.url}/?again`);
    await tab.goto(await rig.link("mallory"));
    await tab.getByRole("button", { name: "Menu of mallory" }).waitFor();
    expect(live(rig)).toEqual([]);
  });
});
