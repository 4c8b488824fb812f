/** One session of this node as other nodes watch it: who they are, what they are sent, and the seats of their watchers. */
import type { Attached, AttachmentId, SessionEvent } from "../events.ts";
import type { Clock } from "../flow/clock.ts";
import type { Ear, Overhearing } from "../session/ear.ts";
import type { HeldSession } from "../session/held-session.ts";
import type { Told } from "../session/told.ts";
import { Feed, maxMissingBytes } from "./feed.ts";
import { framesOf, type Outgoing } from "./frame.ts";
import type { GroupMeter } from "./meter.ts";
import type { NodeId } from "./names.ts";
import { maxPlainBytes } from "./seal.ts";
import type { WatchTiming } from "./watch-timing.ts";

type Ended = SessionEvent & { readonly kind: "ended" };

const sayAgainMs = 300;
/** At the bound the first who were taken off a session are forgotten. */
const mostDismissed = 10_000;
/** What a seal, and its place in a message, add to a frame. */
const sealBytes = 100;

export interface RelayedNeeds {
  readonly session: HeldSession;
  readonly clock: Clock;
  readonly timing: WatchTiming;
  readonly meter: GroupMeter;
  readonly publish: (frame: Outgoing) => Promise<number>;
  readonly busIsUp: () => boolean;
  /** Takes a watcher off on his node; resolves with whether he was told. Undefined: his node was silent. */
  readonly dismiss: (node: NodeId, id: AttachmentId, ended: Omit<Ended, "kind">) => Promise<boolean | undefined>;
  /** Who was ever taken off this session: nobody comes back by being listed once more, whatever his node missed. */
  readonly dismissed: Map<AttachmentId, Omit<Ended, "kind">>;
  /** It ended, or nobody watches elsewhere any more: nothing is relayed from here on. */
  readonly over: () => void;
}

interface FarNode {
  heardAtMs: number;
  readonly seats: Map<AttachmentId, Disposable>;
  readonly told: PromiseWithResolvers<number>;
}

export class Relayed implements Disposable {
  readonly #needs: RelayedNeeds;
  readonly #nodes = new Map<NodeId, FarNode>();
  readonly #hearing: Overhearing;
  /** Undefined while nobody hears the channel. */
  #feed: Feed | undefined;
  #ended: Ended | undefined;
  #ticked: { readonly offset: number; times: number };
  #timer: Disposable | undefined;

  constructor(needs: RelayedNeeds) {
    this.#needs = needs;
    const ear: Ear = {
      event: (event) => (event.kind === "output" ? this.#feed?.output(event) : this.#feed?.word(event)),
      word: (word) => this.#feed?.word(word),
      ended: (event, ahead) => this.#end(event, ahead),
    };
    this.#hearing = needs.session.overhear(ear);
    this.#ticked = { offset: this.#hearing.offset, times: 2 };
  }

  get offset(): number {
    return this.#hearing.offset;
  }

  get epoch(): string {
    return this.#needs.session.info.epoch;
  }

  /** How it ended, for a few seconds after it did. */
  get ended(): Ended | undefined {
    return this.#ended;
  }

  /** This node watches, or still does. */
  heard(node: NodeId): void {
    const nowMs = this.#needs.clock.monotonicMs();
    const far = this.#nodes.get(node);
    if (far !== undefined) far.heardAtMs = nowMs;
    else
      this.#nodes.set(node, {
        ...{ heardAtMs: nowMs, seats: new Map() },
        told: Promise.withResolvers<number>(),
      });
    if (this.#ended === undefined) this.#feed ??= this.#openFeed();
  }

  /** One key frame for all who want one within 250 ms. */
  wantKeyFrame(): void {
    this.#feed?.wantKeyFrame();
  }

  /** Everything after this offset as frames, a resize among them; undefined: too much, or not here any more. */
  missing(offset: number): Outgoing[] | undefined {
    const events = this.#hearing.since(offset);
    const bytes = this.#hearing.offset - offset;
    if (events === undefined || bytes > maxMissingBytes) return undefined;
    const { id, epoch, size } = this.#needs.session.info;
    const before = events.some(({ kind }) => kind === "resize") ? undefined : size;
    const items: SessionEvent[] = events.filter((event) => event.kind === "output" || event.kind === "resize");
    if (this.#ended !== undefined) items.push(this.#ended);
    // Even when nothing is missing: that, too, is an answer.
    const none = { kind: "output", offset, atMs: 0, bytes: new Uint8Array() } as const;
    const frames = framesOf(items.length === 0 ? [none] : items, { epoch, sessionId: id, offset, size: before });
    const sealedBytes = frames.reduce((sum, { plain }) => sum + plain.length + sealBytes, 0);
    return sealedBytes > maxPlainBytes - sealBytes ? undefined : frames;
  }

  /** Who watches on that node: all of them. */
  watchers(node: NodeId, all: readonly Attached[]): void {
    const far = this.#nodes.get(node);
    if (far === undefined || this.#ended !== undefined) return;
    const listed = new Set(all.map(({ id }) => id));
    for (const [id, seat] of far.seats) {
      if (listed.has(id)) continue;
      far.seats.delete(id);
      seat[Symbol.dispose]();
    }
    for (const one of all) {
      const dismissed = this.#needs.dismissed.get(one.id);
      if (dismissed !== undefined) void this.#needs.dismiss(node, one.id, dismissed);
      else if (!far.seats.has(one.id)) far.seats.set(one.id, this.#sit(node, one));
    }
  }

  #sit(node: NodeId, { id, who, sinceMs, hidden }: Attached): Disposable {
    return this.#needs.session.sitElsewhere({
      attached: { id, who, role: "watcher", sinceMs, ...(hidden ? { hidden } : {}) },
      dismiss: (_id, ended) => {
        const { dismissed, dismiss } = this.#needs;
        dismissed.set(id, ended);
        for (const oldest of dismissed.keys()) {
          if (dismissed.size <= mostDismissed) break;
          dismissed.delete(oldest);
        }
        return dismiss(node, id, ended);
      },
    });
  }

  /** Nobody watches on that node any more. */
  left(node: NodeId): void {
    const far = this.#nodes.get(node);
    if (far === undefined) return;
    this.#nodes.delete(node);
    for (const seat of far.seats.values()) seat[Symbol.dispose]();
    far.told.resolve(0);
    if (this.#nodes.size === 0 && this.#ended === undefined) this.#needs.over();
  }

  /** Nodes that were not heard since are gone. */
  expire(beforeMs: number): void {
    for (const [node, { heardAtMs }] of this.#nodes) if (heardAtMs < beforeMs) this.left(node);
  }

  /** That node told so many watchers that the session ended. */
  told(node: NodeId, watchers: number): void {
    this.#nodes.get(node)?.told.resolve(watchers);
  }

  /** Where the channel stands, when that is news, and once more: the first word may get lost with the last frame. */
  tick(): number | undefined {
    const offset = this.#feed?.publishedOffset;
    if (offset === undefined) return undefined;
    if (offset !== this.#ticked.offset) this.#ticked = { offset, times: 0 };
    this.#ticked.times += 1;
    return this.#ticked.times <= 2 ? offset : undefined;
  }

  /** The bus is up again. */
  retry(): void {
    this.#feed?.retry();
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    this.#feed?.close();
    this.#hearing[Symbol.dispose]();
    for (const { seats, told } of this.#nodes.values()) {
      told.resolve(0);
      for (const seat of seats.values()) seat[Symbol.dispose]();
    }
    this.#nodes.clear();
  }

  #openFeed(): Feed {
    const { session, clock, timing, meter, publish, busIsUp } = this.#needs;
    const { id, epoch, size } = session.info;
    return new Feed({
      ...{ clock, timing, meter, epoch, size, publish, busIsUp },
      sessionId: id,
      offset: this.#hearing.offset,
      keyFrame: () => this.#hearing.keyFrame(),
      since: (offset) => this.#hearing.since(offset),
      unheard: () => {
        this.#feed?.close();
        this.#feed = undefined;
      },
    });
  }

  #end(event: Ended, ahead: boolean): readonly Told[] {
    this.#ended = event;
    this.#feed ??= this.#openFeed();
    const feed = this.#feed;
    feed.ended(event, ahead);
    const { clock, timing, over, busIsUp } = this.#needs;
    const told = Array.from(this.#nodes.values(), (far) => far.told.promise);
    let all = false;
    void Promise.all(told).then(() => {
      all = true;
    });
    this.#timer = clock.after(sayAgainMs, () => {
      if (!all) feed.sayEnded(event, ahead);
      this.#timer = clock.after(timing.afterEndMs, over);
    });
    // Cut off from all of them, there is nothing to wait for.
    return busIsUp() ? told : [];
  }
}
