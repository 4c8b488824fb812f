import { create } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { groupFindings } from "../../cli/group-findings.ts";
import { GroupStateSchema } from "../../proto/gen/bartizan/v1/access_pb.ts";

const said = (group: Parameters<typeof create<typeof GroupStateSchema>>[1]) =>
  groupFindings(create(GroupStateSchema, group)).map(({ state, found }) => `${state} ${found}`);

it("doctor names the nodes that are heard", () => {
  expect(said({ bus: "redis", up: true, nodes: ["web2", "web1"] })).toEqual(["ok redis, 2 nodes: web1, web2"]);
});

it("doctor says of a node alone that it is, and of an older server nothing", () => {
  expect(said({ bus: "memory", up: true, nodes: ["web1"] })).toEqual(["ok none, this node is alone"]);
  expect(groupFindings(undefined)).toEqual([]);
});

it("doctor warns of a bus that is down with its reason, and of each thing that is not as it should be", () => {
  const warnings = ["maxmemory-policy is allkeys-lru: leases may be evicted", "bad\u001b[31m"];
  const [down, ...others] = said({ bus: "redis-cluster", up: false, reason: "no answer for 2 s", warnings });
  expect(down).toBe("warn redis-cluster is down: no answer for 2 s");
  expect(others[0]).toBe(`warn ${warnings[0]}`);
  expect(others[1]).not.toContain("\u001b");
  const findings = groupFindings(create(GroupStateSchema, { bus: "redis", up: false }));
  expect(findings[0]?.advice).toContain("Shells on this node go on");
});
