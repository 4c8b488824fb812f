/** A17: what nobody has configured is closed, and what is half configured does not start. */
import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { connect } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseConfig, readConfig } from "../../server/config.ts";
import { openServed } from "../support/served.ts";

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const reaches = (host: string, port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect({ host, port });
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });

test("without a word in the config it listens on loopback alone, with a token that only its user reads", async () => {
  const defaults = readConfig(undefined, { HOME: "/nowhere" });
  expect(defaults.listen.host).toBe("127.0.0.1");
  expect(defaults.principals).toEqual([]);
  await using served = await openServed("listen: { port: 0 }\nsshConfig: false\ndemo: false\n");
  expect(await reaches("127.0.0.1", served.port)).toBe(true);
  const others = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  for (const { address, internal, scopeid } of others)
    if (!internal && !scopeid) expect([address, await reaches(address, served.port)]).toEqual([address, false]);
  const data = join(served.folder, "state", "bartizan");
  expect(statSync(data).mode & 0o777).toBe(0o700);
  for (const name of ["token", "recording-key", "audit.jsonl"])
    expect([name, statSync(join(data, name)).mode & 0o077]).toEqual([name, 0]);
  expect(readFileSync(join(data, "token"), "utf8")).toMatch(/^btz_[\w-]{43}\n$/);
});

test("two servers never have the same secrets: nothing is built in", async () => {
  const yaml = "listen: { port: 0 }\nsshConfig: false\ndemo: false\n";
  await using one = await openServed(yaml);
  await using other = await openServed(yaml);
  expect(one.token).not.toBe(other.token);
  const keyOf = ({ folder }: { folder: string }) =>
    readFileSync(join(folder, "state", "bartizan", "recording-key"), "utf8");
  expect(keyOf(one)).not.toBe(keyOf(other));
});

describe("it does not start, and says why,", () => {
  test.each([
    ["on every address without TLS and principals", "listen: { host: 0.0.0.0, port: 0 }\n", "lacks listen.tls"],
    ["on IPv6's, too", 'listen: { host: "::", port: 0 }\n', "lacks listen.tls"],
    ["on a name that is not loopback", "listen: { host: bastion.example, port: 0 }\n", "lacks listen.tls"],
    ["with a key nobody knows", "listen: { port: 0 }\nauth: none\n", "auth: this key is not known"],
    [
      "with a switch that would open it",
      "listen: { port: 0, insecure: true }\n",
      "listen.insecure: this key is not known",
    ],
    ["with a proxy that is everybody", "listen: { port: 0, trustedProxies: [all] }\n", "listen.trustedProxies.0"],
    [
      "with the example's token digest",
      'principals: [{ name: a, roles: [admin], tokenSha256: "64 hexadecimal digits" }]\n',
      "principals.0.tokenSha256",
    ],
  ])("%s", async (_name, yaml, said) => {
    await expect(openServed(yaml)).rejects.toThrow(said);
  });

  test.each(["", "changeme", "password", "secret", "token", "admin", "changeme\n"])("with the token %j", (token) => {
    const parsed = parseConfig(`principals: [{ name: a, roles: [admin], tokenSha256: "${sha256(token)}" }]\n`);
    expect(parsed).toMatchObject({ problems: [{ line: 1, message: expect.stringContaining("guess") }] });
  });
});
