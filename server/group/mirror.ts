/** The watchers' end: turns the channels of sessions that other nodes hold back into views. */

import { BartizanFault } from "../errors.ts";
import type { AttachmentId, Principal, Reach, SessionId, SessionInfo } from "../events.ts";
import type { Clock } from "../flow/clock.ts";
import type { Log } from "../log.ts";
import { attachedToWire } from "../rpc/wire.ts";
import type { Attachment, AttachOptions } from "../session/live-session.ts";
import type { GroupBus } from "./bus.ts";
import { endedOf } from "./from-wire.ts";
import type { Inbox } from "./inbox.ts";
import type { GroupMeter } from "./meter.ts";
import { Mirrored } from "./mirrored.ts";
import { holderOf, type Names, type NodeId } from "./names.ts";
import { holderOver } from "./remote-session.ts";
import type { Sealer } from "./seal.ts";
import { type WatchTiming, watchTiming } from "./watch-timing.ts";

export interface Mirrors extends AsyncDisposable {
  /**
   * A watcher's attachment to a session that `holder` holds. Aborting `signal` detaches. Rejects with `not-found`, or with
   * `holder-unreachable` within 5 s. The view tells how far the holder can be heard; it stays open for 30 s when it
   * cannot, then throws `holder-unreachable`. A watcher that lags and does not read for 10 s gets `limit`.
   */
  attach(
    info: SessionInfo,
    holder: NodeId,
    who: Principal,
    options: Pick<AttachOptions, "from" | "hidden">,
    signal: AbortSignal,
  ): Promise<Attachment>;
  /** From the directory: how far the channels of watched sessions have come. */
  tick(holder: NodeId, ticks: readonly { readonly sessionId: SessionId; readonly offset: number }[]): void;
  /** From the directory: how far that node can be heard. While this node's own bus is down, that goes before. */
  holderReach(holder: NodeId, reach: Reach, text: string): void;
  /** From the directory: this session is over. */
  ended(info: SessionInfo): void;
  /** That run of a node is over for certain: its sessions are not watched any more. */
  gone(holder: NodeId): void;
}

export interface MirrorsNeeds {
  readonly bus: GroupBus;
  readonly sealer: Sealer;
  readonly inbox: Inbox;
  readonly names: Names;
  readonly clock: Clock;
  readonly log: Log;
  readonly meter: GroupMeter;
  readonly timing?: WatchTiming;
}

const announceMs = 250;
/** More watchers of one node than this are not listed on the session. */
const maxListed = 200;

interface Entry {
  readonly holder: NodeId;
  readonly mirrored: Mirrored;
  announce: Disposable | undefined;
  announcedAtMs: number;
  /** The newest word on who watches here, until the holder has answered it. */
  asking: AbortController | undefined;
}

export function openMirrors(needs: MirrorsNeeds): Mirrors {
  const { bus, inbox, clock, log, timing = watchTiming } = needs;
  const entries = new Map<SessionId, Entry>();
  const reaches = new Map<NodeId, { readonly reach: Reach; readonly text: string }>();
  let keep: Disposable | undefined;

  function find(id: string, holder: NodeId): Mirrored | undefined {
    const entry = entries.get(id as SessionId);
    return entry?.holder === holder ? entry.mirrored : undefined;
  }

  function open(info: SessionInfo, holder: NodeId): Mirrored {
    const mirrored: Mirrored = new Mirrored({
      ...needs,
      ...{ timing, info, holder },
      changed: () => announceSoon(info.id, entry),
      over: () => close(info.id, entry),
    });
    const never = Number.NEGATIVE_INFINITY;
    const entry: Entry = { holder, mirrored, announce: undefined, announcedAtMs: never, asking: undefined };
    entries.set(info.id, entry);
    keep ??= clock.every(timing.keepMs, tellStillWatched);
    tellReach(entry);
    return mirrored;
  }

  function close(id: SessionId, entry: Entry): void {
    entry.announce?.[Symbol.dispose]();
    entry.asking?.abort();
    if (entries.get(id) === entry) entries.delete(id);
    if (entries.size > 0) return;
    keep?.[Symbol.dispose]();
    keep = undefined;
  }

  /** The first change at once, all others of a quarter of a second together. */
  function announceSoon(id: SessionId, entry: Entry): void {
    if (entry.announce !== undefined || entries.get(id) !== entry) return;
    const waitMs = entry.announcedAtMs + announceMs - clock.monotonicMs();
    if (waitMs <= 0) announce(id, entry);
    else
      entry.announce = clock.after(waitMs, () => {
        entry.announce = undefined;
        announce(id, entry);
      });
  }

  /** Who watches here, until the holder says that it knows; an older word must not come after a newer one. */
  function announce(sessionId: SessionId, entry: Entry): void {
    entry.announcedAtMs = clock.monotonicMs();
    entry.asking?.abort();
    const asking = new AbortController();
    entry.asking = asking;
    const watchers = entry.mirrored.watchers.slice(0, maxListed).map(attachedToWire);
    const body = { case: "watchers", value: { sessionId, watchers } } as const;
    inbox.ask(entry.holder, body, "told", timing.askMs, asking.signal).then(
      () => {
        if (entry.asking === asking) entry.asking = undefined;
      },
      (error: unknown) => log.debug({ err: error, session: sessionId }, "a holder does not know who watches here"),
    );
  }

  function send(to: NodeId, body: Parameters<Inbox["send"]>[1]): void {
    inbox.send(to, body).catch((error: unknown) => log.debug({ err: error, to }, "a message to a holder was lost"));
  }

  /** One message for each holder; and who watches, where the holder gave no answer. */
  function tellStillWatched(): void {
    const watched = Map.groupBy(entries, ([, { holder }]) => holder);
    for (const [holder, sessions] of watched) {
      send(holder, { case: "keep", value: { sessionIds: sessions.map(([id]) => id) } });
      for (const [id, entry] of sessions) if (entry.asking !== undefined) announceSoon(id, entry);
    }
  }

  function tellReach({ holder, mirrored }: Entry): void {
    const { state } = bus;
    if (!state.up) mirrored.reach("stale", `This node is cut off from the others: ${state.reason}`);
    else {
      const { reach, text } = reaches.get(holder) ?? { reach: "live", text: "" };
      mirrored.reach(reach, text);
    }
  }

  const handlers = [
    inbox.on("dismiss", ({ sessionId, attachmentId, ended }, from, reply) => {
      const mirrored = find(sessionId, from);
      const told = (watchers: number) => reply({ case: "told", value: { sessionId, watchers } });
      if (mirrored === undefined || ended === undefined) told(0);
      else void mirrored.dismiss(attachmentId as AttachmentId, { kind: "ended", ...endedOf(ended) }).then(told);
    }),

    inbox.on("attached", ({ sessionId, gone, ended }, from) => {
      const mirrored = gone ? find(sessionId, from) : undefined;
      if (ended !== undefined) void mirrored?.end({ kind: "ended", ...endedOf(ended) }, false);
      else mirrored?.fail(new BartizanFault("not-found", "There is no such session any more."));
    }),

    bus.onState(() => {
      for (const entry of [...entries.values()]) tellReach(entry);
    }),
  ];

  return {
    async attach(info, holder, who, { from, hidden }, signal) {
      signal.throwIfAborted();
      const mirrored = find(info.id, holder) ?? open(info, holder);
      const seat = mirrored.sit(who, hidden);
      const leave = () => {
        seat.close(signal.reason);
        mirrored.leave(seat);
      };
      try {
        const begun = await mirrored.begin(seat, from, signal);
        signal.throwIfAborted();
        signal.addEventListener("abort", leave, { once: true });
        const end = () => {
          signal.removeEventListener("abort", leave);
          mirrored.leave(seat);
        };
        const others = begun.info.attachments.filter(({ id }) => id !== seat.attached.id);
        return {
          self: seat.attached,
          info: { ...begun.info, attachments: [...others, seat.attached] },
          ...{ start: begun.start, resumed: begun.resumed },
          view: seat.view(end),
          keyboard: undefined,
          acknowledge: () => {},
          ping: () => {},
        };
      } catch (error) {
        mirrored.leave(seat);
        throw error;
      }
    },

    tick(holder, ticks) {
      for (const { sessionId, offset } of ticks) find(sessionId, holder)?.tick(offset);
    },

    holderReach(holder, reach, text) {
      if (reach === "live") reaches.delete(holder);
      else reaches.set(holder, { reach, text });
      for (const entry of [...entries.values()]) if (entry.holder === holder) tellReach(entry);
    },

    ended({ id, ended }) {
      const holder = holderOf(id);
      const mirrored = holder && find(id, holder);
      if (ended !== undefined) mirrored?.endSoon({ kind: "ended", ...ended });
    },

    gone(holder) {
      reaches.delete(holder);
      const fault = holderOver(holder);
      for (const { holder: its, mirrored } of [...entries.values()])
        if (its === holder && !mirrored.ending) mirrored.fail(fault);
    },

    async [Symbol.asyncDispose]() {
      for (const handler of handlers) handler[Symbol.dispose]();
      const fault = new BartizanFault("draining", "This node is stopping.", "Try again on another node.");
      for (const { mirrored } of [...entries.values()]) mirrored.fail(fault);
    },
  };
}
