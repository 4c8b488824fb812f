/** ssh_config read as ssh itself reads it (ssh -G is the oracle), without ever running anything. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createInventory } from "../../server/target/inventory.ts";
import { loadSshConfig } from "../../server/target/ssh-config.ts";

describe("~/.ssh/config", () => {
  let home: string;
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), "bartizan-home-"));
    mkdirSync(join(home, ".ssh", "more"), { recursive: true });
  });
  afterEach(() => rmSync(home, { recursive: true, force: true }));
  const file = () => join(home, ".ssh", "config");
  const load = async (text: string) => {
    writeFileSync(file(), text);
    return await loadSshConfig({
      file: file(),
      home,
      user: "me",
      agentSocket: "/run/agent",
      acceptedKeysFile: "/accepted",
    });
  };
  const only = async (text: string) => {
    const [target] = (await load(text)).targets;
    if (target === undefined) throw new Error("no target");
    return target;
  };

  test("every concrete Host is a target, patterns are not", async () => {
    const { targets } = await load("Host a b *.c !d\n  User u\nHost e?\nHost f\n");
    expect(targets.map(({ name }) => name)).toEqual(["a", "b", "f"]);
  });

  test("the first value wins, defaults of a later Host * fill the rest, as ssh -G says", async () => {
    const text = [
      "Host web",
      "  HostName %h.example.org",
      "  Port = 2200",
      'User "some one"',
      "Host w*",
      "User late",
      "Port 1",
      "HostKeyAlias alias",
      "Host * !other",
      "  User last",
      "Match all",
      "  GlobalKnownHostsFile /g1 /g2",
      "",
    ].join("\n");
    const target = await only(text);
    expect(target).toMatchObject({
      name: "web",
      host: "web.example.org",
      port: 2200,
      user: "some one",
      hostKeyAlias: "alias",
      source: "ssh-config",
    });
    const said = spawnSync("ssh", ["-G", "-F", file(), "web"], { encoding: "utf8" }).stdout;
    for (const line of [
      `hostname ${target.host}`,
      `port ${target.port}`,
      `user ${target.user}`,
      "globalknownhostsfile /g1 /g2",
    ]) {
      expect(said).toContain(`${line}\n`);
    }
    expect(target.knownHostsFiles.slice(-2)).toEqual(["/g1", "/g2"]);
  });

  test("the identity is the first that exists, by its tokens; the agent by IdentityAgent", async () => {
    writeFileSync(join(home, ".ssh", "web_key"), "");
    const target = await only(
      "Host web\n IdentityFile ~/.ssh/missing\n IdentityFile %d/.ssh/%n_key\n IdentityAgent none\n",
    );
    expect(target.credentials).toEqual({ keyFile: join(home, ".ssh", "web_key") });
    expect((await only("Host web\n")).credentials).toEqual({ agentSocket: "/run/agent" });
    expect((await only("Host web\n IdentityAgent ~/a.sock\n")).credentials).toEqual({
      agentSocket: join(home, "a.sock"),
    });
  });

  test("Include follows globs, inside a Host block for that host only, and ends where it circles", async () => {
    writeFileSync(join(home, ".ssh", "more", "1.conf"), "Host one\n Port 11\n");
    writeFileSync(join(home, ".ssh", "more", "2.conf"), "User included\nHost two\n Port 22\n");
    writeFileSync(join(home, ".ssh", "loop"), "Include loop\n");
    const { targets, skipped } = await load("Include more/*.conf loop\nHost three\n Include more/2.conf\n Port 33\n");
    expect(targets.map(({ name, port, user }) => [name, port, user])).toEqual([
      ["one", 11, "included"],
      ["two", 22, "included"],
      ["three", 33, "included"],
    ]);
    expect(skipped[0]?.why).toContain("Too many");
  });

  test("hosts behind a proxy are left out with the reason; nothing in the file is ever run", async () => {
    const proof = join(home, "ran");
    const { targets, skipped } = await load(
      `Match exec "touch ${proof}"\n User evil\nHost a\n ProxyJump b\nHost c\n ProxyCommand touch ${proof}\nHost d\n ProxyJump none\n`,
    );
    expect(targets.map(({ name, user }) => [name, user])).toEqual([["d", "me"]]);
    expect(skipped.map(({ name }) => name)).toEqual(["a", "c"]);
    expect(existsSync(proof)).toBe(false);
  });

  test("nonsense is skipped with a sentence, a missing file gives nothing", async () => {
    const { targets, skipped } = await load(
      "Host a\n Port 99999\nHost b\n HostName -oX=$(id)\n\u0000\u0001\nHost\n=\n",
    );
    expect(targets).toEqual([]);
    expect(skipped.map(({ name }) => name)).toEqual(["a", "b"]);
    expect(await loadSshConfig({ file: join(home, "nowhere"), home, user: "me" })).toEqual({
      targets: [],
      skipped: [],
    });
  });

  test("in the inventory the configuration wins over ssh_config, and the list is sorted", async () => {
    const { targets } = await load("Host b\nHost a\n");
    const [b, a] = targets;
    if (a === undefined || b === undefined) throw new Error("no targets");
    const configured = { ...a, source: "config" as const, port: 7 };
    const inventory = createInventory([b, a, configured]);
    expect(inventory.list().map(({ name, port }) => [name, port])).toEqual([
      ["a", 7],
      ["b", 22],
    ]);
    expect(inventory.find("a")).toBe(configured);
    expect(inventory.find("constructor")).toBeUndefined();
  });
});
