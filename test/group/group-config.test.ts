import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { parseConfig, readConfig } from "../../server/config.ts";
import { readGroupKeys } from "../../server/group/group-keys.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bartizan-group-config-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const key = "group: { keyFile: group.key }";

function problemsOf(text: string): string[] {
  const parsed = parseConfig(text);
  return "problems" in parsed ? parsed.problems.map(({ line, message }) => `${line}: ${message}`) : [];
}

it("takes one Redis, sentinels or a cluster, with paths from the file's folder", () => {
  writeFileSync(join(folder, "group.key"), `# new one first\n${"a1".repeat(32)}\n${"B2".repeat(32)}\n`);
  writeFileSync(join(folder, "word"), "secret\n");
  const file = join(folder, "bartizan.yaml");
  const read = (redis: string) => {
    writeFileSync(file, `redis: ${redis}\n${key}\n`);
    return readConfig(file, { HOME: folder }).redis;
  };
  expect(read("{ url: redis://127.0.0.1:7401/3 }")).toEqual({ url: "redis://127.0.0.1:7401/3", prefix: "bz" });
  expect(read("{ url: rediss://redis.example, passwordFile: word, tls: {} }")).toMatchObject({
    passwordFile: join(folder, "word"),
  });
  expect(read('{ sentinels: { name: m, nodes: ["127.0.0.1:1"], passwordFile: word }, prefix: team }')).toMatchObject({
    sentinels: { passwordFile: join(folder, "word") },
    prefix: "team",
  });
  expect(read('{ cluster: { nodes: ["[::1]:7001"] } }')).toMatchObject({ cluster: { nodes: ["[::1]:7001"] } });
  expect(readGroupKeys(join(folder, "group.key")).map((each) => each.toString("hex"))).toEqual([
    "a1".repeat(32),
    "b2".repeat(32),
  ]);
});

it("refuses a Redis on another machine that lets anybody in", () => {
  const refusal = "is another machine: a Redis there has to ask for a password or a client certificate";
  expect(problemsOf(`redis: { url: "redis://10.0.0.5:6379" }\n${key}`)).toEqual([`1: redis: 10.0.0.5 ${refusal}`]);
  expect(problemsOf(`redis: { cluster: { nodes: ["127.0.0.1:1", "db:2"] } }\n${key}`)).toEqual([
    `1: redis: db ${refusal}`,
  ]);
  expect(problemsOf(`redis: { url: "redis://127.9.0.1:6379" }\n${key}`)).toEqual([]);
});

it("names what is wrong by its line", () => {
  expect(problemsOf("redis: { url: redis://localhost }")).toEqual([
    "1: group.keyFile: nodes with a redis need the group's key",
  ]);
  expect(problemsOf(`redis:\n  url: redis://u:p@localhost\n${key}`)).toEqual([
    "2: redis.url: who calls is said by username and passwordFile",
  ]);
  expect(problemsOf(`redis:\n  url: http://localhost\n${key}`)).toEqual([
    "2: redis.url: redis://host:port or rediss://host:port",
  ]);
  expect(problemsOf(`redis: { prefix: bz }\n${key}`)).toEqual(["1: redis: one of url, sentinels and cluster"]);
  expect(problemsOf(`redis:\n  url: rediss://localhost\n  tls: { cert: a }\n${key}`)).toEqual([
    "3: redis.tls: cert and key go together",
  ]);
  expect(problemsOf(`group:\n  address: bastion1\n`)).toEqual(["2: group.address: https://host:port"]);
});

it("names files that are not what they should be", () => {
  const file = join(folder, "bartizan.yaml");
  writeFileSync(join(folder, "group.key"), "short\n");
  writeFileSync(join(folder, "word"), "\n");
  writeFileSync(file, `redis:\n  url: redis://localhost\n  passwordFile: word\n${key}\n`);
  expect(() => readConfig(file, { HOME: folder })).toThrow(
    `${file}:3: redis.passwordFile: ${join(folder, "word")} has no password in it`,
  );
  expect(() => readConfig(file, { HOME: folder })).toThrow("has to be lines of 64 hexadecimal digits");
});
