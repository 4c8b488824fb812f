/** An operator's shell that survives a lost connection: events out, input and acks in. */

import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ShellRequestSchema, ShellStartSchema } from "../gen/bartizan/v1/session_pb.ts";
import { type SurvivalOptions, survive } from "./attachment.ts";
import type { SessionClient } from "./clients.ts";
import { callThere, type ElsewhereOptions, towards } from "./elsewhere.ts";
import { type AttachmentEvent, fromShell, type Size, type ViewPosition } from "./events.ts";
import { type Answer, createOutbox } from "./outbox.ts";

export interface ShellOptions extends SurvivalOptions, ElsewhereOptions {
  /** A new shell on the target of this name, or one's own session again. */
  readonly open: { readonly target: string } | { readonly sessionId: string; readonly from?: ViewPosition };
  readonly size: Size;
  /** True: the caller tells by `ack` what its terminal has parsed. False: only the stream's own back-pressure holds. */
  readonly acks: boolean;
  /** Measures the way to bastion and target this often, at least 1 s, while connected; events tell it. Default: never. */
  readonly latencyEveryMs?: number | undefined;
  /** Asked before each measurement; false leaves it out. Default: always. */
  readonly measureWhile?: (() => boolean) | undefined;
  /** How much input may wait to be sent before `write` waits. Default 256 KiB. */
  readonly inputLimitBytes?: number | undefined;
}

/**
 * Input that is typed while the connection is away is thrown away and counted, never sent later: what was on its way
 * when the line broke may or may not have arrived, and a command must not run twice, or half.
 */
export interface Shell extends AsyncDisposable {
  /** To be iterated once; the call is made by the first step. See `survive` for the order and what it throws. */
  readonly events: AsyncIterable<AttachmentEvent>;
  /** Resolves when the bytes fit into the bound; false when they were thrown away. They are kept: do not change them. */
  write(bytes: Uint8Array): Promise<boolean>;
  resize(size: Size): void;
  /** The terminal has parsed all output before `offset`. Cheap: calls are gathered. Needs `acks: true`. */
  ack(offset: number): void;
  answer(answer: Answer): void;
  /** No more input: what waits is sent, then the call's request side is closed. Needs `acks: false`. */
  endInput(): void;
  /** Ends the session; `ended` follows. Kept for the next connection while there is none. */
  hangUp(): void;
}

/** Owns nothing until iterated. Disposing detaches: the session lives on for its grace time. */
export function openShell(client: SessionClient, options: ShellOptions): Shell {
  const own = new AbortController();
  const signal = options.signal === undefined ? own.signal : AbortSignal.any([own.signal, options.signal]);
  const outbox = createOutbox(options.inputLimitBytes);
  const meter = createMeter(options, (id) => outbox.ping(id));
  let size = options.size;

  function start(
    again: string | undefined,
    from: ViewPosition | undefined,
  ): MessageInitShape<typeof ShellRequestSchema> {
    let shell: MessageInitShape<typeof ShellStartSchema>["shell"];
    if (again !== undefined) shell = reattach(again, from);
    else if ("target" in options.open) shell = { case: "target", value: options.open.target };
    else shell = reattach(options.open.sessionId, options.open.from);
    return { event: { case: "start", value: { shell, size, acks: options.acks } } };
  }

  const events = survive(
    {
      async *open(again, from, callSignal) {
        const headers = towards(again ?? ("sessionId" in options.open ? options.open.sessionId : undefined));
        const messages = callThere(client, options, callSignal, (there, signal) =>
          there.shell(outbox.messages(start(again, from), signal), { signal, headers, timeoutMs: 0 }),
        );
        for await (const message of messages) {
          if (message.event.case === "inputTaken") {
            outbox.taken(Number(message.event.value.bytes));
            continue;
          }
          if (message.event.case === "pong") {
            const { id } = message.event.value;
            const targetMs = message.event.value.targetMs || undefined;
            const bastionMs = meter.answered(id);
            if (bastionMs !== undefined) yield { kind: "latency", bastionMs, targetMs };
            continue;
          }
          const plain = fromShell(message);
          if (plain !== undefined) yield plain;
        }
      },
      connected(at) {
        outbox.connected(at.position.offset);
        meter.start();
      },
      lost() {
        meter.stop();
        outbox.lost();
      },
      takeDiscardedBytes: () => outbox.takeDiscardedBytes(),
    },
    { ...options, signal },
  );

  return {
    events,
    write: (bytes) => outbox.write(bytes),
    resize(to) {
      size = to;
      outbox.resize(to);
    },
    ack(offset) {
      if (options.acks) outbox.ack(offset);
    },
    answer: (answer) => outbox.answer(answer),
    endInput() {
      if (options.acks)
        throw new TypeError("endInput() closes the way that acks take; open the shell with acks: false");
      outbox.endInput();
    },
    hangUp: () => outbox.hangUp(),
    async [Symbol.asyncDispose]() {
      own.abort(new DOMException("The shell was detached.", "AbortError"));
      meter.stop();
      outbox.lost();
    },
  };
}

interface Meter {
  start(): void;
  stop(): void;
  /** Round trip of the ping with this id; undefined for one that is not awaited any more. */
  answered(id: number): number | undefined;
}

/** The first ping has the bastion measure its own half: a second one soon after brings it. */
const secondPingMs = 1000;

/** Pings at once when started, again a second later, then in a rhythm; one ping is under way at a time, a lost one is given up at the next. */
function createMeter(options: ShellOptions, ping: (id: number) => void): Meter {
  const { latencyEveryMs, measureWhile = () => true } = options;
  let timer: ReturnType<typeof setInterval> | undefined;
  let second: ReturnType<typeof setTimeout> | undefined;
  let awaited: { readonly id: number; readonly atMs: number } | undefined;
  let count = 0;
  const measure = () => {
    if (!measureWhile()) return;
    count += 1;
    awaited = { id: count, atMs: performance.now() };
    ping(count);
  };
  const stop = () => {
    clearInterval(timer);
    clearTimeout(second);
    awaited = undefined;
  };
  return {
    start() {
      stop();
      if (latencyEveryMs === undefined) return;
      timer = setInterval(measure, Math.max(1000, latencyEveryMs));
      second = setTimeout(measure, secondPingMs);
      measure();
    },
    stop,
    answered(id) {
      if (awaited?.id !== id) return undefined;
      const tookMs = performance.now() - awaited.atMs;
      awaited = undefined;
      return tookMs;
    },
  };
}

function reattach(
  sessionId: string,
  from: ViewPosition | undefined,
): NonNullable<MessageInitShape<typeof ShellStartSchema>["shell"]> {
  const position = from === undefined ? {} : { from: { epoch: from.epoch, offset: BigInt(from.offset) } };
  return { case: "reattach", value: { sessionId, ...position } };
}
