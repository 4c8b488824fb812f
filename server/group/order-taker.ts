/** Kicks that others order of this node: carried out once, answered the same each time, also those that waited for it. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type BusKick, BusKickedSchema, BusKickSchema } from "../../proto/gen/bartizan/v1/bus_pb.ts";
import { KickOutcome } from "../../proto/gen/bartizan/v1/session_pb.ts";
import { BartizanFault } from "../errors.ts";
import type { AttachmentId, SessionId, SessionInfo } from "../events.ts";
import type { Clock } from "../flow/clock.ts";
import { printable } from "../flow/printable.ts";
import type { Log } from "../log.ts";
import { endedToWire } from "../rpc/wire.ts";
import type { KickResult, LiveSession } from "../session/live-session.ts";
import type { GroupBus } from "./bus.ts";
import type { Inbox } from "./inbox.ts";
import type { Names, NodeId } from "./names.ts";
import { kinds } from "./seal.ts";
import { placeOf, type Sealed } from "./sealed.ts";
import type { Timing } from "./timing.ts";

export interface OrderTakerNeeds {
  readonly bus: GroupBus;
  readonly names: Names;
  readonly sealed: Sealed;
  readonly inbox: Inbox;
  readonly registry: { find(id: string): LiveSession | undefined; findEnded(id: string): SessionInfo | undefined };
  /** Resolves when the group was told of the end, or could not be. */
  readonly told: (session: SessionId) => Promise<void>;
  readonly self: NodeId;
  readonly clock: Clock;
  readonly log: Log;
  readonly timing: Timing;
}

export interface OrderTaker extends Disposable {
  /** The orders that were left for this node. Rejects with `BusDown`. */
  carryOut(): Promise<void>;
  /** Ends a session that is held here, and remembers by which order. */
  kick(session: LiveSession, ...order: Parameters<LiveSession["kick"]>): Promise<KickResult>;
  /** The order by which this session ended; empty when it was none. */
  orderOf(ended: SessionInfo): string;
}

type Answer = MessageInitShape<typeof BusKickedSchema>;

const wireOutcome: Readonly<Record<KickResult["outcome"], KickOutcome>> = {
  ended: KickOutcome.ENDED,
  "already-ended": KickOutcome.ALREADY_ENDED,
  unreachable: KickOutcome.UNREACHABLE,
};
/** At the bound the oldest answer is forgotten. */
const mostAnswers = 10_000;

export function createOrderTaker(needs: OrderTakerNeeds): OrderTaker {
  const { bus, names, sealed, inbox, registry, self, clock, log, timing } = needs;
  const answers = new Map<string, { readonly atMs: number; readonly answer: Promise<Answer> }>();
  /** By which the last sessions were ended, or are being. */
  const orders = new Map<SessionId, { readonly id: string; readonly by: string }>();

  /** Never rejects. */
  function take(kick: BusKick, from: NodeId): Promise<Answer> {
    const nowMs = clock.monotonicMs();
    for (const [key, { atMs }] of answers) {
      if (nowMs - atMs < timing.orderMs && answers.size < mostAnswers) break;
      answers.delete(key);
    }
    // Whatever a node calls its orders, an answer is of what was kicked.
    const key = JSON.stringify([kick.orderId, kick.sessionId, kick.attachmentId]);
    const before = answers.get(key);
    if (before !== undefined) return before.answer;
    const answer = act(kick, from).catch((error: unknown): Answer => {
      if (!(error instanceof BartizanFault)) log.error({ err: error, session: kick.sessionId }, "a kick failed");
      return { notFound: true };
    });
    if (kick.orderId === "") return answer;
    answers.set(key, { atMs: nowMs, answer });
    // A silence is no answer that would be worth repeating.
    void answer.then(({ outcome }) => outcome === KickOutcome.UNREACHABLE && answers.delete(key));
    return answer;
  }

  async function act(kick: BusKick, from: NodeId): Promise<Answer> {
    const { attachmentId, orderId } = kick;
    const id = kick.sessionId as SessionId;
    const session = registry.find(id);
    if (session === undefined) {
      const ended = registry.findEnded(id)?.ended;
      if (ended === undefined) return { notFound: true };
      return { outcome: KickOutcome.ALREADY_ENDED, ended: endedToWire(ended) };
    }
    const by = { name: printable(kick.by?.name ?? "") };
    const reason = printable(kick.reason).slice(0, 500);
    log.info({ session: id, by: by.name, reason, attachment: attachmentId, through: from }, "kick ordered");
    const whom = attachmentId === "" ? "everyone" : (attachmentId as AttachmentId);
    const result = await end(session, whom, by, reason, orderId);
    if (whom === "everyone") await needs.told(id);
    return {
      ...{ outcome: wireOutcome[result.outcome], watchersTold: result.watchersTold },
      ...(result.ended === undefined ? {} : { ended: endedToWire(result.ended) }),
    };
  }

  const end: OrderTaker["kick"] = (session, whom, by, reason, orderId) => {
    const { id } = session.info;
    if (whom === "everyone" && !orders.has(id)) orders.set(id, { id: orderId, by: by.name });
    for (const oldest of orders.keys()) {
      if (orders.size <= mostAnswers) break;
      orders.delete(oldest);
    }
    return session.kick(whom, by, reason, orderId);
  };

  const hearing = inbox.on("kick", (kick, from, reply) => {
    void take(kick, from).then((answer) => reply({ case: "kicked", value: create(BusKickedSchema, answer) }));
  });

  return {
    async carryOut() {
      const record = names.orders(self);
      const left = [...(await bus.records.fields(record))];
      if (left.length === 0) return;
      // All at once: the lease waits for it.
      await Promise.all(
        left.map(async ([orderId, bytes]) => {
          const read = sealed.read(kinds.record, placeOf(record, orderId), BusKickSchema, bytes);
          if (read !== undefined) await take(read.message, read.sender);
        }),
      );
      await bus.records.change(record, { remove: left.map(([orderId]) => orderId), lifeMs: timing.forgetMs });
    },
    kick: end,
    orderOf({ id, ended }) {
      const order = orders.get(id);
      const cause = ended?.cause;
      // One that came when it was ending by itself, or by another's kick, did not end it.
      return order !== undefined && cause?.kind === "kicked" && cause.by.name === order.by ? order.id : "";
    },
    [Symbol.dispose]: () => hearing[Symbol.dispose](),
  };
}
