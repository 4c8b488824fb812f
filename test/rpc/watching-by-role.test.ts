import { afterEach, expect, it } from "vitest";
import type { SessionInfo } from "../../proto/client/index.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { openTestBastion, type TestBastion } from "../support/test-bastion.ts";
import { until } from "../support/until.ts";
import { operate, watch } from "../support/viewing.ts";

const principals = { alice: ["operator"], carol: ["auditor"], ada: ["admin"] } as const;
const memory = createMemoryTarget({ echo: true });
let bastion: TestBastion;
afterEach(() => bastion[Symbol.asyncDispose]());

it("an operator is told of those who watch by the roles that the config does not hide, and of a change at once", async () => {
  const visible = { operator: true, auditor: false, admin: true };
  const options = { principals, targets: [memory.target], dial: memory.dial };
  bastion = await openTestBastion({ ...options, config: { watching: { visible } } });
  const as = (name: string) => bastion.clients(`token-${name}`);
  const names = ({ attachments }: SessionInfo) => attachments.map(({ principal }) => principal?.name);
  const listed = async (name: string) => (await as(name).sessions.listSessions({})).sessions.flatMap(names);
  const operator = operate(as("alice"), "memory");
  const { session } = await operator.started();
  await using hidden = watch(as("carol"), session.id);
  await hidden.started();
  await using shown = watch(as("ada"), session.id);
  await shown.started();
  await until(() => operator.events.some((event) => event.kind === "joined" && event.name === "ada"), "he is told");
  expect(operator.events.some((event) => event.kind === "joined" && event.name === "carol")).toBe(false);
  expect(await listed("alice")).toEqual(["alice", "ada"]);
  expect(await listed("carol")).toEqual(["alice", "carol", "ada"]);
  // The number would tell of the hidden one.
  bastion.reload({ ...bastion.config, watching: { visible: false } });
  expect(await listed("alice")).toEqual(["alice"]);
  bastion.reload({ ...bastion.config, watching: { visible: true } });
  expect(await listed("alice")).toEqual(["alice", "carol", "ada"]);
  operator.shell.hangUp();
  await Promise.all([operator.ended(), hidden.ended(), shown.ended()]);
});
