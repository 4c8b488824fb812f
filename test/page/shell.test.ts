import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openBrowser, openPageRig, type PageRig } from "../support/browser.ts";
import { openSshRig } from "../support/hostile-ssh.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { frontPane, openShellOn, screenOf, shellIsOpen, shows, typeLine } from "../support/page-parts.ts";
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

const openRig = () => openPageRig(browser, { targets: [sshd.target] });
const liveIds = ({ bastion }: PageRig) => bastion.registry.list().filter(({ state }) => state !== "ended");

describe("a shell in the page", () => {
  test("opens by one click, echoes what is typed, and says its exit status with a way to open it again", async () => {
    await using rig = await openRig();
    const page = await rig.open();
    await openShellOn(page, "box");
    await typeLine(page, "export LC_ALL=C.UTF-8");
    await typeLine(page, "echo $((6*7))-'grüße 你好'");
    await shows(page, "42-grüße 你好");
    await typeLine(page, "exit 3");
    const ended = page.getByTestId("ended");
    await ended.getByText("The shell exited with status 3.").waitFor();
    await ended.getByRole("button", { name: "Open again" }).click();
    await shellIsOpen(page);
    expect(liveIds(rig)).toHaveLength(1);
  });

  test("has on the target the size that it has in the window, also after the window changes", async () => {
    await using rig = await openRig();
    const page = await rig.open();
    await openShellOn(page, "box");
    await agreeOnSize(page);
    const before = await sizeShown(page);
    await page.setViewportSize({ width: 700, height: 500 });
    await until(async () => (await sizeShown(page)) !== before, "the page says another size");
    await typeLine(page, "clear");
    await agreeOnSize(page);
  });

  test("comes back as the same shell and the same screen after the network was away", async () => {
    await using rig = await openRig();
    await using network = await openSocksProxy();
    const page = await rig.open({ proxy: { server: `socks5://127.0.0.1:${network.port}` } });
    await openShellOn(page, "box");
    await typeLine(page, "echo shell-$$-of-before");
    const [, shell] = await shows(page, /^shell-(\d+)-of-before/);
    const [session] = liveIds(rig);
    // The wait for the next attempt by its longest lot: minutes, so that nothing but the button ends it.
    await page.evaluate(() => {
      Math.random = () => 1000;
    });
    network.down();
    const tryNow = page.getByTestId("reconnecting").getByRole("button", { name: "Try now", disabled: false });
    await tryNow.waitFor();
    await until(() => liveIds(rig)[0]?.state === "detached", "the server has noticed");
    network.up();
    await tryNow.click();
    await page.getByTestId("reconnecting").waitFor({ state: "detached" });
    await shellIsOpen(page);
    await shows(page, `shell-${shell}-of-before`);
    await typeLine(page, "echo shell-$$-of-after");
    await shows(page, `shell-${shell}-of-after`);
    expect(liveIds(rig).map(({ id }) => id)).toEqual([session?.id]);
  });

  test("that was left running by its closed tab can be reopened from the list, with its screen", async () => {
    await using rig = await openRig();
    const page = await rig.open();
    await openShellOn(page, "box");
    await typeLine(page, "echo left-$$");
    const [left] = await shows(page, /^left-\d+/);
    await page.getByTestId("close-tab").click();
    await page.getByRole("button", { name: "Leave it running" }).click();
    await page.getByRole("link", { name: "Sessions" }).click();
    await page.getByRole("button", { name: /^Reopen/ }).click();
    await shellIsOpen(page);
    await shows(page, left);
    await typeLine(page, "exit");
    await page.getByTestId("ended").waitFor();
    await page.getByRole("link", { name: "Sessions" }).click();
    await page.getByTestId("session").getByText("Ended", { exact: true }).waitFor();
    expect(await page.getByRole("button", { name: /^Reopen/ }).count()).toBe(0);
  });

  test("survives a reload of its page", async () => {
    await using rig = await openRig();
    const page = await rig.open();
    await openShellOn(page, "box");
    await typeLine(page, "echo kept-$$");
    const [kept] = await shows(page, /^kept-\d+/);
    page.on("dialog", (dialog) => void dialog.accept());
    await page.reload();
    await shellIsOpen(page);
    await shows(page, kept);
    expect(liveIds(rig)).toHaveLength(1);
  });

  test("stays attached and in its tab when one looks at the sessions after a reload, wherever the reload was", async () => {
    await using rig = await openRig();
    const page = await rig.open();
    await openShellOn(page, "box");
    await typeLine(page, "echo stays-$$");
    const [stays] = await shows(page, /^stays-\d+/);
    const seats = () => liveIds(rig).flatMap(({ attachments }) => attachments.map(({ id }) => id));
    page.on("dialog", (dialog) => void dialog.accept());
    await page.reload();
    await shellIsOpen(page);
    await until(() => seats().length === 1, "the page from before the reload has left");
    const before = seats();
    await page.getByRole("link", { name: "Sessions" }).click();
    await page.getByTestId("session").waitFor();
    await page.getByRole("link", { name: "Shells" }).click();
    await shellIsOpen(page);
    await shows(page, stays);
    expect(seats()).toEqual(before);

    await page.getByRole("link", { name: "Sessions" }).click();
    await page.reload();
    await page.getByTestId("session").waitFor();
    await until(() => seats().length === 1 && seats()[0] !== before[0], "the reloaded page is attached");
    await page.getByRole("link", { name: "Shells" }).click();
    await shellIsOpen(page);
    await shows(page, stays);
    expect(liveIds(rig)).toHaveLength(1);
  });

  test("that was kicked while its page was away says by whom and why, and offers no way back", async () => {
    await using rig = await openPageRig(browser, { targets: [sshd.target], principals: { boss: ["admin"] } });
    await using network = await openSocksProxy();
    const page = await rig.open({ proxy: { server: `socks5://127.0.0.1:${network.port}` } });
    await openShellOn(page, "box");
    const sessionId = liveIds(rig)[0]?.id ?? "";
    network.down();
    await page.getByTestId("reconnecting").waitFor();
    await until(() => liveIds(rig)[0]?.state === "detached", "the server has noticed");
    await rig.bastion.clients("token-boss").sessions.kick({ sessionId, reason: "enough for today" });
    // Nobody clicks: the page tries by itself.
    network.up();
    const ended = page.getByTestId("ended");
    await ended.getByText("enough for today").waitFor();
    expect(await ended.getAttribute("data-cause")).toBe("kicked");
    expect(await ended.textContent()).toContain("boss");
    expect(await page.getByRole("button", { name: /again|Reopen|Take/ }).count()).toBe(0);
  });

  test("lives beside others in tabs: each its own, and keys go only to the one in front", async () => {
    await using rig = await openRig();
    const page = await rig.open();
    await openShellOn(page, "box");
    await typeLine(page, "printf '\\033]0;number one\\007'; mine=one");
    await page.getByRole("tab", { name: /number one/ }).waitFor();
    await page.getByRole("button", { name: "New shell" }).click();
    await page.getByRole("menuitem", { name: "Another shell on box" }).click();
    await page.getByRole("tab", { name: /number one/, selected: false }).waitFor();
    await shellIsOpen(page);
    await typeLine(page, 'echo "mine is [$mine]"');
    await shows(frontPane(page), "mine is []");
    await page.keyboard.press("Control+Alt+PageUp");
    await page.getByRole("tab", { name: /number one/, selected: true }).waitFor();
    await shellIsOpen(page);
    await typeLine(page, 'echo "mine is [$mine]"');
    await shows(frontPane(page), "mine is [one]");
    expect(liveIds(rig)).toHaveLength(2);
    await page.getByTestId("close-tab").first().click();
    await page.getByRole("button", { name: "End it" }).click();
    await until(() => liveIds(rig).length === 1, "the shell of the closed tab has ended");
  });
});

describe("a login's questions", () => {
  test("an unknown host key is shown to be compared, remembered when trusted, and nothing is sent when refused", async () => {
    await using rig = await openPageRig(browser, { targets: [{ ...sshd.target, hostKeys: [] }] });
    const page = await rig.open();
    await page.locator('[data-target="box"]').click();
    const dialog = page.getByRole("dialog", { name: "Is this the right host?" });
    const shown = await dialog.getByTestId("fingerprint").textContent();
    expect(shown).toMatch(/^SHA256:[\w+/]{43}$/);
    await dialog.getByLabel("Paste the fingerprint that you expect").fill("SHA256:another");
    await dialog.getByText("It is NOT the same.").waitFor();
    expect(await dialog.getByRole("button", { name: "It is the right one" }).isDisabled()).toBe(true);
    await dialog.getByRole("button", { name: "Do not connect" }).click();
    await frontPane(page).getByRole("alert").waitFor();
    expect(liveIds(rig)).toEqual([]);

    await frontPane(page).getByRole("button", { name: "Try again" }).click();
    await dialog.getByLabel("Paste the fingerprint that you expect").fill(`256 ${shown} root@box (ED25519)`);
    await dialog.getByText("It is the same.").waitFor();
    await dialog.getByRole("button", { name: "It is the right one" }).click();
    await shellIsOpen(page);
  });

  test("a password is asked for in a field that hides it, by keyboard alone, and again when it was wrong", async () => {
    const given: string[] = [];
    await using server = await openSshRig({
      authenticate(context) {
        if (context.method !== "password") return context.reject(["password"]);
        given.push(context.password);
        if (context.password === "correct horse") context.accept();
        else context.reject(["password"]);
      },
      shell: (channel) => void channel.write("welcome in\r\n"),
    });
    await using rig = await openPageRig(browser, { targets: [server.target] });
    const page = await rig.open();
    await page.locator('[data-target="rig"]').click();
    const field = page.getByRole("dialog").locator("input:focus");
    await field.waitFor();
    expect(await field.getAttribute("type")).toBe("password");
    await typeLine(page, "wrong");
    await until(() => given.length === 1, "the first answer came");
    await field.waitFor();
    await until(async () => (await field.inputValue()) === "", "the field is empty");
    await typeLine(page, "correct horse");
    await shellIsOpen(page);
    await shows(page, "welcome in");
    expect(given).toEqual(["wrong", "correct horse"]);
    expect(await page.evaluate(() => document.documentElement.outerHTML)).not.toContain("correct horse");
  });
});

describe("without a mouse", () => {
  test("one gets from the list to a typed shell, out of the terminal, and back to the list", async () => {
    await using rig = await openRig();
    const page = await rig.open();
    await page.locator('[data-target="box"]').waitFor();
    await page.getByRole("combobox").and(page.locator(":focus")).waitFor();
    await page.keyboard.type("bo");
    await page.keyboard.press("Enter");
    await shellIsOpen(page);
    await typeLine(page, "echo typed $((1+1))");
    await shows(page, "typed 2");
    // Tab belongs to the shell; the way out of it is written in the terminal's own label.
    expect(await page.locator("textarea:focus").getAttribute("aria-label")).toContain("Ctrl+Shift+Escape leaves it");
    await page.keyboard.type("echo comp");
    await page.keyboard.press("Tab");
    expect(await page.locator("textarea:focus").count()).toBe(1);
    await page.keyboard.press("Control+c");
    await page.keyboard.press("Control+Shift+Escape");
    await until(async () => (await focusedName(page)).startsWith("Search"), "the focus is below the terminal");
    await page.keyboard.press("Shift+Tab");
    await page.locator("textarea:focus").waitFor({ state: "attached" });
    await page.keyboard.press("Control+Shift+Escape");
    await tabTo(page, "Targets");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Targets" }).waitFor();
    expect(liveIds(rig)).toHaveLength(1);
    await tabTo(page, "Shells");
    await page.keyboard.press("Enter");
    await shellIsOpen(page);
    await shows(page, "typed 2");
  });
});

describe("on a phone", () => {
  test("a bar has the keys that its keyboard lacks, and nothing is wider than the screen", async () => {
    const memory = createMemoryTarget({ name: "play" });
    await using rig = await openPageRig(browser, { targets: [memory.target], dial: memory.dial });
    const page = await rig.open({ viewport: { width: 390, height: 760 }, hasTouch: true, isMobile: true });
    await page.locator('[data-target="play"]').tap();
    await shellIsOpen(page);
    const keys = page.getByTestId("key-bar");
    await keys.getByRole("button", { name: "Esc" }).tap();
    await keys.getByRole("button", { name: "Up", exact: true }).tap();
    await keys.getByRole("button", { name: "Ctrl" }).tap();
    await page.keyboard.type("c");
    await keys.getByRole("button", { name: "Tab", exact: true }).tap();
    await until(() => memory.pty().typed().toString() === "\x1b\x1b[A\x03\t", "the shell got the keys");
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
    expect(memory.pty().size().cols).toBeLessThan(60);
    await page.getByRole("button", { name: "Menu", exact: true }).tap();
    await page.getByRole("dialog").getByRole("link", { name: "Sessions" }).tap();
    await page.getByRole("heading", { name: "Sessions" }).waitFor();
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
  });
});

/** What the terminal's own rows say is what the target's line discipline says. */
async function agreeOnSize(page: Page): Promise<void> {
  let asked = 0;
  await until(async () => {
    // Each answer has the number of its question: one from before is no answer to this one.
    asked += 1;
    await typeLine(page, `echo size-${asked}: $(stty size)`);
    const [, rows, cols] = await shows(page, new RegExp(`^size-${asked}: (\\d+) (\\d+)$`));
    const shown = (await screenOf(frontPane(page))).length;
    return Number(rows) === shown && Number(cols) > 40;
  }, "stty says the page's size");
}

function sizeShown(page: Page): Promise<string> {
  return page.evaluate(() => {
    const screen = document.querySelector<HTMLElement>(".xterm-screen");
    return `${screen?.offsetWidth} ${screen?.offsetHeight}`;
  });
}

function focusedName(page: Page): Promise<string> {
  return page.evaluate(() => {
    const focused = document.activeElement;
    return focused?.matches("a, button") ? (focused.ariaLabel ?? focused.textContent) : "";
  });
}

/** Goes on by Tab until what has the focus is called so. */
async function tabTo(page: Page, name: string): Promise<void> {
  for (let steps = 0; steps < 40; steps += 1) {
    if ((await focusedName(page)).startsWith(name)) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`40 times Tab did not lead to ${name}`);
}
