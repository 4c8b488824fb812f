import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { expect, it } from "vitest";
import { bearer, createClients, KickOutcome } from "../../proto/client/index.ts";
import { createNodeTransport } from "../../proto/client/node-transport.ts";
import { AccessService } from "../../proto/gen/bartizan/v1/access_pb.ts";
import { root } from "../house/sources.ts";
import { until } from "../support/until.ts";
import { operate, watch } from "../support/viewing.ts";

const script = join(root, "docs", "examples", "demo-cluster.ts");

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

it("the demo shows two nodes that share sessions and links, and leaves nothing behind", async () => {
  const demo = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
  const exit = once(demo, "exit");
  let said = "";
  demo.stdout.setEncoding("utf8").on("data", (text) => {
    said += text;
  });
  try {
    await until(() => said.includes("Ctrl-C stops"), "the demo says what to try");
    const found = (pattern: RegExp) => pattern.exec(said)?.[1] ?? "";
    const nodes = [...said.matchAll(/^ {2}web\d +(http:\S+) +pid (\d+)/gm)].map(([, url = "", pid]) => ({
      url,
      pid: Number(pid),
    }));
    const pids = [...nodes.map(({ pid }) => pid), Number(found(/kill -9 (\d+) .*Redis/))];
    const tokenFile = found(/cat (\S+)\)/);
    const token = readFileSync(tokenFile, "utf8").trim();
    using balanced = createNodeTransport({ baseUrl: found(/BARTIZAN_SERVER=(\S+)/), interceptors: [bearer(token)] });
    using first = createNodeTransport({ baseUrl: nodes[0]?.url ?? "", interceptors: [bearer(token)] });
    using second = createNodeTransport({ baseUrl: nodes[1]?.url ?? "", interceptors: [bearer(token)] });
    expect((await createClients(balanced).access.whoAmI({})).group?.nodes.toSorted()).toEqual(["web1", "web2"]);

    // A shell on one node is listed, watched and ended from the other.
    await using shell = operate(createClients(first), "demo");
    const { session } = await shell.started();
    const there = createClients(second);
    const listed = async () => (await there.sessions.listSessions({})).sessions.map(({ id }) => id);
    await until(async () => (await listed()).includes(session.id), "the other node lists the shell");
    await using watcher = watch(there, session.id);
    await watcher.started();
    await shell.type("echo seen $((6*7))\n");
    await watcher.shows("seen 42");
    const kicked = await there.sessions.kick({ sessionId: session.id, reason: "enough" });
    expect(kicked.outcome).toBe(KickOutcome.ENDED);
    expect((await shell.ended()).cause).toMatchObject({ kind: "kicked", reason: "enough" });
    await watcher.ended();

    // The page's link works on whichever node did not make it, once.
    const code = found(/#code=(\S+)/);
    const maker = code.startsWith("web1-") ? 0 : 1;
    const page = createClient(AccessService, createConnectTransport({ baseUrl: nodes[1 - maker]?.url ?? "" }));
    const signedIn = await page.redeemCode({ code });
    for (const { url } of nodes) {
      using transport = createNodeTransport({ baseUrl: url, interceptors: [bearer(signedIn.token)] });
      expect((await createClients(transport).access.whoAmI({})).name).toBe(signedIn.name);
    }
    await expect(page.redeemCode({ code })).rejects.toThrow(/used before/);

    // The network of a shell fails, and the shell comes back to its node by itself.
    await using kept = operate(createClients(balanced), "demo", {
      reconnect: true,
      follow: (address) => createClients(address === nodes[0]?.url ? first : second).sessions,
    });
    const { session: own } = await kept.started();
    for (const node of [first, second])
      await until(async () => {
        const { sessions } = await createClients(node).sessions.listSessions({});
        return sessions.some(({ id }) => id === own.id);
      }, "every node knows of it");
    expect(found(/kill -USR1 (\d+)/)).toBe(String(demo.pid));
    demo.kill("SIGUSR1");
    await until(() => /dropped its connections: [1-9]/.test(said), "the balancer says so");
    await until(() => kept.events.some(({ kind }) => kind === "reconnected"), "the shell is back");
    await kept.type("echo back $((6*7))\n");
    await kept.shows("back 42");
    kept.shell.hangUp();
    await kept.ended();

    expect(pids.every((pid) => pid > 0 && lives(pid))).toBe(true);
    demo.kill("SIGINT");
    expect(await exit).toEqual([0, null]);
    expect(pids.filter(lives)).toEqual([]);
    expect(existsSync(dirname(tokenFile))).toBe(false);
  } finally {
    demo.kill("SIGINT");
    await exit;
  }
});

it("the demo says what to install when there is no Redis on the machine", () => {
  const { status, stderr } = spawnSync(process.execPath, [script], { env: { PATH: "/nowhere" }, encoding: "utf8" });
  expect(status).toBe(1);
  expect(stderr).toContain("redis-server is not on this machine");
  expect(stderr).toContain("apt-get install redis-server");
});
