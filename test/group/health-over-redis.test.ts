import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { afterAll, beforeAll, expect, it } from "vitest";
import { faultOf } from "../../proto/client/index.ts";
import { AccessService } from "../../proto/gen/bartizan/v1/access_pb.ts";
import { redisSchema } from "../../server/config-group.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { openRedis, type RedisServer } from "../support/redis.ts";
import { openTestBastion, type TestBastion } from "../support/test-bastion.ts";
import { until } from "../support/until.ts";
import { operate } from "../support/viewing.ts";

const memory = createMemoryTarget({ echo: true });
let redis: RedisServer;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "bartizan-group-"));
  writeFileSync(join(folder, "group.key"), `${randomBytes(32).toString("hex")}\n`, { mode: 0o600 });
  redis = await openRedis();
});
afterAll(async () => {
  await redis[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const node = (name: string, url = redis.url) =>
  openTestBastion({
    targets: [memory.target],
    dial: memory.dial,
    config: {
      node: name,
      redis: redisSchema.parse({ url }),
      group: { keyFile: join(folder, "group.key") },
      metrics: { listen: "127.0.0.1:0", allowWide: false },
    },
  });

const probe = async (bastion: TestBastion, path: string) => {
  const answer = await fetch(`${bastion.url}${path}`);
  return [answer.status, await answer.json()];
};
const busUp = async ({ metricsUrl = "" }: TestBastion) =>
  /^bartizan_group_bus_up (\d)$/m.exec(await (await fetch(metricsUrl)).text())?.[1];

it("a node whose Redis hangs says so to probes, metrics and doctor, goes on, and is well again afterwards", async () => {
  await using bastion = await node("web1");
  await until(async () => (await busUp(bastion)) === "1", "the bus is up");
  expect(await probe(bastion, "/readyz")).toEqual([200, { status: "ready", bus: "up" }]);
  const operator = operate(bastion.clients(), "memory");
  await operator.started();
  redis.freeze();
  try {
    await until(async () => (await busUp(bastion)) === "0", "the bus is known to be down");
    expect(await probe(bastion, "/readyz")).toEqual([200, { status: "degraded", bus: "down" }]);
    expect(await probe(bastion, "/healthz")).toEqual([200, { status: "degraded", bus: "down" }]);
    const { group } = await bastion.clients().access.whoAmI({});
    expect(group).toMatchObject({ bus: "redis", up: false });
    expect(group?.reason).not.toBe("");
    await operator.type("still here");
    await operator.shows("still here");
  } finally {
    redis.thaw();
  }
  await until(async () => (await probe(bastion, "/readyz"))[1].status === "ready", "it is well again");
  operator.shell.hangUp();
  await operator.ended();
  await until(() => bastion.registry.size === 0, "the session is gone");
});

it("a Redis that answers but brings nothing back is no bus: the node's own messages are what counts", async () => {
  await using bastion = await node("web1");
  await until(async () => (await busUp(bastion)) === "1", "the bus is up");
  // PING and reads are answered all the time; what is published is held back.
  await redis.cli("client", "pause", 60_000, "write");
  try {
    await until(async () => (await probe(bastion, "/readyz"))[1].bus === "down", "the bus is known to be down");
    expect(await redis.cli("ping")).toBe("PONG");
  } finally {
    await redis.cli("client", "unpause");
  }
  await until(async () => (await probe(bastion, "/readyz"))[1].bus === "up", "it is well again");
});

it("a Redis that is set up to make trouble later is a warning, and no reason to be degraded", async () => {
  const warnings = async (bastion: TestBastion) =>
    (await bastion.clients().access.whoAmI({})).group?.warnings.join("\n") ?? "";
  await redis.cli("config", "set", "maxmemory-policy", "allkeys-lru");
  try {
    await using bastion = await node("web1");
    await until(async () => /maxmemory-policy/.test(await warnings(bastion)), "the node warns of it");
    expect((await probe(bastion, "/readyz"))[1].status).toBe("ready");
  } finally {
    await redis.cli("config", "set", "maxmemory-policy", "noeviction");
  }
});

it("a node starts without its Redis, is in service, and says what is wrong", async () => {
  await using bastion = await node("web1", "redis://127.0.0.1:1");
  expect(await probe(bastion, "/readyz")).toEqual([200, { status: "degraded", bus: "down" }]);
  expect((await bastion.clients().access.whoAmI({})).group).toMatchObject({ up: false, nodes: ["web1"] });
});

it("a link of another node waits for no Redis: it is taken there, or says that the other node does not answer", async () => {
  await using a = await node("web1");
  await using b = await node("web2");
  const page = (at: TestBastion) =>
    createClient(AccessService, createConnectTransport({ baseUrl: at.url, useBinaryFormat: true }));
  const codeOf = (link: string) => new URL(link).hash.replace("#code=", "");
  const { token } = await page(b).redeemCode({ code: codeOf(a.createLink()) });
  for (const each of [a, b]) expect((await each.clients(token).access.whoAmI({})).roles).toContain("admin");
  redis.freeze();
  try {
    const began = performance.now();
    const fault = await page(b)
      .redeemCode({ code: codeOf(a.createLink()) })
      .catch((error) => faultOf(error));
    expect(fault).toMatchObject({ word: "holder-unreachable", message: expect.stringContaining("web1") });
    expect(performance.now() - began).toBeLessThan(10_000);
    // Its own it takes whatever the Redis does.
    expect((await page(b).redeemCode({ code: codeOf(b.createLink()) })).name).not.toBe("");
  } finally {
    redis.thaw();
  }
});
