/** A07 and R57: no token, code, password or key in an address, a log, an argument, the environment, a file or a dump. */

import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { inspect } from "node:util";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bearer, createClients } from "../../proto/client/index.ts";
import { createNodeTransport } from "../../proto/client/node-transport.ts";
import { AccessService } from "../../proto/gen/bartizan/v1/access_pb.ts";
import { Secret } from "../../server/flow/secret.ts";
import { openBrowser, openPageRig } from "../support/browser.ts";
import { openSshRig } from "../support/hostile-ssh.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { openShellOn } from "../support/page-parts.ts";
import { openServed } from "../support/served.ts";
import { until } from "../support/until.ts";
import { operate } from "../support/viewing.ts";

const password = "correct horse 4711 battery";
const wrongToken = `btz_${"wrongwrong".repeat(4)}www`;

describe("a server that logs everything", () => {
  test("writes no secret anywhere but into the two files that are for it", async () => {
    await using rig = await openSshRig({
      authenticate: (context) => {
        if (context.method === "password" && context.password === password) context.accept();
        else context.reject(["password"]);
      },
      shell: (channel) => channel.write("logged in"),
    });
    await using served = await openServed(`listen: { port: 0 }
sshConfig: false
log: debug
targets: [{ name: web1, host: 127.0.0.1, port: ${rig.port}, user: ann, hostKey: ${rig.target.hostKeys[0]} }]
`);
    using transport = createNodeTransport({ baseUrl: served.url, interceptors: [bearer(served.token)] });
    const clients = createClients(transport);
    const { url } = await clients.access.createLink({});
    const code = new URL(url).hash.replace("#code=", "");
    const page = createClient(AccessService, createConnectTransport({ baseUrl: served.url }));
    const { token } = await page.redeemCode({ code });
    await page.redeemCode({ code: `${code}x` }).catch(() => {});
    const refused = await fetch(`${served.url}/bartizan.v1.AccessService/WhoAmI?token=${wrongToken}`, {
      method: "POST",
      headers: { authorization: `Bearer ${wrongToken}`, "content-type": "application/json" },
      body: "{}",
    });
    expect(await refused.text()).not.toContain(wrongToken);
    let asked = 0;
    {
      await using operator = operate(clients, "web1", {
        onPrompt: ({ prompt: { id } }, shell) => {
          asked += 1;
          shell.answer({
            promptId: id,
            accepted: true,
            answers: [asked === 1 ? "wrong horse 0815 battery" : password],
          });
        },
      });
      await operator.shows("logged in");
      operator.shell.hangUp();
      await operator.ended();
    }
    expect(asked).toBe(2);

    const pid = served.child.pid ?? 0;
    const secrets = [served.token, token, code, wrongToken, password, "wrong horse 0815", "PRIVATE KEY"];
    const places = new Map([
      // The server says its first link itself, for the person who started it to open.
      ["its output", served.said().replace(/#code=\S+/, "")],
      ["its arguments", readFileSync(`/proc/${pid}/cmdline`, "utf8")],
      ["its environment", readFileSync(`/proc/${pid}/environ`, "utf8")],
    ]);
    for (const entry of readdirSync(served.folder, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (entry.isFile() && !/^(token|recording-key)$/.test(entry.name)) places.set(path, readFileSync(path, "latin1"));
    }
    expect(places.size).toBeGreaterThan(6);
    for (const [place, text] of places)
      for (const secret of secrets) expect(text.includes(secret), `${secret.slice(0, 12)}… in ${place}`).toBe(false);
  });

  test("leaves its memory out of core dumps, its children's too, and starts no debugger for a signal", async () => {
    await using served = await openServed("listen: { port: 0 }\nsshConfig: false\n");
    const filterOf = (pid: number) => Number.parseInt(readFileSync(`/proc/${pid}/coredump_filter`, "utf8"), 16);
    const pid = served.child.pid ?? 0;
    expect(filterOf(pid)).toBe(0);
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean);
    for (const child of children) expect(filterOf(Number(child))).toBe(0);
    served.child.kill("SIGUSR1");
    for (let round = 0; round < 10; round += 1) expect((await fetch(`${served.url}/healthz`)).status).toBe(200);
    expect(served.alive()).toBe(true);
    expect(served.said()).not.toMatch(/Debugger|inspector/i);
  });
});

test("a secret becomes text only when asked to", () => {
  const secret = new Secret(password);
  const texts = [
    `${secret}`,
    String(secret),
    `${JSON.stringify({ deep: [secret] })}`,
    inspect({ deep: { deeper: secret } }, { depth: 9, showHidden: true }),
    inspect(new Error("failed", { cause: secret })),
    Object.values(secret).join(),
    new URLSearchParams({ secret: secret as unknown as string }).toString(),
  ];
  for (const text of texts) expect(text).not.toContain("4711");
  expect(secret.reveal()).toBe(password);
});

describe("a browser", () => {
  let browser: Browser & AsyncDisposable;
  beforeAll(async () => {
    browser = await openBrowser();
  });
  afterAll(() => browser[Symbol.asyncDispose]());

  test("asks for nothing by an address that holds a secret, and tells no other site where it was", async () => {
    const memory = createMemoryTarget({ name: "play", echo: true });
    await using rig = await openPageRig(browser, { targets: [memory.target], dial: memory.dial });
    const link = await rig.link();
    const page = await rig.open({ at: "about:blank" });
    const seen: string[] = [];
    page.on("request", (request) => seen.push(request.url(), request.headers().referer ?? ""));
    page.on("websocket", (socket) => seen.push(socket.url()));
    await page.goto(link);
    await openShellOn(page, "play");
    await page.keyboard.type(password);
    for (const name of ["Sessions", "Recordings", "Targets"]) await page.getByRole("link", { name }).first().click();
    await until(() => seen.some((url) => url.includes("ListRecordings")), "the list is asked for");
    const token = (await page.evaluate(() => JSON.stringify({ ...sessionStorage }))).match(/btp_[\w-]{43}/)?.[0] ?? "";
    expect(token).not.toBe("");
    const secrets = [token, new URL(link).hash.slice(6), encodeURIComponent(password), rig.bastion.token];
    // The navigation's own address has a fragment, which browsers do not send.
    const sent = seen.map((url) => url.split("#", 1)[0] ?? "");
    expect(sent.length).toBeGreaterThan(10);
    for (const url of sent) for (const secret of secrets) expect(url).not.toContain(secret);
    expect(sent.every((url) => url === "" || url.includes(`127.0.0.1:${rig.bastion.port}`))).toBe(true);

    // Another site that is opened from here does not learn from where.
    const heard: (string | undefined)[] = [];
    const other = createServer((request, response) => {
      heard.push(request.headers.referer);
      response.end("hello");
    });
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    try {
      const there = `http://127.0.0.1:${(other.address() as AddressInfo).port}/`;
      page.on("dialog", (dialog) => void dialog.accept());
      await page.evaluate((url) => location.assign(url), there);
      await page.waitForURL(there);
    } finally {
      other.closeAllConnections();
      other.close();
    }
    expect(heard.length).toBeGreaterThan(0);
    expect(heard.filter((referer) => referer?.includes(String(rig.bastion.port)))).toEqual([]);
  });
});
