import { create } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { faultOf } from "../../proto/client/index.ts";
import { type ShellRequest, ShellRequestSchema } from "../../proto/gen/bartizan/v1/session_pb.ts";
import type { Dial } from "../../server/target/target.ts";
import { createMemoryTarget, type MemoryTarget } from "../support/memory-target.ts";
import { openTestBastion, type TestBastion } from "../support/test-bastion.ts";
import { until } from "../support/until.ts";
import { operate, watch } from "../support/viewing.ts";

let memory: MemoryTarget;
let bastion: TestBastion;
beforeEach(async () => {
  memory = createMemoryTarget();
  bastion = await openTestBastion({
    targets: [memory.target],
    dial: memory.dial,
    principals: { alice: ["operator"], carol: ["auditor"], root: ["admin"] },
  });
});
afterEach(() => bastion[Symbol.asyncDispose]());

const root = () => bastion.clients("token-root");

describe("the last word", () => {
  it("reaches a watcher who lags behind a flood when the shell exits", async () => {
    await using operator = operate(bastion.clients(), "memory");
    const { session } = await operator.started();
    const leaving = new AbortController();
    const reading = bastion
      .clients("token-carol")
      .sessions.watch({ sessionId: session.id }, { signal: leaving.signal });
    const messages = reading[Symbol.asyncIterator]();
    await messages.next();
    for (let step = 0; step < 200; step += 1) await memory.pty().print(new Uint8Array(32 * 1024).fill(0x61));
    memory.pty().exit({ kind: "exited", code: 4 });
    await operator.ended();
    let last: string | undefined;
    for (let next = await messages.next(); !next.done; next = await messages.next()) last = next.value.event.case;
    expect(last).toBe("ended");
  });

  it("of a kick is heard by an operator who types on", async () => {
    await using operator = operate(bastion.clients(), "memory", { acknowledge: false });
    const { session } = await operator.started();
    void (async () => {
      for (let step = 0; step < 64; step += 1) await memory.pty().print(new Uint8Array(32 * 1024).fill(0x61));
    })();
    await until(() => operator.bytes().length >= 256 * 1024, "the flood is on");
    const typing = setInterval(() => void operator.type("x"), 1);
    try {
      await root().sessions.kick({ sessionId: session.id, reason: "stop typing" });
      expect((await operator.ended()).cause).toEqual({ kind: "kicked", by: "root", reason: "stop typing" });
    } finally {
      clearInterval(typing);
    }
  });

  it("and all output before it reach an operator who types while the shell exits", async () => {
    await using operator = operate(bastion.clients(), "memory");
    await operator.started();
    const typing = setInterval(() => void operator.type("x"), 1);
    try {
      for (let step = 0; step < 40; step += 1) await memory.pty().print(new Uint8Array(32 * 1024).fill(0x61));
      memory.pty().exit({ kind: "exited", code: 3 });
      expect((await operator.ended()).cause).toEqual({ kind: "exited", code: 3 });
      expect(operator.bytes().length).toBe(40 * 32 * 1024);
    } finally {
      clearInterval(typing);
    }
  });
});

describe("an operator", () => {
  it("cannot shake off who watches him", async () => {
    const alice = bastion.clients("token-alice");
    await using operator = operate(alice, "memory");
    const { session } = await operator.started();
    await using auditor = watch(bastion.clients("token-carol"), session.id);
    const { attachmentId } = await auditor.started();
    const refused = await alice.sessions
      .kick({ sessionId: session.id, attachmentId, reason: "go away" })
      .catch(faultOf);
    expect(refused).toMatchObject({ word: "forbidden" });
    await memory.pty().print("still watched");
    await auditor.shows("still watched");
    const answer = await alice.sessions.kick({ sessionId: session.id, reason: "mine to end" });
    expect(answer.outcome).toBe(1);
  });

  it("cannot use up the kicks of an admin", async () => {
    const alice = bastion.clients("token-alice");
    await using first = operate(alice, "memory");
    const { session } = await first.started();
    for (let count = 0; count < 1200; count += 1)
      await alice.sessions.kick({ sessionId: session.id, reason: "again", idempotencyId: `a${count}` });
    await using second = operate(bastion.clients(), "memory");
    const other = await second.started();
    const kick = { sessionId: other.session.id, reason: "now", idempotencyId: "r1" };
    const answer = await root().sessions.kick(kick);
    expect(answer.outcome).toBe(1);
    expect(await root().sessions.kick(kick)).toEqual(answer);
  });

  it("who comes back again and again does not multiply the input that waits for a stuck target", async () => {
    let reached = 0;
    const stuck: Dial = async (target, size, ask, signal) => {
      const channel = await memory.dial(target, size, ask, signal);
      const write = (input: Uint8Array) => {
        reached += input.length;
        return new Promise<void>(() => {});
      };
      return { ...channel, write };
    };
    await using other = await openTestBastion({ targets: [memory.target], dial: stuck });
    const clients = other.clients();
    let session = "";
    let refused: unknown;
    let count = 0;
    for (; count < 12 && refused === undefined; count += 1) {
      const operator = operate(clients, "memory", session === "" ? {} : { sessionId: session });
      session = (await operator.started()).session.id;
      operator.over.catch((error) => {
        refused = error;
      });
      void operator.type(new Uint8Array(256 * 1024));
      // Behind the input, in order.
      const cols = 100 + count;
      operator.shell.resize({ cols, rows: 24 });
      await until(() => refused !== undefined || memory.pty().size().cols === cols, "the input is there, or refused");
      await operator[Symbol.asyncDispose]();
    }
    expect(faultOf(refused)).toMatchObject({ word: "limit" });
    expect(count).toBe(5);
    expect(reached).toBeLessThanOrEqual(1024 * 1024);
    await other.clients().sessions.kick({ sessionId: session, reason: "the test is over" });
  });
});

describe("a login that asks", () => {
  it("hears the answer although the window was resized and keys were typed before it", async () => {
    const asking: Dial = async (target, size, ask, signal) => {
      const questions = [{ label: "Password: ", echo: false }];
      const question = { kind: "password", title: "", instructions: "", questions } as const;
      const { answers } = await ask.question(question, signal);
      expect(answers).toEqual(["secret"]);
      return await memory.dial(target, size, ask, signal);
    };
    await using other = await openTestBastion({ targets: [memory.target], dial: asking });
    await using operator = operate(other.clients(), "memory", {
      onPrompt: ({ prompt }, shell) => {
        shell.resize({ cols: 111, rows: 33 });
        shell.answer({ promptId: prompt.id, accepted: true, answers: ["secret"] });
      },
    });
    await operator.started();
    await until(() => memory.pty().size().cols === 111, "the size came through");
    operator.shell.hangUp();
    await operator.ended();
  });

  it("passes on what was typed ahead once the shell is open, in order", async () => {
    const go = Promise.withResolvers<void>();
    const slow: Dial = async (target, size, ask, signal) => {
      await go.promise;
      return await memory.dial(target, size, ask, signal);
    };
    await using other = await openTestBastion({ targets: [memory.target], dial: slow });
    async function* requests(): AsyncGenerator<ShellRequest> {
      const size = { cols: 80, rows: 24 };
      const start = { shell: { case: "target", value: "memory" }, size } as const;
      yield create(ShellRequestSchema, { event: { case: "start", value: start } });
      for (const key of "ahead")
        yield create(ShellRequestSchema, { event: { case: "input", value: Buffer.from(key) } });
      go.resolve();
      await new Promise(() => {});
    }
    const stop = new AbortController();
    const call = (async () => {
      for await (const { event } of other.clients().sessions.shell(requests(), { signal: stop.signal }))
        if (event.case === "started") return event.value.session?.id ?? "";
      return "";
    })();
    const id = await call;
    await until(() => memory.pty().typed().toString() === "ahead", "the keys arrived");
    stop.abort();
    await other.clients().sessions.kick({ sessionId: id, reason: "the test is over" });
  });
});
