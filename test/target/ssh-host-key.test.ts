/** Host keys of a real sshd: known, unknown, changed, revoked, pinned; decided before the login, stored after it. */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { fingerprint, parseHostKey } from "../../server/target/host-keys.ts";
import { dialSsh } from "../../server/target/ssh.ts";
import type { Target } from "../../server/target/target.ts";
import { open, operator, reader } from "../support/dialing.ts";
import { makeKey, openSshd, publicKeyOf, type Sshd } from "../support/sshd.ts";

describe("the host key of a target", () => {
  let sshd: Sshd;
  let folder: string;
  let known: string;
  let other: string;
  beforeAll(async () => {
    sshd = await openSshd({ hostKeyTypes: ["rsa", "ed25519"], config: ["RekeyLimit 1M"] });
    other = makeKey(join(sshd.folder, "other"), "ed25519");
  });
  afterAll(() => sshd[Symbol.asyncDispose]());
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "bartizan-hosts-"));
    known = join(folder, "deep", "known_hosts");
    return () => rmSync(folder, { recursive: true, force: true });
  });
  const target = (change: Partial<Target> = {}): Target => ({
    ...sshd.target,
    hostKeys: [],
    acceptedKeysFile: known,
    ...change,
  });
  const name = () => `[127.0.0.1]:${sshd.port}`;
  const rsaKey = () => publicKeyOf(sshd.hostKeyFiles[0] ?? "");
  const edKey = () => publicKeyOf(sshd.hostKeyFiles[1] ?? "");
  const printOf = (key: string) => fingerprint(parseHostKey(key) ?? Buffer.alloc(0));
  const knowing = (text: string, change: Partial<Target> = {}) => {
    const file = join(folder, "given");
    writeFileSync(file, text);
    return target({ knownHostsFiles: [file], ...change });
  };
  const logins = () => sshd.log().match(/Accepted|Failed|userauth/g)?.length ?? 0;

  test("unknown: the operator is asked with the fingerprint; accepted, it is stored for the next time", async () => {
    const ask = operator(() => ({ accepted: true, answers: [] }));
    await using channel = await open(dialSsh, target(), ask);
    await using again = await open(dialSsh, target(), operator());
    expect(ask.asked).toMatchObject([
      { kind: "host-key", hostKey: { type: "ssh-ed25519", fingerprint: printOf(edKey()), host: name() } },
    ]);
    expect(readFileSync(known, "utf8")).toBe(`${name()} ${edKey()}\n`);
    expect(statSync(known).mode & 0o777).toBe(0o600);
    expect(channel).not.toBe(again);
  });

  test("unknown and not accepted: no login is tried, nothing is stored", async () => {
    const before = logins();
    const ask = operator(() => ({ accepted: false, answers: [] }));
    await expect(open(dialSsh, target(), ask)).rejects.toMatchObject({ word: "host-key-unknown" });
    expect(logins()).toBe(before);
    expect(existsSync(known)).toBe(false);
  });

  test("unknown, and only exactly true counts as accepted", async () => {
    const ask = operator(() => ({ accepted: "yes" as unknown as boolean, answers: [] }));
    await expect(open(dialSsh, target(), ask)).rejects.toMatchObject({ word: "host-key-unknown" });
  });

  test("changed: refused with both fingerprints before any login", async () => {
    const before = logins();
    const refusal = open(dialSsh, knowing(`${name()} ${other}\n`));
    await expect(refusal).rejects.toMatchObject({ word: "host-key-changed" });
    await expect(refusal).rejects.toThrow(printOf(other));
    await expect(refusal).rejects.toThrow(printOf(edKey()));
    expect(logins()).toBe(before);
  });

  test("another of its keys is known: that one is asked for, and it is not taken for changed", async () => {
    const ask = operator();
    await using channel = await open(dialSsh, knowing(`${name()} ${rsaKey()}\n`), ask);
    expect(ask.asked).toEqual([]);
    expect(channel).toBeDefined();
  });

  test("only a type is known that the host does not show: refused as changed", async () => {
    const ecdsa = makeKey(join(folder, "ecdsa"), "ecdsa");
    await expect(open(dialSsh, knowing(`${name()} ${ecdsa}\n`))).rejects.toMatchObject({
      word: "host-key-changed",
      message: expect.stringContaining("type never seen"),
    });
  });

  test("revoked: refused, though another line accepts it", async () => {
    const text = `${name()} ${edKey()}\n@revoked * ${edKey()}\n`;
    await expect(open(dialSsh, knowing(text))).rejects.toMatchObject({ word: "host-key-revoked" });
  });

  test("pinned keys beat every file", async () => {
    await using channel = await open(dialSsh, knowing(`${name()} ${other}\n`, { hostKeys: [edKey()] }));
    expect(channel).toBeDefined();
    await expect(open(dialSsh, knowing(`${name()} ${edKey()}\n`, { hostKeys: [other] }))).rejects.toMatchObject({
      word: "host-key-changed",
    });
  });

  test("an alias is looked up instead of host and port", async () => {
    await using channel = await open(dialSsh, knowing(`friend ${edKey()}\n`, { hostKeyAlias: "friend" }));
    expect(channel).toBeDefined();
  });

  test("a full disk keeps nobody out: the shell opens, and the operator is told", async () => {
    const ask = operator(() => ({ accepted: true, answers: [] }));
    await using channel = await open(dialSsh, target({ acceptedKeysFile: "/dev/full" }), ask);
    expect(channel).toBeDefined();
    expect(ask.told).toEqual([{ about: "info", text: expect.stringContaining("ENOSPC") }]);
  });

  test("keys exchanged anew in the middle ask nobody again", async () => {
    const ask = operator(() => ({ accepted: true, answers: [] }));
    await using channel = await open(dialSsh, target(), ask);
    const read = reader(channel);
    await channel.write(Buffer.from("head -c 5000000 /dev/zero | tr '\\0' x; exit 3\n"));
    expect((await read.rest()).length).toBeGreaterThan(5_000_000);
    expect(await channel.done).toEqual({ kind: "exited", code: 3 });
    expect(ask.asked).toHaveLength(1);
  });

  test("an answer that comes after the dial was given up changes nothing", async () => {
    const life = new AbortController();
    const answer = Promise.withResolvers<{ accepted: boolean; answers: string[] }>();
    const asked = Promise.withResolvers<void>();
    const ask = operator(() => {
      asked.resolve();
      return answer.promise;
    });
    const dialling = open(dialSsh, target(), ask, life.signal);
    await asked.promise;
    life.abort(new Error("left"));
    await expect(dialling).rejects.toThrow("left");
    answer.resolve({ accepted: true, answers: [] });
    await new Promise((resolve) => setImmediate(resolve));
    expect(existsSync(known)).toBe(false);
  });
});
