/** The holder's end: sends its sessions to the nodes that watch them, and to none that do not. */

import type { AttachmentId, SessionId, SessionInfo } from "../events.ts";
import type { Clock } from "../flow/clock.ts";
import type { Log } from "../log.ts";
import { endedToWire, infoToWire } from "../rpc/wire.ts";
import type { Registry } from "../session/registry.ts";
import type { GroupBus } from "./bus.ts";
import { attachedOf } from "./from-wire.ts";
import type { Inbox, Reply } from "./inbox.ts";
import type { GroupMeter } from "./meter.ts";
import type { Names, NodeId } from "./names.ts";
import { Relayed, type RelayedNeeds } from "./relayed.ts";
import type { Sealer } from "./seal.ts";
import { type WatchTiming, watchTiming } from "./watch-timing.ts";

export interface Relay extends AsyncDisposable {
  /** Watched sessions whose channel went on since this was last asked, and where they stand. */
  ticks(): { readonly sessionId: SessionId; readonly offset: number }[];
  /** How many sessions are watched from other nodes. */
  watchedElsewhere(): number;
  /** That run of a node is over for certain: nobody watches there. */
  gone(node: NodeId): void;
}

export interface RelayNeeds {
  readonly bus: GroupBus;
  readonly sealer: Sealer;
  readonly inbox: Inbox;
  readonly names: Names;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly log: Log;
  readonly meter: GroupMeter;
  readonly timing?: WatchTiming;
}

/** Missing bytes are sealed for this place: each message to an inbox opens once as a whole. */
export function missingPlace(names: Names, session: SessionId): string {
  return `${names.output(session)}\nmissing`;
}

export function openRelay(needs: RelayNeeds): Relay {
  const { bus, sealer, inbox, names, registry, clock, log, meter, timing = watchTiming } = needs;
  const relayed = new Map<SessionId, Relayed>();
  /** By session: it may be watched by nobody for a while, and then by him again whose node had not heard. */
  const dismissed = new WeakMap<RelayedNeeds["session"], RelayedNeeds["dismissed"]>();
  const closing = new AbortController();
  let sweep: Disposable | undefined;

  /** The session as it is watched; undefined when it is not here. */
  function find(id: SessionId, from: NodeId): Relayed | undefined {
    const known = relayed.get(id);
    const session = registry.find(id);
    if (known === undefined && (session === undefined || session.info.state === "ended")) return undefined;
    const one = known ?? open(id, session as RelayedNeeds["session"]);
    one.heard(from);
    return one;
  }

  function open(id: SessionId, session: RelayedNeeds["session"]): Relayed {
    const channel = names.output(id);
    const gone = dismissed.get(session) ?? new Map();
    dismissed.set(session, gone);
    const one: Relayed = new Relayed({
      ...{ session, clock, timing, meter, dismissed: gone },
      busIsUp: () => bus.state.up,
      publish: ({ kind, plain, flags }) => bus.publish(channel, sealer.seal(kind, channel, plain, flags)),
      dismiss: (node, attachmentId, ended) => dismiss(id, node, attachmentId, endedToWire(ended)),
      over: () => close(id, one),
    });
    relayed.set(id, one);
    sweep ??= clock.every(timing.expiryMs / 6, () => {
      for (const each of [...relayed.values()]) each.expire(clock.monotonicMs() - timing.expiryMs);
    });
    return one;
  }

  function close(id: SessionId, one: Relayed): void {
    one[Symbol.dispose]();
    relayed.delete(id);
    if (relayed.size > 0) return;
    sweep?.[Symbol.dispose]();
    sweep = undefined;
  }

  async function dismiss(
    sessionId: SessionId,
    node: NodeId,
    attachmentId: AttachmentId,
    ended: ReturnType<typeof endedToWire>,
  ): Promise<boolean | undefined> {
    try {
      const body = { case: "dismiss", value: { sessionId, attachmentId, ended } } as const;
      // The other node waits for him that long itself.
      const { watchers } = await inbox.ask(node, body, "told", 2 * timing.toldMs, closing.signal);
      return watchers > 0;
    } catch (error) {
      log.info({ err: error, session: sessionId, node }, "a watcher could not be told that he was taken off");
      return undefined;
    }
  }

  function answerGone(sessionId: SessionId, reply: Reply): void {
    const info = registry.find(sessionId)?.info ?? registry.findEnded(sessionId);
    const ended = info?.ended;
    const known = ended && { ended: endedToWire(ended), session: infoToWire(info as SessionInfo) };
    const value = { sessionId, gone: true, ...known };
    reply({ case: "attached", value });
  }

  const handlers = [
    inbox.on("attach", (value, from, reply) => {
      const sessionId = value.sessionId as SessionId;
      const info = registry.find(sessionId)?.info;
      if (value.look && info !== undefined && info.state !== "ended") {
        reply({ case: "attached", value: { sessionId, session: infoToWire(info) } });
        return;
      }
      const one = value.look ? undefined : find(sessionId, from);
      if (one === undefined || info === undefined || one.ended !== undefined) {
        answerGone(sessionId, reply);
        return;
      }
      const { epoch } = info;
      const offset = Number(value.from?.offset ?? -1);
      const resumes = value.from?.epoch === epoch && one.missing(offset) !== undefined;
      const position = { epoch, offset: BigInt(resumes ? offset : one.offset) };
      const fromCount = BigInt(sealer.count + 1);
      reply({ case: "attached", value: { sessionId, session: infoToWire(info), fromCount, position } });
      if (!resumes) one.wantKeyFrame();
    }),

    inbox.on("resume", (value, node, reply) => {
      const sessionId = value.sessionId as SessionId;
      const one = find(sessionId, node);
      if (one === undefined) {
        reply({ case: "missing", value: { sessionId, gone: true } });
        return;
      }
      const place = missingPlace(names, sessionId);
      const { from } = value;
      const missing = from?.epoch === one.epoch ? one.missing(Number(from.offset)) : undefined;
      const frames = missing?.map(({ kind, plain, flags }) => sealer.seal(kind, place, plain, flags)) ?? [];
      reply({ case: "missing", value: { sessionId, frames, gone: missing === undefined && one.ended !== undefined } });
      if (missing === undefined) one.wantKeyFrame();
    }),

    inbox.on("keep", ({ sessionIds }, from) => {
      for (const sessionId of sessionIds as SessionId[])
        if (find(sessionId, from) === undefined)
          answerGone(sessionId, (body) => void inbox.send(from, body).catch(() => {}));
    }),

    inbox.on("detach", ({ sessionId }, from) => relayed.get(sessionId as SessionId)?.left(from)),

    inbox.on("watchers", ({ sessionId, watchers }, from, reply) => {
      find(sessionId as SessionId, from)?.watchers(from, watchers.map(attachedOf));
      reply({ case: "told", value: { sessionId, watchers: watchers.length } });
    }),

    inbox.on("told", ({ sessionId, watchers }, from) => relayed.get(sessionId as SessionId)?.told(from, watchers)),

    bus.onState(({ up }) => {
      if (up) for (const one of relayed.values()) one.retry();
    }),
  ];

  return {
    ticks() {
      const ticks: { sessionId: SessionId; offset: number }[] = [];
      for (const [sessionId, one] of relayed) {
        const offset = one.tick();
        if (offset !== undefined) ticks.push({ sessionId, offset });
      }
      return ticks;
    },
    watchedElsewhere: () => relayed.size,
    gone(node) {
      for (const one of [...relayed.values()]) one.left(node);
    },
    async [Symbol.asyncDispose]() {
      closing.abort();
      for (const handler of handlers) handler[Symbol.dispose]();
      for (const [id, one] of relayed) close(id, one);
    },
  };
}
