import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openBrowser, openPageRig } from "../support/browser.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { openShellOn, shows } from "../support/page-parts.ts";
import { freePort } from "../support/sshd.ts";
import { until } from "../support/until.ts";

let browser: Browser & AsyncDisposable;
beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(() => browser[Symbol.asyncDispose]());

/** `npm run dev` at a bastion, without npm around it. */
async function openDevServer(server: string): Promise<AsyncDisposable & { readonly url: string }> {
  const port = await freePort();
  const child = spawn(process.execPath, [join("node_modules", "vite", "bin", "vite.js"), "web"], {
    env: { ...process.env, BARTIZAN_SERVER: server, BARTIZAN_DEV_PORT: String(port) },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (said += text));
  const url = `http://127.0.0.1:${port}`;
  const close = async () => {
    const exited = once(child, "exit");
    if (child.exitCode === null && child.kill()) await exited;
  };
  const answers = () =>
    fetch(url).then(
      ({ ok }) => ok || undefined,
      () => undefined,
    );
  await until(() => child.exitCode !== null || answers(), "the development server answers", 30_000).catch(close);
  if (child.exitCode !== null) throw new Error(`vite ended: ${said}`);
  return { url, [Symbol.asyncDispose]: close };
}

test("the page of the development server opens a shell through it: calls and the WebSocket reach the bastion", {
  timeout: 60_000,
}, async () => {
  const memory = createMemoryTarget({ name: "play", echo: true });
  await using rig = await openPageRig(browser, { targets: [memory.target], dial: memory.dial });
  await using dev = await openDevServer(rig.bastion.url);
  const { hash } = new URL(await rig.link());
  const page = await rig.open({ at: "about:blank" });
  page.setDefaultTimeout(30_000);
  const sockets: string[] = [];
  page.on("websocket", (socket) => sockets.push(socket.url()));
  await page.goto(`${dev.url}/${hash}`);
  await openShellOn(page, "play");
  await page.keyboard.type("through the proxy");
  await shows(page, "through the proxy");
  expect(memory.pty().typed().toString()).toBe("through the proxy");
  const own = dev.url.replace("http", "ws");
  expect(sockets.some((url) => url.startsWith(`${own}/bartizan.v1.SessionService/Shell`))).toBe(true);
  expect(sockets.filter((url) => !url.startsWith(own))).toEqual([]);

  // A page of somebody else on this machine is still a stranger to the bastion, through the proxy too.
  await using stranger = await openStranger();
  const other = await rig.open({ at: stranger.url });
  const opened = await other.evaluate(
    (url) =>
      new Promise((resolve) => {
        const socket = new WebSocket(url, "bartizan.v1");
        socket.onopen = () => resolve("open");
        socket.onerror = () => resolve("refused");
      }),
    `${own}/bartizan.v1.SessionService/Shell`,
  );
  expect(opened).toBe("refused");
});

async function openStranger(): Promise<AsyncDisposable & { readonly url: string }> {
  const server = createServer((_request, response) => response.end("<!doctype html><title>other</title>"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
