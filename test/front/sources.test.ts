import { request } from "node:http";
import { connect, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { netOf } from "../../server/flow/address.ts";
import { createCrowd } from "../../server/front/crowd.ts";
import { createHostGuard } from "../../server/front/host-guard.ts";
import { createTrustedProxies } from "../../server/front/trusted-proxies.ts";
import { openTestBastion } from "../support/test-bastion.ts";
import { until } from "../support/until.ts";

const opened: Socket[] = [];
afterEach(() => {
  for (const socket of opened.splice(0)) socket.destroy();
});
const connectFrom = (port: number, localAddress: string): Socket => {
  const socket = connect({ host: "127.0.0.1", port, localAddress }).on("error", () => {});
  opened.push(socket);
  return socket;
};
const stillOpen = (sockets: readonly Socket[]) => sockets.filter((socket) => !socket.closed).length;

describe("connections of one source", () => {
  it("without a token beyond its share push out each other, and nobody else's", async () => {
    await using bastion = await openTestBastion({ limits: { maxUnauthenticatedPerSource: 5 } });
    const honest = connectFrom(bastion.port, "127.0.1.1");
    await until(() => bastion.connections() === 1, "the honest one is there");
    // Neighbours in one net are one source.
    const many = Array.from({ length: 30 }, (_, index) => connectFrom(bastion.port, `127.0.2.${index + 1}`));
    await until(() => stillOpen(many) === 5 && bastion.connections() === 6, "only its share is left");
    expect(honest.closed).toBe(false);
    // The newest are those that stay: a crowd does not keep out who comes.
    expect(stillOpen(many.slice(-5))).toBe(5);
    for (const socket of [honest, ...many]) socket.destroy();
  });

  it("with a token are bounded, too: the next is refused, and other sources' come in", async () => {
    await using bastion = await openTestBastion({ limits: { maxPerSource: 3 } });
    const callers = [bastion.clients(), bastion.clients(), bastion.clients()];
    for (const { access } of callers) await access.whoAmI({});
    const refused = connectFrom(bastion.port, "127.0.0.9");
    await until(() => refused.closed, "the fourth is hung up on");
    const other = connectFrom(bastion.port, "127.0.9.9");
    await until(() => bastion.connections() === 4, "another source's is taken");
    for (const { access } of callers) await access.whoAmI({});
    other.destroy();
  });

  it("through a trusted proxy are many people's", async () => {
    await using bastion = await openTestBastion({
      limits: { maxUnauthenticatedPerSource: 2 },
      config: { listen: { host: "127.0.0.1", port: 0, names: [], trustedProxies: ["127.0.3.0/24"] } },
    });
    const through = Array.from({ length: 10 }, () => connectFrom(bastion.port, "127.0.3.1"));
    await until(() => bastion.connections() === 10, "all are taken");
    expect(stillOpen(through)).toBe(10);
    for (const socket of through) socket.destroy();
  });

  it("leave nothing behind", async () => {
    const crowd = createCrowd(
      { maxConnections: 9, maxUnauthenticated: 9, maxPerSource: 9, maxUnauthenticatedPerSource: 9 },
      () => {},
    );
    const socket = connectFrom(1, "127.0.0.1");
    expect(crowd.enter(socket, netOf("127.0.0.1"))).toBe(true);
    await until(() => socket.closed, "it could not connect");
    expect([crowd.sockets.size, crowd.strangers.size]).toEqual([0, 0]);
  });
});

describe("who calls", () => {
  const proxies = createTrustedProxies(["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"]);

  it.each([
    ["is the peer, whatever it says", "198.51.100.1", "203.0.113.9", "198.51.100.1"],
    ["is whom a trusted proxy names", "10.1.1.1", "203.0.113.9", "203.0.113.9"],
    ["is whom the last trusted proxy in a row names", "10.1.1.1", "203.0.113.9, 10.2.2.2", "203.0.113.9"],
    ["is nobody whom the caller wrote there himself", "10.1.1.1", "127.0.0.1, 203.0.113.9", "203.0.113.9"],
    ["is the proxy when it names nobody", "192.0.2.7", undefined, "192.0.2.7"],
    ["is the proxy when it names nonsense", "192.0.2.7", "127.0.0.1, admin", "192.0.2.7"],
    ["is the first when all are trusted", "10.1.1.1", "10.3.3.3, 10.2.2.2", "10.3.3.3"],
    [
      "is found under IPv6, and in IPv6's clothes",
      "::ffff:10.1.1.1",
      "2001:db8::9, 2001:db8::1",
      "2001:db8:0:0:0:0:0:9",
    ],
  ])("%s", (_name, peer, forwarded, caller) => {
    expect(proxies.callerOf(peer, forwarded)).toBe(caller);
  });

  it("is found in bounded work, however long the list is", () => {
    expect(proxies.callerOf("10.1.1.1", Array(5_000).fill("10.9.9.9").join(","))).toBe("10.9.9.9");
  });
});

it("behind a trusted proxy the server answers to its names at the usual ports as well", async () => {
  expect(createHostGuard(["bastion.example"], 7322, { http: true, https: false }, true).host("bastion.example")).toBe(
    true,
  );
  expect(
    createHostGuard(["bastion.example"], 7322, { http: true, https: false }, true).origin("https://bastion.example"),
  ).toBe(true);
  expect(createHostGuard(["bastion.example"], 7322, { http: true, https: false }).host("bastion.example")).toBe(false);
  await using bastion = await openTestBastion({
    config: { listen: { host: "127.0.0.1", port: 0, names: ["bastion.example"], trustedProxies: ["127.0.0.1"] } },
  });
  const status = await new Promise((resolve) => {
    const headers = { host: "bastion.example", connection: "close" };
    request({ host: "127.0.0.1", port: bastion.port, path: "/healthz", headers }, (response) => {
      response.resume();
      resolve(response.statusCode);
    }).end();
  });
  expect(status).toBe(200);
});
