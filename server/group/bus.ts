/** What the nodes of one deployment talk through: channels, and a few records that expire. Interfaces and faults only. */

/** Whether the bus works, as far as this node knows. */
export type BusState =
  | { readonly up: true; readonly sinceMs: number }
  /** `reason` is a line for people, `advice` what whoever runs the node can do. */
  | { readonly up: false; readonly sinceMs: number; readonly reason: string; readonly advice?: string };

/** Who hears a channel. Neither call may throw or wait; a message is shared with others and must not be changed. */
export interface Listener {
  /** One message, in the order its sender published. Never called from within `publish` or `subscribe`. */
  message(bytes: Uint8Array): void;
  /** The subscription was interrupted and stands again: any number of messages may be missing. */
  missed?(): void;
}

/** One step on a record. All of it happens, or nothing. */
export interface RecordChange {
  /** Everything that was in the record goes first. */
  readonly replace?: boolean;
  readonly set?: ReadonlyMap<string, Uint8Array>;
  readonly remove?: readonly string[];
  /** The record is gone after so long without a further change or renewal. */
  readonly lifeMs: number;
  /** Published in the same step. Its channel has the hash tag of the record. */
  readonly publish?: { readonly channel: string; readonly message: Uint8Array };
}

/**
 * Small things that all nodes see until they expire. No record is a truth: whoever wrote it writes it again when it is
 * lost. Every call rejects with `BusDown` within 2 s when it cannot be done; then it may have been done all the same.
 */
export interface GroupRecords {
  /** Resolves with how many listened to what was published; 0 when nothing was. */
  change(record: string, change: RecordChange): Promise<number>;
  /** Makes the record live on; resolves with one of its fields, or undefined when record or field are not there. */
  renew(record: string, lifeMs: number, field: string): Promise<Uint8Array | undefined>;
  field(record: string, field: string): Promise<Uint8Array | undefined>;
  fields(record: string): Promise<ReadonlyMap<string, Uint8Array>>;
  /** A single value; `onlyNew`: resolves with false, and changes nothing, when there is one. */
  put(key: string, value: Uint8Array, lifeMs: number, onlyNew?: boolean): Promise<boolean>;
  get(key: string): Promise<Uint8Array | undefined>;
  remove(key: string): Promise<void>;
  /** A set of names with the time (wall clock, ms) each was last put there. */
  remember(set: string, member: string, atMs: number): Promise<void>;
  remembered(set: string): Promise<ReadonlyMap<string, number>>;
  forget(set: string, member: string): Promise<void>;
}

/**
 * At most once, in order per sender and channel, at most 64 KiB a message. Names are ASCII; what stands between { and } is
 * the hash tag. Disposing ends every subscription and rejects what is under way.
 */
export interface GroupBus extends AsyncDisposable {
  /** How it is called in lists and logs: "memory", "redis", "redis-sentinel", "redis-cluster". */
  readonly kind: string;
  readonly state: BusState;
  /** What will make trouble later although it works now, each a sentence and what to do. */
  readonly warnings?: readonly string[];
  /** Calls at each change of `state`. */
  onState(listener: (state: BusState) => void): Disposable;
  /**
   * Resolves with how many subscriptions took the message. Never queued: rejects with `BusDown` at once while the bus is
   * down or 1 MiB is under way, and within 2 s in any case.
   */
  publish(channel: string, message: Uint8Array): Promise<number>;
  /**
   * Resolves when nothing published from now on can be missed; rejects with `BusDown` after 2 s, and then there is no
   * subscription. Once made it is made again by itself after every interruption, until disposed.
   */
  subscribe(channel: string, listener: Listener): Promise<AsyncDisposable>;
  readonly records: GroupRecords;
}

/** The bus cannot do it now. Says nothing about whether a message or a change went through. */
export class BusDown extends Error {
  override readonly name = "BusDown";
}

/** The longest message of a channel. */
export const maxMessageBytes = 64 * 1024;
