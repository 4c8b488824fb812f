/** What the seal of a bus message promises: from one of us, for this place, once. */
import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { systemClock } from "../../server/flow/clock.ts";
import { maxMessageBytes } from "../../server/group/bus.ts";
import { createGroupMeter } from "../../server/group/meter.ts";
import { createNodeId } from "../../server/group/names.ts";
import { createSealer, kinds, maxPlainBytes } from "../../server/group/seal.ts";
import { createLog } from "../../server/log.ts";

const channel = "bz:{web1.abcdefghijkm-AAAAAAAAAAAA}:o";
const key = randomBytes(32);

function node(name: string, keys: readonly Buffer[] = [key]) {
  const meter = createGroupMeter(systemClock);
  const self = createNodeId(name);
  const sealer = createSealer({ keys, self, clock: systemClock, log: createLog("silent"), meter });
  return { ...sealer, self, rejected: () => meter.counts().rejected };
}

const text = (opened: { plain: Uint8Array } | undefined) =>
  opened === undefined ? undefined : Buffer.from(opened.plain).toString();

test("what one node seals another opens, and knows whose it is, what it is and in which order it was sealed", () => {
  const [one, other] = [node("web1"), node("web2")];
  const first = other.open(channel, one.seal(kinds.data, channel, Buffer.from("hello"), 1));
  expect(text(first)).toBe("hello");
  expect(first).toMatchObject({ sender: one.self, kind: kinds.data, flags: 1 });
  const second = other.open(channel, one.seal(kinds.word, channel, new Uint8Array()));
  expect(second?.count).toBeGreaterThan(first?.count ?? 0);
  expect(second?.plain.length).toBe(0);
  expect(other.rejected()).toEqual({});
});

test("the longest plain text fits a message of the bus", () => {
  const one = node("abcdefghijklmnopqrst");
  const sealed = one.seal(kinds.data, channel, randomBytes(maxPlainBytes));
  expect(sealed.length).toBe(maxMessageBytes);
  expect(node("web2").open(channel, sealed)?.plain.length).toBe(maxPlainBytes);
});

test("a message changed in any byte is not believed", () => {
  const sealed = node("web1").seal(kinds.data, channel, Buffer.from("rm -rf"));
  const other = node("web2");
  for (let at = 0; at < sealed.length; at++) {
    const forged = Uint8Array.from(sealed);
    forged[at] = (forged[at] ?? 0) ^ 1;
    expect(other.open(channel, forged), `byte ${at}`).toBeUndefined();
  }
  const sum = Object.values(other.rejected()).reduce((all, each) => all + each, 0);
  expect(sum).toBe(sealed.length);
  expect(text(other.open(channel, sealed))).toBe("rm -rf");
});

test("a message cut short, or of nothing, is not believed", () => {
  const sealed = node("web1").seal(kinds.data, channel, Buffer.from("rm -rf"));
  const other = node("web2");
  for (let length = 0; length < sealed.length; length++)
    expect(other.open(channel, sealed.subarray(0, length))).toBeUndefined();
});

test("a message of one place opens at no other", () => {
  const sealed = node("web1").seal(kinds.data, channel, Buffer.from("hello"));
  const other = node("web2");
  expect(other.open("bz:{web1.abcdefghijkm-BBBBBBBBBBBB}:o", sealed)).toBeUndefined();
  expect(other.open(`${channel}\nfield`, sealed)).toBeUndefined();
  expect(other.rejected()).toEqual({ forged: 2 });
});

test("a message opens once in a channel, and each time where it lies in a record", () => {
  const [one, other] = [node("web1"), node("web2")];
  const said = one.seal(kinds.inbox, channel, Buffer.from("end it"));
  expect(text(other.open(channel, said))).toBe("end it");
  expect(other.open(channel, said)).toBeUndefined();
  expect(other.rejected()).toEqual({ replayed: 1 });
  const record = one.seal(kinds.record, "bz:{n.web1}:s\nfield", Buffer.from("state"));
  for (let times = 0; times < 3; times++) expect(text(other.open("bz:{n.web1}:s\nfield", record))).toBe("state");
});

test("what was said before a channel rested does not open when it is listened to again", () => {
  const [one, other] = [node("web1"), node("web2")];
  const [early, said] = [one, one].map((each) => each.seal(kinds.list, channel, Buffer.from("alive")));
  expect(text(other.open(channel, said as Uint8Array))).toBe("alive");
  other.rest(channel);
  for (const each of [early, said]) expect(other.open(channel, each as Uint8Array)).toBeUndefined();
  expect(other.rejected()).toEqual({ replayed: 2 });
  expect(text(other.open(channel, one.seal(kinds.list, channel, Buffer.from("later"))))).toBe("later");
  other.rest(channel);
  other.rest(channel);
  expect(other.open(channel, said as Uint8Array)).toBeUndefined();
});

test("messages that overtook each other all open, once; one that comes 64 later does not", () => {
  const [one, other] = [node("web1"), node("web2")];
  const all = Array.from({ length: 65 }, (_, i) => one.seal(kinds.data, channel, Buffer.from(`${i}`)));
  const [late, ...rest] = all;
  if (late === undefined) throw new Error("nothing was sealed");
  const last = rest.slice(-1);
  for (const each of [...rest.slice(0, -1)].reverse()) expect(other.open(channel, each)).toBeDefined();
  for (const each of rest.slice(0, -1)) expect(other.open(channel, each)).toBeUndefined();
  expect(other.open(channel, last[0] as Uint8Array)).toBeDefined();
  expect(other.open(channel, late)).toBeUndefined();
});

test("a forgery of a later message does not keep the real one out", () => {
  const [one, other] = [node("web1"), node("web2")];
  const real = one.seal(kinds.data, channel, Buffer.from("real"));
  const forged = Uint8Array.from(one.seal(kinds.data, channel, Buffer.from("late")));
  forged[forged.length - 1] = (forged[forged.length - 1] ?? 0) ^ 1;
  expect(other.open(channel, forged)).toBeUndefined();
  expect(text(other.open(channel, real))).toBe("real");
});

test("messages of another version, of an oversize, and of no node of ours are told apart", () => {
  const [one, other] = [node("web1"), node("web2")];
  const sealed = one.seal(kinds.data, channel, Buffer.from("hello"));
  expect(other.open(channel, Uint8Array.from(sealed).fill(2, 0, 1))).toBeUndefined();
  expect(other.open(channel, Buffer.concat([sealed, randomBytes(maxMessageBytes)]))).toBeUndefined();
  const foreign = Uint8Array.from(sealed);
  foreign.set(Buffer.from("WEB1"), 20);
  expect(other.open(channel, foreign)).toBeUndefined();
  expect(other.rejected()).toEqual({ version: 1, oversize: 1, sender: 1 });
});

test("who has another key is not believed", () => {
  const other = node("web2");
  expect(other.open(channel, node("web1", [randomBytes(32)]).seal(kinds.data, channel, Buffer.from("x")))).toBe(
    undefined,
  );
  expect(other.rejected()).toEqual({ forged: 1 });
});

test("keys are changed while nodes run: first all know the new one, then all seal with it", () => {
  const fresh = randomBytes(32);
  const [before, between, after] = [node("web1"), node("web2", [key, fresh]), node("web3", [fresh, key])];
  expect(text(between.open(channel, before.seal(kinds.data, channel, Buffer.from("1"))))).toBe("1");
  expect(text(before.open(channel, between.seal(kinds.data, channel, Buffer.from("2"))))).toBe("2");
  expect(text(between.open(channel, after.seal(kinds.data, channel, Buffer.from("3"))))).toBe("3");
  expect(text(after.open(channel, before.seal(kinds.data, channel, Buffer.from("4"))))).toBe("4");
  expect(before.open(channel, after.seal(kinds.data, channel, Buffer.from("5")))).toBeUndefined();
});

test("no two messages of a node use a nonce twice, nor do two nodes share a key", () => {
  const [one, other] = [node("web1"), node("web1")];
  const sealed = [one, one, other].map((each) => Buffer.from(each.seal(kinds.data, channel, Buffer.alloc(64))));
  const bodies = sealed.map((each) => each.subarray(-80, -16).toString("hex"));
  expect(new Set(bodies).size).toBe(3);
});
