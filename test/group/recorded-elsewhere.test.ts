/** Recordings and commands stay where the session was: whoever asks another node by the session's id is told which. */
import { expect, test } from "vitest";
import { faultOf } from "../../proto/client/index.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { freePort } from "../support/sshd.ts";
import type { TestBastion } from "../support/test-bastion.ts";
import { createTestGroup } from "../support/test-group.ts";
import { until } from "../support/until.ts";
import { operate } from "../support/viewing.ts";

const principals = { alice: ["operator"], bob: ["operator"], ada: ["admin"] } as const;

async function drain(messages: AsyncIterable<unknown>): Promise<void> {
  for await (const _message of messages);
}

/** Every call that can be asked by a session's id, and what it is refused with. */
async function refusals(node: TestBastion, token: string, id: string) {
  const { recordings, commands } = node.clients(token);
  const calls: Record<string, Promise<unknown>> = {
    list: recordings.listRecordings({ sessionId: id }),
    get: recordings.getRecording({ id }),
    replay: drain(recordings.replay({ id })),
    export: drain(recordings.exportRecording({ id })),
    verify: drain(recordings.verifyRecordings({ id })),
    delete: recordings.deleteRecording({ id, reason: "test" }),
    commands: commands.searchCommands({ sessionId: id }),
  };
  const answers = Object.entries(calls).map(async ([call, answer]) => {
    const fault = await answer.then(() => undefined, faultOf);
    return [call, fault && { word: fault.word, message: fault.message, address: fault.address }] as const;
  });
  return Object.fromEntries(await Promise.all(answers));
}

test("who asks for it by the session's id is told the node and its address, whoever asks and whatever was there", async () => {
  const group = createTestGroup({ renewMs: 200, batchMs: 25 });
  const memory = createMemoryTarget();
  const port = await freePort();
  const address = `http://127.0.0.1:${port}`;
  const config = { listen: { host: "127.0.0.1", port, names: [] }, group: { address } };
  await using one = await group.open("one", { targets: [memory.target], dial: memory.dial, principals, config });
  await using two = await group.open("two", { principals });
  await using operator = operate(one.clients("token-alice"), "memory");
  const { session } = await operator.started();
  memory.pty().exit({ kind: "exited", code: 0 });
  await operator.ended();
  await until(async () => {
    const { recordings } = await one.clients("token-alice").recordings.listRecordings({ sessionId: session.id });
    return recordings.length === 1;
  }, "it is recorded there");
  const away = { word: "not-here", message: "It was recorded on the node one.", address };
  const all = await refusals(two, "token-ada", session.id);
  expect(Object.keys(all)).toHaveLength(7);
  for (const [call, fault] of Object.entries(all)) expect([call, fault]).toEqual([call, away]);
  const others = await refusals(two, "token-bob", session.id);
  expect(others).toEqual(await refusals(two, "token-bob", `${session.id.slice(0, -12)}AAAAAAAAAAAA`));
  expect(others.get).toEqual(away);
  // Of its own a node says what it said before; of one whose name nobody knows there is no address.
  const own = await refusals(one, "token-bob", session.id);
  expect(own.get?.word).toBe("not-found");
  expect(own.commands).toBeUndefined();
  expect((await refusals(two, "token-bob", "three.aaaaaaaaaaaa-AAAAAAAAAAAA")).get).toMatchObject({
    word: "not-here",
    address: "",
  });
});
