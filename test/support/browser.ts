/** A real browser at a real bastion, for tests of the page: signed-in pages, and a failure when one breaks a rule. */
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { openTestBastion, type TestBastion, type TestBastionOptions } from "./test-bastion.ts";

export interface PageRig extends AsyncDisposable {
  readonly bastion: TestBastion;
  /** A link with a fresh code, for the local user or one of the bastion's further principals. */
  link(as?: string): Promise<string>;
  /** A page in a context of its own that has gone to the address; default: a fresh link's. */
  open(options?: OpenOptions): Promise<Page>;
  /** What pages have done against the content policy, and what they threw. */
  readonly wrongs: readonly string[];
}

export interface OpenOptions extends BrowserContextOptions {
  /** Whose link; default: the local user's. */
  readonly as?: string;
  /** Instead of a link. */
  readonly at?: string;
  /** Before the page's own scripts, in each page of the context. */
  readonly script?: string;
}

/** Debian's Chromium, without a window. Disposing ends it and removes its folder. */
export async function openBrowser(...args: readonly string[]): Promise<Browser & AsyncDisposable> {
  const executablePath = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
  if (executablePath === undefined) throw new Error("Chromium is not installed: apt-get install chromium");
  const home = await mkdtemp(join(tmpdir(), "bartizan-browser-"));
  const browser = await chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking", ...args],
    env: { ...process.env, HOME: home, XDG_CONFIG_HOME: home, XDG_CACHE_HOME: home },
  });
  const close = async () => {
    await browser.close();
    await rm(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  };
  return Object.assign(browser, { [Symbol.asyncDispose]: close });
}

/** The browser stays the caller's. Disposing ends the sessions that are left, and fails when a page did something wrong. */
export async function openPageRig(browser: Browser, options: TestBastionOptions = {}): Promise<PageRig> {
  const bastion = await openTestBastion(options);
  const contexts: BrowserContext[] = [];
  const wrongs: string[] = [];
  const link = async (as?: string) =>
    as === undefined ? bastion.createLink() : (await bastion.clients(`token-${as}`).access.createLink({})).url;
  return {
    ...{ bastion, wrongs, link },
    async open({ as, at, script, ...wishes } = {}) {
      const context = await browser.newContext({
        ...{ locale: "en-GB", reducedMotion: "reduce", viewport: { width: 1280, height: 800 } },
        ...wishes,
      });
      contexts.push(context);
      context.setDefaultTimeout(30_000);
      await noteWrongs(context, wrongs);
      if (script !== undefined) await context.addInitScript(script);
      const page = await context.newPage();
      await page.goto(at ?? (await link(as)));
      return page;
    },
    async [Symbol.asyncDispose]() {
      for (const context of contexts) await context.close();
      const { sessions } = bastion.clients();
      for (const { id, state } of bastion.registry.list())
        if (state !== "ended") await sessions.kick({ sessionId: id, reason: "the test is over" });
      await bastion[Symbol.asyncDispose]();
      if (wrongs.length > 0) throw new Error(`the page did what it must not:\n${wrongs.join("\n")}`);
    },
  };
}

/** The browser reports a break of the content policy as an event and on the console; either counts. */
async function noteWrongs(context: BrowserContext, wrongs: string[]): Promise<void> {
  await context.exposeBinding("noteViolation", (_source, what: string) => void wrongs.push(`content policy: ${what}`));
  await context.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => {
      const { noteViolation } = globalThis as unknown as { noteViolation(what: string): void };
      noteViolation(`${event.effectiveDirective} ${event.blockedURI} ${event.sample} ${event.sourceFile}`);
    });
  });
  context.on("weberror", (error) => wrongs.push(`thrown: ${error.error().stack ?? error.error().message}`));
  context.on("console", (message) => {
    if (/Content Security Policy|Trusted ?Type|Refused to/i.test(message.text())) wrongs.push(message.text());
  });
}
