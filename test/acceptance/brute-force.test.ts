/** A08: whoever guesses is slowed down, by where he comes from and by whom he claims to be; the one he claims to be is not. */
import { mkdtempSync, rmSync } from "node:fs";
import { request } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { digestOf } from "../../server/access/tokens.ts";
import { openTestBastion } from "../support/test-bastion.ts";

const path = "/bartizan.v1.AccessService/WhoAmI";
const rightToken = `bzt_aaaaaaaaaaaaaaaa_${"r".repeat(43)}`;
const wrongToken = `bzt_aaaaaaaaaaaaaaaa_${"w".repeat(43)}`;
let data: string;
beforeAll(() => {
  data = mkdtempSync(join(tmpdir(), "bartizan-brute-"));
});
afterAll(() => rmSync(data, { recursive: true, force: true }));

const open = () =>
  openTestBastion({
    config: {
      ...{ data, tokenFile: join(data, "token") },
      recording: { folder: join(data, "recordings") },
      principals: [{ name: "ann", roles: ["operator"], tokenSha256: digestOf(rightToken).toString("hex") }],
    },
  });

/** One call from an address of this machine's own; the HTTP status. */
function call(port: number, localAddress: string, token: string): Promise<number | undefined> {
  const headers = { "content-type": "application/json", authorization: `Bearer ${token}`, connection: "close" };
  return new Promise((resolve, reject) => {
    request({ host: "127.0.0.1", port, path, method: "POST", localAddress, headers }, (response) => {
      response.resume();
      response.once("end", () => resolve(response.statusCode));
    })
      .once("error", reject)
      .end("{}");
  });
}

/** Many wrong tokens over one connection after another; how often each status came. */
async function guess(url: string, count: number): Promise<Map<unknown, number>> {
  const statuses = new Map<unknown, number>();
  for (let done = 0; done < count; done += 500) {
    const session = connectHttp2(url);
    session.on("error", () => {});
    const calls = Array.from({ length: 500 }, (_, index) => {
      const authorization = `Bearer btz_${"g".repeat(30)}${done + index}`;
      const stream = session.request({
        ":method": "POST",
        ":path": path,
        "content-type": "application/json",
        authorization,
      });
      stream.end("{}");
      return new Promise<unknown>((resolve) => {
        stream.once("response", (headers) => resolve(headers[":status"]));
        stream.once("error", () => resolve("refused"));
        stream.resume();
      });
    });
    for (const status of await Promise.all(calls)) statuses.set(status, (statuses.get(status) ?? 0) + 1);
    session.destroy();
  }
  return statuses;
}

test("guesses are throttled by source and by name, also after a restart, and the one who was here before comes in", async () => {
  {
    await using bastion = await open();
    expect(await call(bastion.port, "127.0.50.1", rightToken)).toBe(200);
    // Many from one source.
    const statuses = await guess(bastion.url, 10_000);
    expect(statuses.get(200)).toBeUndefined();
    expect(statuses.get(401)).toBeLessThan(60);
    expect(statuses.get(429)).toBeGreaterThan(5_000);
    // One each from many sources, on one name.
    const spread: (number | undefined)[] = [];
    for (let index = 0; index < 1_000; index += 1)
      spread.push(await call(bastion.port, `127.${1 + (index >> 8)}.${index & 255}.1`, wrongToken));
    expect(spread.filter((status) => status === 401).length).toBeLessThan(40);
    expect(spread.filter((status) => status === 429).length).toBeGreaterThan(900);
    // Whoever has the token comes in from wherever he is: nobody locks him out.
    expect(await call(bastion.port, "127.99.1.1", rightToken)).toBe(200);
    expect(await call(bastion.port, "127.0.50.2", rightToken)).toBe(200);
  }
  await using again = await open();
  expect(await call(again.port, "127.0.0.1", wrongToken)).toBe(429);
  expect(await call(again.port, "127.98.1.1", rightToken)).toBe(200);
  expect(await call(again.port, "127.0.50.3", rightToken)).toBe(200);
});
