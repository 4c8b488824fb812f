/** known_hosts lines: matching and verdicts, with ssh-keygen as the oracle for hashed names and fingerprints. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  fingerprint,
  judgeHostKey,
  linesFor,
  lookupName,
  matchesPattern,
  parseHostKey,
  parseKnownHosts,
} from "../../server/target/host-keys.ts";
import { makeKey } from "../support/sshd.ts";

describe("known_hosts", () => {
  let folder: string;
  let ed: string;
  let ed2: string;
  let rsa: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "bartizan-known-"));
    ed = makeKey(join(folder, "ed"), "ed25519");
    ed2 = makeKey(join(folder, "ed2"), "ed25519");
    rsa = makeKey(join(folder, "rsa"), "rsa");
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const blob = (key: string) => parseHostKey(key) ?? Buffer.alloc(0);
  const verdict = (text: string, name: string, key: string) =>
    judgeHostKey(linesFor(parseKnownHosts(text), name), blob(key)).kind;

  test("a known key matches, the same type with another key is changed, another type alone is not new", () => {
    expect(verdict(`box ${ed}\n`, "box", ed)).toBe("match");
    expect(verdict(`box ${ed2}\n`, "box", ed)).toBe("changed");
    expect(verdict(`box ${rsa}\n`, "box", ed)).toBe("other-type");
    expect(verdict(`other ${ed}\n`, "box", ed)).toBe("unknown");
  });

  test("every line about the host counts, not the first alone", () => {
    expect(verdict(`box ${ed2}\nbox ${rsa}\nb* ${ed}\n`, "box", ed)).toBe("match");
  });

  test("a revoked key is refused even where another line accepts it", () => {
    expect(verdict(`box ${ed}\n@revoked * ${ed}\n`, "box", ed)).toBe("revoked");
    expect(verdict(`@revoked * ${ed2}\n`, "box", ed)).toBe("unknown");
  });

  test("a certificate authority's key is no host's own", () => {
    expect(verdict(`@cert-authority * ${ed}\n`, "box", ed)).toBe("unknown");
  });

  test("patterns match by * and ?, and a negation vetoes its line", () => {
    expect(verdict(`*.example.org,!bad.example.org ${ed}\n`, "web.example.org", ed)).toBe("match");
    expect(verdict(`*.example.org,!bad.example.org ${ed}\n`, "bad.example.org", ed)).toBe("unknown");
    expect(verdict(`BOX ${ed}\n`, "box", ed)).toBe("match");
    expect(matchesPattern("b?x*", "box-1")).toBe(true);
    expect(matchesPattern(`${"*a".repeat(50)}b`, "a".repeat(5_000))).toBe(false);
  });

  test("a port other than 22 is part of the name, and an alias stands for both", () => {
    expect(lookupName("Box", 22)).toBe("box");
    expect(lookupName("Box", 2222)).toBe("[box]:2222");
    expect(lookupName("Box", 2222, "Alias")).toBe("alias");
    expect(verdict(`box ${ed}\n`, lookupName("box", 2222), ed)).toBe("unknown");
    expect(verdict(`[box]:2222 ${ed}\n`, lookupName("box", 2222), ed)).toBe("match");
  });

  test("names that ssh-keygen hashed are found, and no others", () => {
    const file = join(folder, "hashed");
    writeFileSync(file, `[box]:2222 ${ed}\n`);
    expect(spawnSync("ssh-keygen", ["-H", "-f", file]).status).toBe(0);
    const text = readFileSync(file, "utf8");
    expect(text).toMatch(/^\|1\|/);
    expect(verdict(text, "[box]:2222", ed)).toBe("match");
    expect(verdict(text, "[box]:2223", ed)).toBe("unknown");
  });

  test("lines that are no key are skipped: comments, junk, a type that lies", () => {
    const lie = ed.replace("ssh-ed25519", "ssh-rsa");
    expect(parseKnownHosts(`# box ${ed}\n\nbox\nbox ssh-ed25519 !!!\nbox ${lie}\n@strange box ${ed}\n`)).toEqual([]);
    expect(parseKnownHosts(`box ${ed} a comment\r\n`)).toHaveLength(1);
  });

  test("a fingerprint is the one that ssh-keygen prints", () => {
    const printed = spawnSync("ssh-keygen", ["-l", "-f", join(folder, "ed.pub")], { encoding: "utf8" }).stdout;
    expect(printed).toContain(fingerprint(blob(ed)));
  });
});
