import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { afterEach, beforeEach, expect, it } from "vitest";
import { faultOf } from "../../proto/client/index.ts";
import { AccessService } from "../../proto/gen/bartizan/v1/access_pb.ts";
import { openTestBastion } from "../support/test-bastion.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bartizan-group-"));
  writeFileSync(join(folder, "one.key"), `${randomBytes(32).toString("hex")}\n`, { mode: 0o600 });
  writeFileSync(join(folder, "other.key"), `${randomBytes(32).toString("hex")}\n`, { mode: 0o600 });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const node = (key: string | undefined, url?: string) =>
  openTestBastion({
    principals: { alice: ["operator"] },
    config: { group: { ...(key && { keyFile: join(folder, `${key}.key`) }), ...(url && { url }) } },
  });

async function pageToken(bastion: Awaited<ReturnType<typeof node>>): Promise<string> {
  const { url } = await bastion.clients("token-alice").access.createLink({});
  const page = createClient(AccessService, createConnectTransport({ baseUrl: bastion.url, useBinaryFormat: true }));
  return (await page.redeemCode({ code: new URL(url).hash.replace("#code=", "") })).token;
}

it("a page that signed in on one node goes on with another of the same key, and with no other", async () => {
  await using a = await node("one");
  await using b = await node("one");
  await using foreign = await node("other");
  const token = await pageToken(a);
  const { name, roles } = await b.clients(token).access.whoAmI({});
  expect({ name, roles }).toEqual({ name: "alice", roles: ["operator"] });
  const refused = await foreign
    .clients(token)
    .access.whoAmI({})
    .catch((error) => faultOf(error));
  expect(refused).toMatchObject({ word: "unauthenticated" });
});

it("a page stays signed in when its node is started again, with a key, and only then", async () => {
  const survives = async (key: string | undefined) => {
    const first = await node(key);
    const token = await pageToken(first);
    await first[Symbol.asyncDispose]();
    await using again = await node(key);
    return await again
      .clients(token)
      .access.whoAmI({})
      .then(
        () => "goes on",
        (error) => faultOf(error).word,
      );
  };
  expect(await survives("one")).toBe("goes on");
  expect(await survives(undefined)).toBe("unauthenticated");
});

it("a page's token makes no links on any node", async () => {
  await using a = await node("one");
  await using b = await node("one");
  const fault = await b
    .clients(await pageToken(a))
    .access.createLink({})
    .catch((error) => faultOf(error));
  expect(fault).toMatchObject({ word: "forbidden" });
});

it("links lead to the balancer that the config names, and the node answers to its name", async () => {
  await using a = await node("one", "https://bastion.example");
  const { url } = await a.clients("token-alice").access.createLink({});
  expect(url).toMatch(/^https:\/\/bastion\.example\/#code=/);
  const status = (host: string) =>
    new Promise((resolve, reject) => {
      request({ port: a.port, path: "/healthz", headers: { host }, agent: false })
        .on("response", (response) => resolve(response.resume().statusCode))
        .on("error", reject)
        .end();
    });
  expect(await status("bastion.example")).toBe(200);
  expect(await status("evil.example")).toBe(421);
});
