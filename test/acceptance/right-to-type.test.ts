/** A03: what a target gets typed is what its rightful operator typed, in order, once; from nobody else, at no time. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { faultOf } from "../../proto/client/index.ts";
import { SessionService } from "../../proto/gen/bartizan/v1/session_pb.ts";
import { createMemoryTarget, type MemoryTarget } from "../support/memory-target.ts";
import { carriers, openTestBastion, type TestBastion } from "../support/test-bastion.ts";
import { until } from "../support/until.ts";
import { type OperatorViewing, operate, watch } from "../support/viewing.ts";

let memory: MemoryTarget;
let bastion: TestBastion;
let rightful: string;
beforeEach(() => {
  memory = createMemoryTarget();
  rightful = "";
});
afterEach(() => bastion[Symbol.asyncDispose]());

const open = async (over: (typeof carriers)[number]) => {
  bastion = await openTestBastion({
    ...{ over, targets: [memory.target], dial: memory.dial },
    principals: { ann: ["operator"], bob: ["operator"], aud: ["auditor"], boss: ["admin"] },
  });
};
const type = async (operator: OperatorViewing, text: string) => {
  rightful += text;
  await operator.type(text);
  await until(() => memory.pty().typed().length === rightful.length, "it is typed");
};
const exactly = () => expect(memory.pty().typed().toString()).toBe(rightful);
const wordOf = async (viewing: { readonly over: Promise<void> }) =>
  faultOf(await viewing.over.catch((reason) => reason)).word;

test.each(carriers)("over %s, nobody but the attached operator types", async (over) => {
  await open(over);
  await using ann = operate(bastion.clients("token-ann"), "memory");
  const { session } = await ann.started();
  await type(ann, "first ");

  // Another operator, an auditor and an admin, with the session's id.
  for (const [who, word] of [
    ["bob", "not-found"],
    ["aud", "forbidden"],
    ["boss", "forbidden"],
  ] as const) {
    await using intruder = operate(bastion.clients(`token-${who}`), "memory", { sessionId: session.id });
    await intruder.type("intruder").catch(() => {});
    expect([who, await wordOf(intruder)]).toEqual([who, word]);
  }
  exactly();

  // A watcher's stream has no way in: the contract gives it none.
  expect(SessionService.method.watch.methodKind).toBe("server_streaming");
  await using auditor = watch(bastion.clients("token-aud"), session.id);
  await auditor.started();
  await type(ann, "second ");

  // Her own other stream takes the keyboard, and the first has lost it for good.
  await using again = operate(bastion.clients("token-ann"), "memory", { sessionId: session.id });
  await again.started();
  await ann.type("from the old stream").catch(() => {});
  expect((await ann.ended()).cause).toEqual({ kind: "closed", why: "taken-over" });
  await type(again, "third ");
  await ann.type("from the old stream").catch(() => {});
  exactly();

  // After a kick neither she nor anybody else types, with the old stream or a new one.
  await bastion.clients("token-boss").sessions.kick({ sessionId: session.id, reason: "enough" });
  await again.type("after the kick").catch(() => {});
  expect((await again.ended()).cause).toMatchObject({ kind: "kicked" });
  for (const who of ["ann", "bob"]) {
    await using late = operate(bastion.clients(`token-${who}`), "memory", { sessionId: session.id });
    await late.type("too late").catch(() => {});
    expect(["not-found", "kicked"]).toContain(await wordOf(late));
  }
  exactly();
  expect(memory.pty().typed().toString()).toBe("first second third ");
});

test("keys that were under way when the keyboard was taken arrive once, or not at all, and never behind the new one's", async () => {
  await open("HTTP/2");
  await using first = operate(bastion.clients("token-ann"), "memory");
  const { session } = await first.started();
  const typing = (async () => {
    for (let count = 0; count < 500; count += 1) if (!(await first.type("a").catch(() => false))) break;
  })();
  await until(() => memory.pty().typed().length > 50, "some arrived");
  await using second = operate(bastion.clients("token-ann"), "memory", { sessionId: session.id });
  await second.started();
  await second.type("b".repeat(100));
  await until(() => memory.pty().typed().toString().split("b").length === 101, "the new one's arrived");
  await typing;
  expect(memory.pty().typed().toString()).toMatch(/^a+b{100}$/);
  second.shell.hangUp();
  await second.ended();
});
