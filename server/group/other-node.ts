/**
 * Another node, listened to: its list kept as it says, read anew when something was missed, and how far it can be heard.
 * Says what it learns to its directory; concludes only what it is asked to look at.
 */
import { ListMessageSchema } from "../../proto/gen/bartizan/v1/bus_pb.ts";
import type { Reach, SessionId, SessionInfo } from "../events.ts";
import { type Clock, pause, within } from "../flow/clock.ts";
import type { Log } from "../log.ts";
import { BusDown, type GroupBus } from "./bus.ts";
import type { DeadMarkers } from "./dead-markers.ts";
import type { Inbox } from "./inbox.ts";
import type { ListReader } from "./list-reader.ts";
import type { Names, NodeId } from "./names.ts";
import { Peer } from "./peer.ts";
import { kinds, type Sealer } from "./seal.ts";
import type { Sealed } from "./sealed.ts";
import { subscribeStanding } from "./standing.ts";
import type { Timing } from "./timing.ts";
import type { Tombstones } from "./tombstones.ts";

/** Where a watched session stands. */
export interface Tick {
  readonly sessionId: SessionId;
  readonly offset: number;
}

export interface OtherNodeNeeds {
  readonly bus: GroupBus;
  readonly names: Names;
  readonly sealer: Sealer;
  readonly sealed: Sealed;
  readonly inbox: Inbox;
  readonly reader: ListReader;
  readonly tombstones: Tombstones;
  readonly dead: DeadMarkers;
  readonly clock: Clock;
  readonly log: Log;
  readonly timing: Timing;
  /** Ends what waits. */
  readonly life: AbortSignal;
  /** A session is new, has changed, or has ended. */
  readonly tell: (info: SessionInfo) => void;
  readonly reached: (node: NodeId, reach: Reach, text: string) => void;
  readonly signed: (node: NodeId, ticks: readonly Tick[]) => void;
  /** It is gone for certain, or forgotten. Called once; what ended with it is told after, then `gone`. */
  readonly over: (node: OtherNode) => void;
  readonly gone: (node: NodeId) => void;
}

/** How a session ended whose node is gone. */
export const nodeStopped = "its node stopped";
const readAgainMs = 100;
/** A list that is still being written after so many looks is left to the next round. */
const mostLooks = 10;

export class OtherNode {
  readonly peer: Peer;
  /** How many here want to know of it. */
  hearers = 0;
  /** What there was to be read is read, or cannot be read in time. Never rejects. */
  ready: Promise<void> = Promise.resolve();
  askedAtMs = Number.NEGATIVE_INFINITY;
  readonly #needs: OtherNodeNeeds;
  #subscription: Promise<AsyncDisposable> | undefined;
  #reading: Promise<void> | undefined;
  #readAgain = false;
  #over = false;
  #logged: Reach = "live";

  constructor(id: NodeId, needs: OtherNodeNeeds) {
    this.peer = new Peer(id, needs.clock.wallMs);
    this.#needs = needs;
    this.peer.heardAtMs = needs.clock.monotonicMs();
  }

  get heard(): boolean {
    return this.#subscription !== undefined;
  }

  get silentMs(): number {
    return this.#needs.clock.monotonicMs() - this.peer.heardAtMs;
  }

  start(): void {
    const { bus, names, clock } = this.#needs;
    this.peer.heardAtMs = clock.monotonicMs();
    // What was concluded before nobody listened is concluded anew, and who was told of it is told.
    this.setReach("live");
    this.#needs.reached(this.peer.id, "live", "");
    const listener = { message: (bytes: Uint8Array) => this.#take(bytes), missed: () => void this.read() };
    this.#subscription = subscribeStanding(bus, names.list(this.peer.id), listener, clock);
    const begun = this.#subscription.then(async () => {
      await this.ask(true);
      await this.read();
    });
    this.ready = within(clock, begun, this.#needs.timing.readyMs);
  }

  /** What is known of it stays. Resolves when nothing more is heard. */
  async stop(): Promise<void> {
    const { sealer, names } = this.#needs;
    const subscription = this.#subscription;
    this.#subscription = undefined;
    this.peer.lapsedAtMs = undefined;
    await (await subscription)?.[Symbol.asyncDispose]();
    if (!this.heard) sealer.rest(names.list(this.peer.id));
    await this.#reading;
  }

  setReach(reach: Reach, text = ""): void {
    const { peer } = this;
    if (peer.reach === reach) return;
    peer.reach = reach;
    peer.reachText = text;
    // What this node missed while it was cut off itself is no change of the other.
    if (reach !== "stale" && reach !== this.#logged) {
      this.#logged = reach;
      this.#needs.log.info({ node: peer.id, reach }, "another node's reach has changed");
    }
    for (const info of peer.list()) this.#needs.tell(info);
    this.#needs.reached(peer.id, reach, text);
  }

  /** Reads the record, and again when that was called for meanwhile. Never rejects. */
  read(): Promise<void> {
    this.#readAgain = this.#reading !== undefined;
    this.#reading ??= this.#readAll().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #readAll(): Promise<void> {
    const { clock, life, log } = this.#needs;
    try {
      await this.#readOnce();
      for (let looks = 1; looks < mostLooks && this.#readAgain && !this.#over; looks++) {
        this.#readAgain = false;
        await pause(clock, readAgainMs, life);
        await this.#readOnce();
      }
    } catch (error) {
      // The bus is down: when it is back everything is read again.
      if (!(error instanceof BusDown) && !life.aborted) log.error({ err: error }, "a node's list was not read");
    } finally {
      if (!this.#over) for (const info of this.peer.unread()) this.#needs.tell(info);
    }
  }

  async #readOnce(): Promise<void> {
    const { reader, dead, clock, tell } = this.#needs;
    const { peer } = this;
    peer.reading();
    const list = await reader.list(peer.id);
    if (list === "partly") {
      this.#readAgain = true;
      return;
    }
    // Somebody wrote there who has no key: its node writes it again with its next renewal.
    if (list === "foreign") return;
    if (typeof list === "object" && peer.isPast(list)) return;
    if (list === "lapsed") {
      peer.lapse();
      if (await dead.isOver(peer.id)) return await this.end(nodeStopped);
      if (this.heard) peer.lapsedAtMs ??= clock.monotonicMs();
      return;
    }
    peer.lapsedAtMs = undefined;
    const { changed, gone, ended, hole } = peer.read(list);
    for (const info of [...changed, ...ended]) tell(info);
    for (const info of gone) tell(await this.#endOf(info, "how it ended is not known"));
    if (hole) this.#readAgain = true;
  }

  /** The node is gone for certain, or forgotten: all that it held is off the list. Never rejects. */
  async end(reason: string): Promise<void> {
    if (this.#over) return;
    this.#over = true;
    this.#needs.over(this);
    for (const info of this.peer.empty()) this.#needs.tell(await this.#endOf(info, reason));
    this.#needs.gone(this.peer.id);
  }

  /** How a session ended that is on no list any more. */
  async #endOf(info: SessionInfo, reason: string): Promise<SessionInfo> {
    const known = await this.#needs.tombstones.find(info.id).catch(() => undefined);
    return known?.info ?? lostWith(info, reason);
  }

  /** Asks for a sign of life, and whether anybody is there at all. Never rejects. */
  async ask(first = false): Promise<void> {
    const { inbox, clock, timing } = this.#needs;
    const { peer } = this;
    const askedAtMs = clock.monotonicMs();
    this.askedAtMs = askedAtMs;
    let there: number;
    try {
      there = await inbox.send(peer.id, { case: "listen", value: {} });
    } catch {
      return;
    }
    const { heartbeatMs, missedBeats } = timing;
    const silent = this.silentMs >= missedBeats * heartbeatMs;
    if (!this.heard || peer.heardAtMs > askedAtMs || (!first && !silent)) return;
    if (there === 0) this.setReach("unreachable", `${peer.name} is not on the bus: it was killed, or is cut off.`);
    else if (this.silentMs >= (missedBeats + 0.75) * heartbeatMs)
      this.setReach("unreachable", `${peer.name} gives no sign of life.`);
  }

  #take(bytes: Uint8Array): void {
    const { sealed, names, clock, tell } = this.#needs;
    const { peer } = this;
    const message = sealed.read(kinds.list, names.list(peer.id), ListMessageSchema, bytes, peer.id)?.message;
    if (message === undefined || this.#over || !this.heard) return;
    peer.heardAtMs = clock.monotonicMs();
    peer.lapsedAtMs = undefined;
    const heard = peer.hear(message);
    if (heard.kind === "left") {
      this.#needs.dead.learn(peer.id);
      return void this.end(nodeStopped);
    }
    if (heard.kind === "sign") for (const info of heard.moved) tell(info);
    if (heard.kind === "changed") for (const info of [...heard.changed, ...heard.ended]) tell(info);
    // A record that was gone when it was read is written again soon: then this is the first to tell.
    if (heard.kind === "hole" || (!peer.known && this.#reading === undefined)) void this.read();
    this.setReach("live");
    const ticks = message.ticks.map(({ sessionId, offset }) => ({
      sessionId: sessionId as SessionId,
      offset: Number(offset),
    }));
    this.#needs.signed(peer.id, ticks);
  }
}

/** As ended for a reason that nobody saw. */
export function lostWith({ unreachable: _flag, ...info }: SessionInfo, reason: string): SessionInfo {
  const cause = { kind: "lost", reason } as const;
  const ended = { offset: info.outputBytes, atMs: Math.max(0, info.activeAtMs - info.openedAtMs), cause };
  return { ...info, state: "ended", attachments: [], ended };
}
