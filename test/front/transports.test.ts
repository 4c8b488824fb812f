import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { WebSocket as HeaderWebSocket } from "ws";
import { createBrowserTransport } from "../../proto/client/browser-transport.ts";
import { createClients, openShell } from "../../proto/client/index.ts";
import { FaultSchema } from "../../proto/gen/bartizan/v1/access_pb.ts";
import { PromptKind, ShellRequestSchema, type ShellResponse } from "../../proto/gen/bartizan/v1/session_pb.ts";
import type { Dial } from "../../server/target/target.ts";
import { openFaultProxy } from "../support/fault-proxy.ts";
import { createMemoryTarget, type MemoryTarget } from "../support/memory-target.ts";
import { carriers, openTestBastion, type TestBastion } from "../support/test-bastion.ts";
import { until } from "../support/until.ts";
import { operate, type Viewing, watch } from "../support/viewing.ts";

/** What the streams of test/rpc promise holds over both carriers there; here is what belongs to the carrying itself. */
describe.each(carriers)("a stream over %s", (over) => {
  let memory: MemoryTarget;
  let bastion: TestBastion;
  let question: Dial | undefined;
  beforeEach(async () => {
    memory = createMemoryTarget({ echo: true });
    question = undefined;
    const dial: Dial = (...call) => (question ?? memory.dial)(...call);
    bastion = await openTestBastion({
      ...{ over, dial },
      targets: [memory.target],
      principals: { alice: ["operator"], root: ["admin"] },
    });
  });
  afterEach(() => bastion[Symbol.asyncDispose]());

  const alice = () => bastion.clients("token-alice");
  const size = { cols: 80, rows: 24 };
  const start = { case: "start", value: { shell: { case: "target", value: "memory" }, size, acks: false } } as const;
  type Event = NonNullable<MessageInitShape<typeof ShellRequestSchema>["event"]>;

  /** A bare Shell call: requests by hand, responses as they come. */
  function call(token = "token-alice") {
    const waiting: Event[] = [];
    let ended = false;
    let wake = () => {};
    const stop = new AbortController();
    const responses: ShellResponse["event"][] = [];
    async function* requests() {
      for (;;) {
        const event = waiting.shift();
        if (event !== undefined) yield create(ShellRequestSchema, { event });
        else if (ended || stop.signal.aborted) return;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    }
    const over = (async () => {
      const stream = bastion.clients(token).sessions.shell(requests(), { signal: stop.signal });
      for await (const { event } of stream) responses.push(event);
    })();
    const failed = over.then(
      () => undefined,
      (error) => ConnectError.from(error),
    );
    const has = (kind: ShellResponse["event"]["case"]) =>
      until(() => responses.find((event) => event.case === kind), `a response "${kind}"`);
    return {
      ...{ failed, has, responses },
      say(event: Event) {
        waiting.push(event);
        wake();
      },
      end() {
        ended = true;
        wake();
      },
      leave() {
        stop.abort();
        wake();
      },
    };
  }

  it("brings an error with its code, its words and its details", async () => {
    const refused = call("nobody");
    refused.say(start);
    const error = await refused.failed;
    refused.end();
    expect(error?.code).toBe(Code.Unauthenticated);
    expect(error?.rawMessage).toBe("This token is not known here.");
    expect(error?.findDetails(FaultSchema)[0]).toMatchObject({
      word: "unauthenticated",
      hint: expect.stringContaining("Bearer"),
    });
  });

  it("goes on after the client has said all it has to say", async () => {
    const { say, end, has, failed, responses } = call();
    say(start);
    await has("started");
    say({ case: "input", value: Buffer.from("last words") });
    end();
    await until(() => memory.pty().typed().toString() === "last words", "the input arrived");
    await memory.pty().print(" and the answer");
    memory.pty().exit({ kind: "exited", code: 0 });
    expect(await failed).toBeUndefined();
    const output = responses.flatMap((event) => (event.case === "output" ? [Buffer.from(event.value.data)] : []));
    expect(Buffer.concat(output).toString()).toBe("last words and the answer");
    expect(responses.at(-1)?.case).toBe("ended");
  });

  it("that the client leaves is noticed at once, and the shell is kept", async () => {
    const { say, has, leave, failed } = call();
    say(start);
    await has("started");
    leave();
    await until(() => bastion.registry.list()[0]?.state === "detached", "the session is detached");
    expect((await failed)?.code).toBe(Code.Canceled);
    await using again = operate(alice(), "memory", { sessionId: bastion.registry.list()[0]?.id ?? "" });
    await again.started();
    again.shell.hangUp();
    await again.ended();
  });

  it("ends by its own deadline", async () => {
    const error = await (async () => {
      for await (const _ of alice().sessions.watchSessions({}, { timeoutMs: 50 }));
    })().catch((reason) => ConnectError.from(reason));
    expect((error as ConnectError).code).toBe(Code.DeadlineExceeded);
  });

  it("refuses a message over the limit with a typed error, whatever it is cut into", async () => {
    const { say, has, failed, end } = call();
    say(start);
    await has("started");
    say({ case: "input", value: new Uint8Array(300_000) });
    expect((await failed)?.code).toBe(Code.ResourceExhausted);
    end();
    await bastion.clients("token-root").sessions.kick({
      ...{ sessionId: bastion.registry.list()[0]?.id ?? "", reason: "the test is over" },
    });
  });

  it("carries a paste of megabytes and every byte of its echo in order", async () => {
    const operator = operate(alice(), "memory");
    await operator.started();
    const paste = Buffer.from(Array.from({ length: 1_500_000 }, (_, index) => (index * 31 + (index >> 8)) & 0xff));
    const typing = operator.type(paste);
    await until(() => operator.bytes().length === paste.length, "the echo is complete", 15_000);
    expect(await typing).toBe(true);
    expect(operator.bytes().equals(paste)).toBe(true);
    operator.shell.hangUp();
    await operator.ended();
  });

  it("carries the questions of a login and their answers", async () => {
    question = async (target, terminal, ask, signal) => {
      const answer = await ask.question(
        {
          ...{ kind: "password", title: "Password", instructions: "for nobody" },
          questions: [{ label: "Password: ", echo: false }],
        },
        signal,
      );
      expect(answer).toEqual({ accepted: true, answers: ["pässword"] });
      return memory.dial(target, terminal, ask, signal);
    };
    await using operator = operate(alice(), "memory", {
      onPrompt: ({ prompt }, shell) => {
        expect(prompt).toMatchObject({ kind: PromptKind.PASSWORD, questions: [{ label: "Password: ", echo: false }] });
        shell.answer({ promptId: prompt.id, accepted: true, answers: ["pässword"] });
      },
    });
    await operator.started();
    operator.shell.hangUp();
    await operator.ended();
  });

  it("answers pings with what is known of the target, and no more than four a second", async () => {
    const { say, has, failed, responses } = call();
    say(start);
    await has("started");
    for (let id = 1; id <= 50; id += 1) say({ case: "ping", value: { id } });
    say({ case: "input", value: Buffer.from("x") });
    await has("pong");
    await has("output");
    const pongs = responses.flatMap((event) => (event.case === "pong" ? [event.value] : []));
    expect(pongs).toMatchObject([{ id: 1 }]);
    expect(pongs[0]?.targetMs).toBe(0);
    say({ case: "hangUp", value: {} });
    expect(await failed).toBeUndefined();
  });

  it("measures the way to the bastion when the client wants it", async () => {
    const shell = openShell(alice().sessions, {
      ...{ size, acks: true, latencyEveryMs: 60_000 },
      open: { target: "memory" },
    });
    for await (const event of shell.events) {
      if (event.kind !== "latency") continue;
      expect(event.bastionMs).toBeGreaterThan(0);
      expect(event.bastionMs).toBeLessThan(5_000);
      shell.hangUp();
    }
    await until(() => bastion.registry.size === 0, "the session is gone");
  });
});

describe("a network that dies without a word", () => {
  const aliveMs = 300;

  /** A bastion behind a proxy; the page's first connection goes through it, every further one past it. */
  async function scene() {
    const memory = createMemoryTarget({ echo: true });
    const limits = { pingMs: aliveMs };
    const bastion = await openTestBastion({ dial: memory.dial, targets: [memory.target], limits });
    const proxy = await openFaultProxy(bastion.port);
    let dialled = 0;
    let signs = 0;
    const connect = (url: string, protocols: string) => {
      const through = new URL(url);
      if (dialled++ === 0) through.port = String(proxy.port);
      // Node's own takes no Host, and the guard knows the proxy's port as nobody's.
      const headers = { origin: bastion.url, host: `127.0.0.1:${bastion.port}` };
      const socket = new HeaderWebSocket(through.href, protocols, { headers }) as unknown as WebSocket;
      socket.addEventListener("message", ({ data }) => {
        if (data === '{"alive":true}') signs++;
      });
      return socket;
    };
    const page = createClients(createBrowserTransport({ baseUrl: bastion.url, token: bastion.token, connect }));
    return {
      ...{ memory, bastion, proxy, page },
      signs: () => signs,
      async [Symbol.asyncDispose]() {
        await proxy[Symbol.asyncDispose]();
        await bastion[Symbol.asyncDispose]();
      },
    };
  }
  const silence = { code: Code.Unavailable, word: "connection", message: "the connection was lost (silence)" };
  const lossIn = (viewing: Viewing) =>
    until(() => viewing.events.find((event) => event.kind === "reconnecting"), "the loss is noticed");

  it("is noticed by a shell, which comes back", async () => {
    await using here = await scene();
    await using operator = operate(here.page, "memory", { reconnect: true });
    await operator.started();
    // Quiet is not dead.
    await until(() => here.signs() >= 5, "five signs of life");
    expect(operator.events.map(({ kind }) => kind)).not.toContain("reconnecting");
    here.proxy.freeze();
    expect((await lossIn(operator)).fault).toMatchObject(silence);
    await until(() => operator.events.some(({ kind }) => kind === "reconnected"), "the shell came back");
    await operator.type("again");
    await operator.shows("again");
    operator.shell.hangUp();
    await operator.ended();
  });

  it("is noticed by a watcher, who comes back", async () => {
    await using here = await scene();
    await using operator = operate(here.bastion.clients(), "memory");
    const { session } = await operator.started();
    await using watcher = watch(here.page, session.id, { reconnect: true });
    await watcher.started();
    await until(() => here.signs() >= 5, "five signs of life");
    here.proxy.freeze();
    expect((await lossIn(watcher)).fault).toMatchObject(silence);
    await until(() => watcher.events.some(({ kind }) => kind === "reconnected"), "the watcher came back");
    await operator.type("still watched");
    await watcher.shows("still watched");
    operator.shell.hangUp();
    await watcher.ended();
  });

  it("is looked for no longer than the call lasts, however that ends", async () => {
    const set = vi.spyOn(globalThis, "setInterval");
    const cleared = vi.spyOn(globalThis, "clearInterval");
    try {
      {
        await using here = await scene();
        await using operator = operate(here.page, "memory", { reconnect: true });
        const { session } = await operator.started();
        {
          await using left = watch(here.page, session.id);
          await left.started();
        }
        here.proxy.freeze();
        await until(() => operator.events.some(({ kind }) => kind === "reconnected"), "the shell came back");
        operator.shell.hangUp();
        await operator.ended();
      }
      const looks = set.mock.results.filter((_, at) => set.mock.calls[at]?.[1] === aliveMs / 2);
      expect(looks.length).toBe(3);
      for (const { value } of looks) expect(cleared).toHaveBeenCalledWith(value);
    } finally {
      vi.restoreAllMocks();
    }
  });
});
