/** What nodes say to each other alone: requests, asked again until an answer comes, and answered once. Knows no request. */
import { randomBytes } from "node:crypto";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { type InboxMessage, InboxMessageSchema } from "../../proto/gen/bartizan/v1/bus_pb.ts";
import type { Clock } from "../flow/clock.ts";
import type { Log } from "../log.ts";
import { BusDown, type GroupBus } from "./bus.ts";
import type { GroupMeter } from "./meter.ts";
import type { Names, NodeId } from "./names.ts";
import { kinds, type Sealer } from "./seal.ts";
import { subscribeStanding } from "./standing.ts";

/** What is said: one case of the oneof with its value. */
export type InboxBody = Exclude<NonNullable<MessageInitShape<typeof InboxMessageSchema>["body"]>, { case: undefined }>;
export type InboxCase = Exclude<InboxMessage["body"]["case"], undefined>;
type Values = { [Body in Exclude<InboxMessage["body"], { case: undefined }> as Body["case"]]: Body["value"] };
export type InboxValue<Case extends InboxCase> = Values[Case];

/** Answers a request; the first answer counts. Harmless for what was no request. Never throws. */
export type Reply = (body: InboxBody) => void;
export type InboxHandler<Case extends InboxCase> = (value: InboxValue<Case>, from: NodeId, reply: Reply) => void;

export interface Inbox extends AsyncDisposable {
  /** Resolves with how many heard it (0: that node is not on the bus). Rejects with `BusDown`. */
  send(to: NodeId, body: InboxBody, requestId?: Uint8Array): Promise<number>;
  /**
   * Asks, with the same id again after 0.3 s and 1 s, and sooner when nobody heard it, until the answer of this case comes
   * from that node. At the deadline it rejects with `BusDown` when the last attempt failed on this side, else with
   * `NoAnswer`; with the signal's reason when that aborts.
   */
  ask<Case extends InboxCase>(
    to: NodeId,
    body: InboxBody,
    answer: Case,
    deadlineMs: number,
    signal: AbortSignal,
  ): Promise<InboxValue<Case>>;
  /**
   * One handler for each case. It hears a request once, however often it was sent: the answer is kept for repetitions as
   * long as 1 MiB of answers has room for it. It must not wait.
   */
  on<Case extends InboxCase>(about: Case, handler: InboxHandler<Case>): Disposable;
}

export interface InboxNeeds {
  readonly bus: GroupBus;
  readonly sealer: Sealer;
  readonly names: Names;
  readonly self: NodeId;
  readonly clock: Clock;
  readonly log: Log;
  readonly meter: GroupMeter;
}

/** The other node did not answer. `heard`: it was on the bus when it was last asked. */
export class NoAnswer extends Error {
  override readonly name = "NoAnswer";
  readonly heard: boolean;
  constructor(to: NodeId, heard: boolean) {
    super(`${to} ${heard ? "does not answer" : "is not on the bus"}.`);
    this.heard = heard;
  }
}

const againMs = [300, 700] as const;
/** Nobody heard it: its subscription may be the one that was just interrupted. */
const unheardAgainMs = [50, 100, ...againMs] as const;
const maxKeptBytes = 1024 * 1024;
/** What a kept answer costs beside its bytes. */
const keptBytes = 200;

/** An answer that is on its way, or was given. */
interface Kept {
  readonly answer: Uint8Array | undefined;
  readonly bytes: number;
}

/** Resolves when it hears what is said to it, or the bus is down: then it does as soon as the bus is there. */
export async function openInbox({ bus, sealer, names, self, clock, log, meter }: InboxNeeds): Promise<Inbox> {
  const place = names.inbox(self);
  const handlers = new Map<InboxCase, (value: never, from: NodeId, reply: Reply) => void>();
  const waiting = new Map<string, { readonly to: NodeId; settle(message: InboxMessage): void }>();
  const kept = new Map<string, Kept>();
  const closing = new AbortController();
  let allKeptBytes = 0;

  function sealed(to: NodeId, body: InboxBody, requestId: Uint8Array): Uint8Array {
    const message = create(InboxMessageSchema, { requestId, fromNode: self, body });
    return sealer.seal(kinds.inbox, names.inbox(to), toBinary(InboxMessageSchema, message));
  }

  function keep(key: string, answer: Uint8Array | undefined): void {
    allKeptBytes -= kept.get(key)?.bytes ?? 0;
    const bytes = keptBytes + (answer?.length ?? 0);
    kept.set(key, { answer, bytes });
    allKeptBytes += bytes;
    for (const [oldest, { bytes: freed }] of kept) {
      if (allKeptBytes <= maxKeptBytes) break;
      kept.delete(oldest);
      allKeptBytes -= freed;
    }
  }

  function say(to: NodeId, message: Uint8Array): void {
    bus
      .publish(names.inbox(to), message)
      .catch((error: unknown) => log.debug({ err: error, to }, "an answer was lost"));
  }

  function answerer(from: NodeId, requestId: Uint8Array, key: string): Reply {
    let answered = requestId.length === 0;
    return (body) => {
      if (answered || closing.signal.aborted) return;
      answered = true;
      const plain = create(InboxMessageSchema, { requestId, fromNode: self, body });
      keep(key, toBinary(InboxMessageSchema, plain));
      say(from, sealed(from, body, requestId));
    };
  }

  function take(bytes: Uint8Array): void {
    // Somebody only asks whether anybody is here.
    if (bytes.length === 0) return;
    const opened = sealer.open(place, bytes);
    if (opened === undefined) return;
    const message = opened.kind === kinds.inbox ? parsed(opened.plain) : undefined;
    if (message === undefined || message.fromNode !== opened.sender) {
      meter.rejected("malformed");
      return;
    }
    const { body, requestId } = message;
    const key = Buffer.from(requestId).toString("latin1");
    const asked = waiting.get(key);
    if (asked !== undefined && asked.to === opened.sender) {
      asked.settle(message);
      return;
    }
    const handler = body.case === undefined ? undefined : handlers.get(body.case);
    if (handler === undefined || body.value === undefined) return;
    const once = `${opened.sender}\n${key}`;
    const before = requestId.length === 0 ? undefined : kept.get(once);
    if (before !== undefined) {
      // The answer may have been lost; sealed anew, or it would be taken for a replay.
      if (before.answer !== undefined)
        say(opened.sender, sealer.seal(kinds.inbox, names.inbox(opened.sender), before.answer));
      return;
    }
    if (requestId.length > 0) keep(once, undefined);
    try {
      handler(body.value as never, opened.sender, answerer(opened.sender, requestId, once));
    } catch (error) {
      log.error({ err: error, about: body.case }, "a message from another node could not be handled");
    }
  }

  const subscription = await subscribeStanding(bus, place, { message: take }, clock);

  return {
    async send(to, body, requestId = new Uint8Array()) {
      return bus.publish(names.inbox(to), sealed(to, body, requestId));
    },

    ask<Case extends InboxCase>(to: NodeId, body: InboxBody, answer: Case, deadlineMs: number, signal: AbortSignal) {
      return new Promise<InboxValue<Case>>((resolve, reject) => {
        const requestId = randomBytes(16);
        const key = requestId.toString("latin1");
        const timers = new Set<Disposable>();
        let last: unknown;
        const settled = (settle: () => void) => {
          if (!waiting.delete(key)) return;
          for (const timer of timers) timer[Symbol.dispose]();
          signal.removeEventListener("abort", aborted);
          closing.signal.removeEventListener("abort", closed);
          settle();
        };
        const aborted = () => settled(() => reject(signal.reason));
        const closed = () => settled(() => reject(new BusDown("This node leaves the bus.")));
        const later = (ms: number, call: () => void) => {
          const timer = clock.after(ms, () => {
            timers.delete(timer);
            call();
          });
          timers.add(timer);
        };
        let heardTimes = 0;
        let unheardTimes = 0;
        const attempt = () => {
          if (!waiting.has(key)) return;
          bus.publish(names.inbox(to), sealed(to, body, requestId)).then(
            (heard) => again(heard > 0 ? undefined : new NoAnswer(to, false)),
            (error: unknown) => again(error),
          );
        };
        const again = (failure: unknown) => {
          last = failure;
          if (!waiting.has(key)) return;
          const waitMs = failure === undefined ? againMs[heardTimes++] : (unheardAgainMs[unheardTimes++] ?? 500);
          if (waitMs !== undefined) later(waitMs, attempt);
        };
        if (signal.aborted || closing.signal.aborted) {
          reject(signal.aborted ? signal.reason : new BusDown("This node leaves the bus."));
          return;
        }
        waiting.set(key, {
          to,
          settle: ({ body: given }) => {
            if (given.case === answer) settled(() => resolve(given.value as unknown as InboxValue<Case>));
          },
        });
        signal.addEventListener("abort", aborted, { once: true });
        closing.signal.addEventListener("abort", closed, { once: true });
        later(deadlineMs, () => settled(() => reject(last ?? new NoAnswer(to, true))));
        attempt();
      });
    },

    on(about, handler) {
      if (handlers.has(about)) throw new Error(`there is a handler for ${about} already`);
      handlers.set(about, handler);
      return { [Symbol.dispose]: () => void handlers.delete(about) };
    },

    async [Symbol.asyncDispose]() {
      closing.abort();
      await subscription[Symbol.asyncDispose]();
      sealer.forget(place);
    },
  };
}

function parsed(bytes: Uint8Array): InboxMessage | undefined {
  try {
    return fromBinary(InboxMessageSchema, bytes);
  } catch {
    return undefined;
  }
}
