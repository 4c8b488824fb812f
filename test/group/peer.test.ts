/** What is known of another node is what it said last: each change once, in order, and never from a guess. */
import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { ListMessageSchema } from "../../proto/gen/bartizan/v1/bus_pb.ts";
import type { SessionId, SessionInfo } from "../../server/events.ts";
import { createNodeId, type NodeId } from "../../server/group/names.ts";
import { Peer } from "../../server/group/peer.ts";
import { infoToWire } from "../../server/rpc/wire.ts";

const node = "web1.aaaaaaaaaaaa" as NodeId;
const session = (name: string, changes: Partial<SessionInfo> = {}): SessionInfo => ({
  ...{ id: `${node}-${name.padEnd(12, "0")}` as SessionId, epoch: "e", target: "t", targetUser: "u", labels: {} },
  ...{ operator: { name: "alice" }, node: "web1", openedAtMs: 1000, activeAtMs: 1000, size: { cols: 80, rows: 24 } },
  ...{ state: "attached", attachments: [], outputBytes: 0, recorded: true },
  ...changes,
});
const message = (version: number, changed: SessionInfo[] = [], ended: SessionInfo[] = []) =>
  create(ListMessageSchema, {
    version: BigInt(version),
    changed: changed.map((each) => infoToWire(each)),
    ended: ended.map((each) => infoToWire(each)),
  });
const record = (version: number, sessions: SessionInfo[]) => ({ version: BigInt(version), address: "", sessions });
const read = (version: number, sessions: SessionInfo[]) => {
  const peer = new Peer(node, () => 5000);
  peer.reading();
  peer.read(record(version, sessions));
  return peer;
};
const ids = (sessions: readonly SessionInfo[]) => sessions.map(({ id }) => id);

test("changes are applied in their order, once", () => {
  const [one, two] = [session("one"), session("two")];
  const peer = read(4, [one]);
  expect(peer.hear(message(5, [two]))).toMatchObject({ kind: "changed", changed: [two], ended: [] });
  expect(peer.hear(message(5, [two]))).toEqual({ kind: "sign", moved: [] });
  expect(peer.hear(message(6, [], [{ ...one, state: "ended" }]))).toMatchObject({ kind: "changed", changed: [] });
  expect(ids(peer.list())).toEqual([two.id]);
});

test("a version too far on is a hole, of a change as of a sign of life", () => {
  const peer = read(4, []);
  expect(peer.hear(message(4))).toEqual({ kind: "sign", moved: [] });
  expect(peer.hear(message(5))).toEqual({ kind: "hole" });
  expect(peer.hear(message(6, [session("six")]))).toEqual({ kind: "hole" });
  expect(peer.list()).toEqual([]);
});

test("what is said while the record is read comes after it, and what the record has already does not come twice", () => {
  const [one, two, three] = [session("one"), session("two"), session("three")];
  const peer = read(1, [one]);
  peer.reading();
  for (const [version, changed] of [
    [2, two],
    [3, three],
  ] as const)
    expect(peer.hear(message(version, [changed]))).toEqual({ kind: "sign", moved: [] });
  expect(peer.known).toBe(false);
  const result = peer.read(record(2, [one, two]));
  expect(peer.known).toBe(true);
  expect(ids(peer.list())).toEqual([one.id, two.id, three.id]);
  expect(ids(result.changed)).toEqual([two.id, three.id]);
  expect(result).toMatchObject({ gone: [], ended: [], hole: false });
});

test("a session that is not in the record any more is gone, unless its end was said", () => {
  const [one, two] = [session("one"), session("two")];
  const peer = read(1, [one, two]);
  peer.reading();
  peer.hear(message(3, [], [{ ...two, state: "ended" }]));
  const result = peer.read(record(2, [two]));
  expect(ids(result.gone)).toEqual([one.id]);
  expect(ids(result.ended)).toEqual([two.id]);
});

test("nobody speaks for the sessions of another node", () => {
  const foreign = session("one", { id: `${createNodeId("web2")}-000000000000` as SessionId });
  const peer = read(1, [foreign]);
  expect(peer.list()).toEqual([]);
  expect(peer.hear(message(2, [foreign]))).toMatchObject({ kind: "changed", changed: [] });
  expect(peer.list()).toEqual([]);
});

test("output moves by this node's own clock, forwards alone", () => {
  const one = session("one", { outputBytes: 10 });
  const peer = read(1, [one]);
  const active = (offset: number) =>
    create(ListMessageSchema, { version: 1n, active: [{ sessionId: one.id, offset: BigInt(offset) }] });
  expect(peer.hear(active(20))).toMatchObject({ moved: [{ id: one.id, outputBytes: 20, activeAtMs: 5000 }] });
  expect(peer.hear(active(15))).toEqual({ kind: "sign", moved: [] });
});

test("while it is not heard, all that it said is shown as the last that was known", () => {
  const peer = read(1, [session("one")]);
  expect(peer.list()[0]?.unreachable).toBeUndefined();
  peer.reach = "unreachable";
  expect(peer.list()[0]?.unreachable).toBe(true);
  expect(ids(peer.empty())).toEqual([session("one").id]);
  expect(peer.list()).toEqual([]);
});
