import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { faultOf } from "../../proto/client/index.ts";
import { SessionState, type ShellRequest, ShellRequestSchema } from "../../proto/gen/bartizan/v1/session_pb.ts";
import { createMemoryTarget, type MemoryTarget } from "../support/memory-target.ts";
import { carriers, openTestBastion, type TestBastion } from "../support/test-bastion.ts";
import { until } from "../support/until.ts";
import { operate, watch } from "../support/viewing.ts";

describe.each(carriers)("over %s", (over) => {
  let memory: MemoryTarget;
  let bastion: TestBastion;
  beforeEach(async () => {
    memory = createMemoryTarget({ echo: true });
    bastion = await openTestBastion({
      over,
      targets: [memory.target],
      dial: memory.dial,
      config: { graceSeconds: 600, maxSessionsPerPrincipal: 3 },
      principals: { alice: ["operator"], bob: ["operator"], carol: ["auditor"], root: ["admin"] },
    });
  });
  afterEach(() => bastion[Symbol.asyncDispose]());

  const size = { cols: 80, rows: 24 };
  const start = { case: "start", value: { shell: { case: "target", value: "memory" }, size, acks: false } } as const;

  /** Sends these messages as one Shell call; gives the error it ended with. */
  async function wrong(...events: NonNullable<Parameters<typeof create<typeof ShellRequestSchema>>[1]>["event"][]) {
    const { sessions } = bastion.clients("token-alice");
    async function* requests(): AsyncGenerator<ShellRequest> {
      for (const event of events) yield create(ShellRequestSchema, event === undefined ? {} : { event });
      await new Promise(() => {});
    }
    const stop = new AbortController();
    try {
      for await (const _ of sessions.shell(requests(), { signal: stop.signal }));
      return undefined;
    } catch (error) {
      return ConnectError.from(error);
    } finally {
      stop.abort();
    }
  }

  async function endAll() {
    for (const { id } of bastion.registry.list())
      await bastion.clients("token-root").sessions.kick({ sessionId: id, reason: "the test is over" });
  }

  describe("a shell", () => {
    it("shows what is typed, tells the exit status as the last word, and is gone from the list", async () => {
      await using operator = operate(bastion.clients("token-alice"), "memory");
      const { session } = await operator.started();
      expect(session.operator?.name).toBe("alice");
      await operator.type("hello");
      await operator.shows("hello");
      memory.pty().exit({ kind: "exited", code: 7 });
      expect((await operator.ended()).cause).toEqual({ kind: "exited", code: 7 });
      await until(() => bastion.registry.size === 0, "the session is gone");
      const { sessions } = await bastion.clients("token-alice").sessions.listSessions({ includeEnded: true });
      expect(sessions[0]).toMatchObject({ id: session.id, state: SessionState.ENDED });
    });

    it("carries every byte value both ways unchanged", async () => {
      await using operator = operate(bastion.clients("token-alice"), "memory");
      await operator.started();
      const all = Uint8Array.from({ length: 256 }, (_, index) => index);
      await operator.type(all);
      await until(() => operator.bytes().length === 256, "all bytes came back");
      expect(operator.bytes().equals(all)).toBe(true);
      operator.shell.hangUp();
      expect((await operator.ended()).cause).toEqual({ kind: "closed", why: "operator" });
    });

    it("passes the operator's sizes on, in order with the output", async () => {
      await using operator = operate(bastion.clients("token-alice"), "memory");
      await operator.started();
      operator.shell.resize({ cols: 132, rows: 50 });
      await until(() => memory.pty().size().cols === 132, "the target has the new size");
      await until(() => operator.events.some((e) => e.kind === "resized" && e.size.rows === 50), "a resized event");
      operator.shell.hangUp();
      await operator.ended();
    });

    it.each([
      ["an input before start", [{ case: "input", value: new Uint8Array(1) }], Code.InvalidArgument],
      ["no message that means anything", [undefined], Code.InvalidArgument],
      ["two starts", [start, start], Code.InvalidArgument],
      ["an ack from the future", [start, { case: "ack", value: { offset: 1n << 40n } }], Code.InvalidArgument],
      ["an answer nobody asked for", [start, { case: "answer", value: { promptId: "1" } }], Code.InvalidArgument],
      ["a size of 0", [{ ...start, value: { ...start.value, size: { cols: 0, rows: 24 } } }], Code.InvalidArgument],
      [
        "a size of 100000",
        [{ ...start, value: { ...start.value, size: { cols: 100_000, rows: 24 } } }],
        Code.InvalidArgument,
      ],
      ["a resize to nothing", [start, { case: "resize", value: { cols: 0, rows: 0 } }], Code.InvalidArgument],
      ["too much input at once", [start, { case: "input", value: new Uint8Array(70_000) }], Code.InvalidArgument],
      ["a message over the limit", [start, { case: "input", value: new Uint8Array(300_000) }], Code.ResourceExhausted],
      ["a start without a shell", [{ case: "start", value: { size } }], Code.InvalidArgument],
      [
        "an unknown target",
        [{ ...start, value: { ...start.value, shell: { case: "target", value: "nowhere" } } }],
        Code.NotFound,
      ],
    ] as const)("answers %s with a typed error and goes on", async (_name, events, code) => {
      const error = await wrong(...(events as unknown as Parameters<typeof wrong>));
      expect(error?.code).toBe(code);
      await endAll();
      await using operator = operate(bastion.clients("token-alice"), "memory");
      await operator.started();
      operator.shell.hangUp();
      await operator.ended();
    });

    it("is not opened for who may only watch", async () => {
      await using operator = operate(bastion.clients("token-carol"), "memory");
      const error = await operator.over.catch((reason) => reason);
      expect(faultOf(error)).toMatchObject({ word: "forbidden" });
    });

    it("beyond the number one may have is refused until one ends", async () => {
      const clients = bastion.clients("token-alice");
      await using stack = new AsyncDisposableStack();
      for (let count = 0; count < 3; count += 1) await stack.use(operate(clients, "memory")).started();
      await using fourth = operate(clients, "memory");
      expect(faultOf(await fourth.over.catch((reason) => reason))).toMatchObject({ word: "limit" });
      await endAll();
    });
  });

  describe("an operator who comes back", () => {
    it("gets exactly the bytes he missed, from the same shell", async () => {
      const clients = bastion.clients("token-alice");
      const first = operate(clients, "memory");
      const { session } = await first.started();
      await first.type("one ");
      await first.shows("one ");
      const at = { epoch: session.epoch, offset: first.bytes().length };
      await first[Symbol.asyncDispose]();
      await until(() => bastion.registry.list()[0]?.state === "detached", "the session is detached");
      void memory.pty().print("two ");
      await using second = operate(clients, "memory", { sessionId: session.id });
      const again = await second.started();
      expect(again.resumed).toBe(false);
      await second.shows("one two ");
      const { openShell } = await import("../../proto/client/index.ts");
      const third = openShell(clients.sessions, { open: { sessionId: session.id, from: at }, size, acks: true });
      let text = "";
      for await (const event of third.events) {
        if (event.kind === "started") expect(event.resumed).toBe(true);
        if (event.kind === "output") text += Buffer.from(event.bytes).toString();
        if (text.includes("two")) break;
      }
      expect(text).toBe("two ");
      await endAll();
    });

    it("takes the keyboard from his former stream, which is told so", async () => {
      const clients = bastion.clients("token-alice");
      await using first = operate(clients, "memory");
      const { session } = await first.started();
      await using second = operate(clients, "memory", { sessionId: session.id });
      await second.started();
      expect((await first.ended()).cause).toEqual({ kind: "closed", why: "taken-over" });
      await second.type("mine");
      await second.shows("mine");
      await endAll();
    });

    it("finds the same answer for a session that is not there and one that is not his", async () => {
      await using mine = operate(bastion.clients("token-alice"), "memory");
      const { session } = await mine.started();
      const ask = async (sessionId: string) => {
        await using viewing = operate(bastion.clients("token-bob"), "memory", { sessionId });
        return faultOf(await viewing.over.catch((reason) => reason));
      };
      expect(await ask(session.id)).toEqual(await ask("test-nothing"));
      await using peeping = watch(bastion.clients("token-bob"), session.id);
      expect(faultOf(await peeping.over.catch((reason) => reason))).toMatchObject({ word: "not-found" });
      expect((await bastion.clients("token-bob").sessions.listSessions({})).sessions).toEqual([]);
      await endAll();
    });

    it("finds the shell gone when he took longer than the grace time", async () => {
      await using quick = await openTestBastion({
        over,
        targets: [memory.target],
        dial: memory.dial,
        config: { graceSeconds: 0.05 },
      });
      const operator = operate(quick.clients(), "memory");
      const { session } = await operator.started();
      await operator[Symbol.asyncDispose]();
      await until(() => quick.registry.size === 0, "the session has ended");
      expect(quick.registry.findEnded(session.id)?.ended?.cause).toEqual({ kind: "closed", why: "grace-expired" });
    });
  });

  describe("flow control", () => {
    it("stops reading a target within 512 KiB of an operator who acknowledges nothing, and goes on when he does", async () => {
      await using operator = operate(bastion.clients("token-alice"), "memory", { acknowledge: false });
      await operator.started();
      const pty = memory.pty();
      let printed = 0;
      const printing = (async () => {
        for (let step = 0; step < 64; step += 1) {
          await pty.print(new Uint8Array(32 * 1024).fill(0x61));
          printed += 32 * 1024;
        }
      })();
      // Exactly a full window holds nobody up yet.
      await until(() => operator.bytes().length > 256 * 1024, "more than a window full arrived");
      await new Promise((resolve) => setImmediate(resolve));
      expect(printed).toBeLessThan(512 * 1024);
      const acking = setInterval(() => operator.shell.ack(operator.bytes().length), 5);
      await printing;
      await until(() => operator.bytes().length === 2 * 1024 * 1024, "every byte arrived");
      clearInterval(acking);
      await endAll();
    });

    it("lets the interrupt key through a flood and shows the screen after it instead of the rest", async () => {
      await using operator = operate(bastion.clients("token-alice"), "memory", { acknowledge: false });
      await operator.started();
      const pty = memory.pty();
      let printed = 0;
      const printing = (async () => {
        for (let step = 0; step < 64; step += 1) {
          await pty.print(new Uint8Array(32 * 1024).fill(0x61));
          printed += 32 * 1024;
        }
        await pty.print("\r\nstopped\r\n");
      })();
      await until(() => operator.bytes().length >= 256 * 1024, "a window full arrived");
      await operator.type(new Uint8Array([3]));
      await until(() => pty.typed().includes(3), "the key arrived");
      // He has acknowledged nothing: only the skipping lets the target go on.
      await printing;
      await operator.shows("stopped");
      const frame = operator.events.find((event) => event.kind === "key-frame");
      expect(frame).toMatchObject({ approximate: false });
      expect(operator.bytes().length).toBeLessThan(printed);
      await endAll();
    });

    it("keeps reading while the operator is away, so that the program goes on", async () => {
      const operator = operate(bastion.clients("token-alice"), "memory", { acknowledge: false });
      await operator.started();
      await operator[Symbol.asyncDispose]();
      await until(() => bastion.registry.list()[0]?.state === "detached", "the session is detached");
      for (let step = 0; step < 64; step += 1) await memory.pty().print(new Uint8Array(32 * 1024).fill(0x61));
      expect(bastion.registry.list()[0]?.outputBytes).toBe(2 * 1024 * 1024);
      await endAll();
    });
  });
});
