/** R11: a target leads to where the operator's inventory says, and not to what a name can be made to mean. */
import type { LookupAddress } from "node:dns";
import type { LookupFunction } from "node:net";
import { describe, expect, test } from "vitest";
import { plainAddress } from "../../server/flow/address.ts";
import { systemClock } from "../../server/flow/clock.ts";
import { createAddressCheck, type Destination } from "../../server/target/address-check.ts";
import { createSshDial, dialSsh } from "../../server/target/ssh.ts";
import type { Target } from "../../server/target/target.ts";
import { open } from "../support/dialing.ts";
import { openSshRig, openTcpRig } from "../support/hostile-ssh.ts";

const check = createAddressCheck(() => [7322, 9464]);
const to = (host: string, more: Partial<Destination> = {}): Destination => ({ kind: "ssh", host, port: 22, ...more });

/** A resolver that gives these addresses for every name. */
const resolving =
  (...addresses: readonly string[]): LookupFunction =>
  (_host, _options, done) => {
    const found: LookupAddress[] = addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
    done(null, found);
  };

describe("a name", () => {
  test.each([
    ["127.0.0.1", "the bastion's own machine"],
    ["127.9.9.9", "the bastion's own machine"],
    ["0.0.0.0", "the bastion's own machine"],
    ["::1", "the bastion's own machine"],
    ["::", "the bastion's own machine"],
    ["::ffff:127.0.0.1", "the bastion's own machine"],
    ["::ffff:7f00:1", "the bastion's own machine"],
    ["::127.0.0.1", "the bastion's own machine"],
    ["::ffff:0:127.0.0.1", "the bastion's own machine"],
    ["::ffff:0:a9fe:a9fe", "a metadata service"],
    ["64:ff9b:1::127.0.0.1", "an address that is translated within its network"],
    ["64:ff9b:1:7f00:0:100::", "an address that is translated within its network"],
    ["64:ff9b::127.0.0.1", "the bastion's own machine"],
    ["2002:7f00:1::", "the bastion's own machine"],
    ["169.254.10.1", "a link-local address"],
    ["fe80::1%eth0", "a link-local address"],
    ["febf::1", "a link-local address"],
    ["169.254.169.254", "a metadata service"],
    ["64:ff9b::a9fe:a9fe", "a metadata service"],
    ["100.100.100.200", "a metadata service"],
    ["168.63.129.16", "a metadata service"],
    ["fd00:ec2::254", "a metadata service"],
    ["224.0.0.1", "no single host"],
    ["255.255.255.255", "no single host"],
    ["ff02::1", "no single host"],
    ["nonsense", "no address"],
  ])("must not lead to %s", (address, what) => {
    expect(check(to("web1.example"), address)).toBe(what);
    expect(check(to("web1.example", { allowLocal: true }), address)).toBeUndefined();
    expect(check(to("web1.example", { kind: "demo" }), address)).toBeUndefined();
  });

  test.each([
    "10.0.0.5",
    "192.168.1.1",
    "172.16.0.1",
    "100.64.0.1",
    "8.8.8.8",
    "fd00::5",
    "2001:db8::1",
    "2002:a00:5::",
  ])("may lead to %s", (address) => expect(check(to("web1.example"), address)).toBeUndefined());
});

describe("an address that stands in the inventory as such", () => {
  test.each([
    ["127.0.0.1", "127.0.0.1"],
    ["127.1.2.3", "127.1.2.3"],
    ["::1", "::1"],
    ["[::1]", "::1"],
    ["localhost", "127.0.0.1"],
    ["LOCALHOST", "::1"],
  ])("means the bastion's machine when it is %s", (host, address) => {
    expect(check(to(host), address)).toBeUndefined();
  });

  test("means no metadata service or link-local one without the word for it", () => {
    for (const host of ["169.254.169.254", "169.254.1.1", "fe80::1", "localhost"])
      expect(check(to(host), host === "localhost" ? "169.254.169.254" : host)).toBeDefined();
  });

  test("is loopback only in the plain form: 127.1, 2130706433 and 0x7f.1 are names like others", () => {
    for (const host of ["127.1", "2130706433", "0x7f.1", "127.0.0.1.nip.example", "localhost.example"])
      expect(check(to(host), "127.0.0.1")).toBe("the bastion's own machine");
  });

  test("never means this server itself without the word for it", () => {
    for (const host of ["127.0.0.1", "localhost"])
      for (const port of [7322, 9464]) expect(check(to(host, { port }), "127.0.0.1")).toBe("this server itself");
    expect(check(to("127.0.0.1", { port: 7322, allowLocal: true }), "127.0.0.1")).toBeUndefined();
    expect(check(to("web1.example", { port: 7322 }), "10.0.0.5")).toBeUndefined();
  });
});

test("IPv6 addresses are compared by value, however they are written", () => {
  expect(plainAddress("2001:DB8::1")).toBe(plainAddress("2001:0db8:0:0:0:0:0:1"));
  expect(plainAddress("::FFFF:10.0.0.5")).toBe("10.0.0.5");
  expect(plainAddress("[fe80::1%eth0]")).toBe("fe80:0:0:0:0:0:0:1");
});

describe("dialling", () => {
  const named = (target: Target, more: Partial<Target> = {}): Target => ({ ...target, host: "web1.example", ...more });

  test("a name that turns to loopback reaches nothing: no connection is made", async () => {
    let connections = 0;
    await using rig = await openTcpRig(() => (connections += 1));
    const dial = createSshDial(systemClock, {}, { lookup: resolving("127.0.0.1") });
    const refused = { word: "target-address", message: expect.stringContaining("the bastion's own machine") };
    await expect(open(dial, named(rig.target))).rejects.toMatchObject(refused);
    // The resolver of this machine takes the number for an address.
    await expect(open(dialSsh, { ...rig.target, host: "2130706433" })).rejects.toMatchObject({
      word: "target-address",
    });
    await expect(open(dialSsh, { ...rig.target, host: "169.254.169.254" })).rejects.toMatchObject({
      word: "target-address",
    });
    expect(connections).toBe(0);
  });

  test("a name is resolved once: the address that was checked is the one that is called", async () => {
    await using rig = await openSshRig();
    const asked: string[] = [];
    const turning: LookupFunction = (host, options, done) => {
      asked.push(host);
      resolving(asked.length === 1 ? "203.0.113.1" : "127.0.0.1")(host, options, done);
    };
    const dial = createSshDial(systemClock, { connectMs: 200 }, { lookup: turning });
    const fault = await open(dial, named(rig.target)).catch((error) => error);
    expect(["target-timeout", "target-unreachable"]).toContain(fault.word);
    expect(asked).toHaveLength(1);
    expect(rig.open).toBe(0);
  });

  test("where a name has several addresses, those that it may not lead to are left out", async () => {
    let connections = 0;
    await using rig = await openTcpRig(() => (connections += 1));
    const dial = createSshDial(
      systemClock,
      { connectMs: 500 },
      { lookup: resolving("127.0.0.1", "203.0.113.1", "::1") },
    );
    const fault = await open(dial, named(rig.target)).catch((error) => error);
    expect(["target-timeout", "target-unreachable"]).toContain(fault.word);
    expect(connections).toBe(0);
  });

  test("with `allowLocal` it goes where it leads", async () => {
    await using rig = await openSshRig();
    const dial = createSshDial(systemClock, {}, { lookup: resolving("127.0.0.1") });
    await using channel = await open(dial, named(rig.target, { allowLocal: true }));
    expect(channel).toBeDefined();
  });
});
