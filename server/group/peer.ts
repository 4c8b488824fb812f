/** What another node says of itself and its sessions, as this node last heard it. Knows no bus: it is told. */
import type { ListMessage } from "../../proto/gen/bartizan/v1/bus_pb.ts";
import type { Reach, SessionId, SessionInfo } from "../events.ts";
import { infoOf } from "./from-wire.ts";
import { holderOf, type NodeId, nodeNameOf } from "./names.ts";

/** A record as it was read. */
export interface ReadList {
  readonly version: bigint;
  readonly address: string;
  readonly sessions: readonly SessionInfo[];
}

/** What a message did to the list. */
export type Heard =
  | { readonly kind: "sign"; readonly moved: readonly SessionInfo[] }
  | { readonly kind: "changed"; readonly changed: readonly SessionInfo[]; readonly ended: readonly SessionInfo[] }
  /** Something was missed: the record has to be read. */
  | { readonly kind: "hole" }
  | { readonly kind: "left" };

/** Messages that came while the record was read; more than this, and it is read once more. */
const mostWaiting = 256;

export class Peer {
  readonly id: NodeId;
  readonly #sessions = new Map<SessionId, SessionInfo>();
  readonly #wallMs: () => number;
  #waiting: ListMessage[] = [];
  #version: bigint | undefined;
  /** A list of an older version is one that somebody kept, or that a failover brought back. */
  #leastVersion = 0n;
  /** Of the list that is shown while another is read. */
  #shownVersion: bigint | undefined;
  address = "";
  reach: Reach = "live";
  /** A line for people; with "live" empty. */
  reachText = "";
  /** Monotonic, ms: its last sign of life, or when this node began to wait for one. */
  heardAtMs = 0;
  /** Since when its record is known to be gone; monotonic, ms. */
  lapsedAtMs: number | undefined;

  constructor(id: NodeId, wallMs: () => number) {
    this.id = id;
    this.#wallMs = wallMs;
  }

  get name(): string {
    return nodeNameOf(this.id);
  }

  /** Its list is in. */
  get known(): boolean {
    return this.#version !== undefined;
  }

  /** Its sessions, as they are to be shown: flagged while it cannot be heard. */
  list(): SessionInfo[] {
    return Array.from(this.#sessions.values(), (info) => this.#shown(info));
  }

  find(id: SessionId): SessionInfo | undefined {
    const info = this.#sessions.get(id);
    return info === undefined ? undefined : this.#shown(info);
  }

  /** Takes a message of its channel, in the order they came. */
  hear(message: ListMessage): Heard {
    const { version } = message;
    if (message.leaving) return { kind: "left" };
    if (this.#version === undefined) {
      if (this.#waiting.length < mostWaiting) this.#waiting.push(message);
      return { kind: "sign", moved: [] };
    }
    if (message.changed.length === 0 && message.ended.length === 0)
      return version > this.#version ? { kind: "hole" } : { kind: "sign", moved: this.#moved(message) };
    // Read with the record already.
    if (version <= this.#version) return { kind: "sign", moved: [] };
    if (version !== this.#version + 1n) return { kind: "hole" };
    this.#version = version;
    this.#leastVersion = version;
    const changed = message.changed.map(infoOf).filter(this.#isOwn);
    const ended = message.ended.map(infoOf).filter(this.#isOwn);
    for (const info of changed) this.#sessions.set(info.id, info);
    for (const { id } of ended) this.#sessions.delete(id);
    return {
      kind: "changed",
      changed: changed.map((info) => this.#shown(info)),
      ended: ended.map((info) => ({ ...info, state: "ended" as const })),
    };
  }

  /** The record is about to be read: messages from here on wait for it. */
  reading(): void {
    this.#shownVersion = this.#version ?? this.#shownVersion;
    this.#version = undefined;
    this.#waiting = [];
  }

  /** It is not what its node says now: a later one was read, or heard, before. */
  isPast(list: ReadList): boolean {
    return list.version < this.#leastVersion;
  }

  /** Its record was gone: its node writes the next one with a later version. */
  lapse(): void {
    const known = this.#version ?? this.#shownVersion;
    if (known !== undefined) this.#leastVersion = known + 1n;
  }

  /** The record, and what was said while it was read. Returns what is new, what has changed, and what is not there any more. */
  read(list: ReadList): { changed: SessionInfo[]; gone: SessionInfo[]; ended: SessionInfo[]; hole: boolean } {
    const before = new Map(this.#sessions);
    this.address = list.address;
    this.#version = list.version;
    this.#leastVersion = list.version;
    this.#sessions.clear();
    for (const info of list.sessions.filter(this.#isOwn)) this.#sessions.set(info.id, info);
    const ended: SessionInfo[] = [];
    let hole = this.#waiting.length === mostWaiting;
    for (const message of this.#waiting.splice(0)) {
      const heard = this.hear(message);
      if (heard.kind === "hole") hole = true;
      if (heard.kind === "changed") ended.push(...heard.ended);
    }
    for (const { id } of ended) before.delete(id);
    const gone = [...before.values()].filter(({ id }) => !this.#sessions.has(id));
    const changed = this.list().filter((info) => JSON.stringify(before.get(info.id)) !== JSON.stringify(info));
    return { changed, gone, ended, hole };
  }

  /** The record could not be read: the list goes on from where it was, with what was said meanwhile. */
  unread(): SessionInfo[] {
    if (this.known || this.#shownVersion === undefined) return [];
    this.#version = this.#shownVersion;
    const waiting = this.#waiting.splice(0).map((message) => this.hear(message));
    return waiting.flatMap((heard) => {
      if (heard.kind === "sign") return heard.moved;
      return heard.kind === "changed" ? [...heard.changed, ...heard.ended] : [];
    });
  }

  /** It is over: everything is taken off. */
  empty(): SessionInfo[] {
    const all = [...this.#sessions.values()];
    this.#sessions.clear();
    return all;
  }

  #moved({ active }: ListMessage): SessionInfo[] {
    const moved: SessionInfo[] = [];
    for (const { sessionId, offset } of active) {
      const info = this.#sessions.get(sessionId as SessionId);
      if (info === undefined || info.outputBytes >= Number(offset)) continue;
      // By this node's clock: two may differ.
      const newer = { ...info, outputBytes: Number(offset), activeAtMs: this.#wallMs() };
      this.#sessions.set(info.id, newer);
      moved.push(this.#shown(newer));
    }
    return moved;
  }

  /** A node speaks of its own sessions alone. */
  readonly #isOwn = ({ id }: SessionInfo) => holderOf(id) === this.id;

  #shown(info: SessionInfo): SessionInfo {
    return this.reach === "live" ? info : { ...info, unreachable: true };
  }
}
