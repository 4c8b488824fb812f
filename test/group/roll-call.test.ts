/** What a node says of the others without asking them: who is silent, and who is called as another is. */
import { expect, test } from "vitest";
import { cuttable } from "../support/cuttable-bus.ts";
import type { TestBastion } from "../support/test-bastion.ts";
import { createTestGroup } from "../support/test-group.ts";
import { until } from "../support/until.ts";

const short = { leaseMs: 600, renewMs: 100, heartbeatMs: 100, batchMs: 25 };
const groupOf = async (bastion: TestBastion) => {
  const { group } = await bastion.clients().access.whoAmI({});
  return { nodes: group?.nodes ?? [], warnings: group?.warnings ?? [] };
};
const warns = (bastion: TestBastion, pattern: RegExp) =>
  until(async () => (await groupOf(bastion)).warnings.some((text) => pattern.test(text)), String(pattern));
const isQuiet = (bastion: TestBastion) =>
  until(async () => (await groupOf(bastion)).warnings.length === 0, "there is no warning");

test("a node that is silent is a warning with the time of its last sign, until it is heard again", async () => {
  const group = createTestGroup(short);
  const bus = cuttable(group.hub.openBus());
  await using one = await group.open("one", { bus });
  await using two = await group.open("two");
  await until(async () => (await groupOf(two)).nodes.length === 2, "both are there");
  expect((await groupOf(two)).warnings).toEqual([]);
  await bus.cut();
  await warns(two, /^one gives no sign of life since \d{4}-\d\d-\d\d \d\d:\d\d UTC\.$/);
  expect((await groupOf(two)).nodes).toEqual(["two"]);
  // One that starts only now has but the time that stands there.
  await using three = await group.open("three");
  await warns(three, /^one gives no sign of life since /);
  await bus.mend();
  await isQuiet(two);
  await isQuiet(three);
  expect((await groupOf(one)).nodes).toEqual(["one", "three", "two"]);
});

test("a node that has said good-bye is missed by nobody", async () => {
  const group = createTestGroup(short);
  await using two = await group.open("two");
  await (await group.open("one"))[Symbol.asyncDispose]();
  await new Promise((resolve) => setTimeout(resolve, 2 * short.leaseMs));
  expect(await groupOf(two)).toEqual({ nodes: ["two"], warnings: [] });
});

test("two nodes of one name are warned of on every node, and not one that follows another", async () => {
  const group = createTestGroup(short);
  await using two = await group.open("two");
  await (await group.open("one"))[Symbol.asyncDispose]();
  await using one = await group.open("one");
  await until(async () => (await groupOf(two)).nodes.length === 2, "both are there");
  await new Promise((resolve) => setTimeout(resolve, 4 * short.renewMs));
  expect((await groupOf(two)).warnings).toEqual([]);
  {
    await using other = await group.open("one");
    for (const node of [one, two, other]) await warns(node, /^Two nodes are called one: give each a name of its own/);
  }
  await isQuiet(two);
});
