/** Seals what goes over the bus and opens what comes: from one of us, for this very place, once. Knows no meaning. */
import { createCipheriv, createDecipheriv, createHash, createSecretKey, hkdfSync, type KeyObject } from "node:crypto";
import type { Clock } from "../flow/clock.ts";
import type { Log } from "../log.ts";
import { maxMessageBytes } from "./bus.ts";
import type { GroupMeter, RejectCause } from "./meter.ts";
import type { NodeId } from "./names.ts";

/** What a sealed message is; part of what its seal vouches for. */
export const kinds = { data: 1, keyFrame: 2, word: 3, inbox: 10, list: 11, record: 12, probe: 13 } as const;

/** A message whose seal is right. `plain` is the caller's own. */
export interface Opened {
  readonly sender: NodeId;
  readonly kind: number;
  readonly flags: number;
  /** Of one sender, over all places, always growing. */
  readonly count: number;
  /** By the sender's wall clock: for figures, never for decisions. */
  readonly sentAtMs: number;
  readonly plain: Uint8Array;
}

/**
 * A place is the name of a channel, or record + "\n" + field. What was sealed for one place opens at no other. In a channel
 * each message opens once, and not at all once 64 newer ones of its sender have; what lies in a record opens each time.
 */
export interface Sealer {
  seal(kind: number, place: string, plain: Uint8Array, flags?: number): Uint8Array;
  /** Undefined: not to be believed; counted and logged already. Never throws. */
  open(place: string, sealed: Uint8Array): Opened | undefined;
  /** Of what this node sealed last. */
  readonly count: number;
  /** What was opened in this channel so far is remembered no longer. */
  forget(channel: string): void;
  /** As `forget`, but nothing that is older than the last of its sender opens when it is listened to again. */
  rest(channel: string): void;
}

export interface SealerNeeds {
  /** 32 bytes each. The first one seals, all of them open: so keys are changed while nodes run. */
  readonly keys: readonly Buffer[];
  readonly self: NodeId;
  readonly clock: Clock;
  readonly log: Log;
  readonly meter: GroupMeter;
}

/** Clear, and vouched for: version, kind, flags, length of the sender's id, key id, count, sent at; then the sender's id. */
const version = 1;
const fixedBytes = 20;
const tagBytes = 16;
const maxSenderBytes = 33;
/** The longest plain text that fits a message of the bus. */
export const maxPlainBytes = maxMessageBytes - fixedBytes - maxSenderBytes - tagBytes;

const senderForm = /^[a-z0-9]{1,20}\.[a-z0-9]{12}$/;
const windowCounts = 64;
const maxSenders = 4096;
const maxPlaceBytes = 1024;
/** Of channels that rest the last counts are kept; at the bound those of the one that rests longest are forgotten. */
const maxResting = 4096;
const logEveryMs = 10_000;

export function createSealer({ keys, self, clock, log, meter }: SealerNeeds): Sealer {
  const ring = new Map(keys.map((key) => [keyIdOf(key), { key, senders: new Map<string, KeyObject>() }]));
  const [first] = keys;
  if (first === undefined) throw new Error("sealing needs a key");
  const [ownKeyId, ownKey, ownId] = [keyIdOf(first), senderKey(first, self), Buffer.from(self, "latin1")];
  const windows = new Map<string, Map<string, Window>>();
  const resting = new Map<string, Map<string, number>>();
  const nonce = Buffer.alloc(12);
  const vouched = Buffer.alloc(fixedBytes + maxSenderBytes + maxPlaceBytes);
  const refused = new Map<RejectCause, { loggedAtMs: number; since: number }>();
  let count = 0;

  /** The header, wherever it was taken from, then the place. */
  function vouchedFor(header: Uint8Array, length: number, place: string): Buffer {
    for (let at = 0; at < length; at++) vouched[at] = header[at] as number;
    if (place.length > maxPlaceBytes) throw new RangeError("the name of a place is too long");
    return vouched.subarray(0, length + vouched.write(place, length, "latin1"));
  }

  function refuse(cause: RejectCause, place: string): undefined {
    meter.rejected(cause);
    const state = refused.get(cause) ?? { loggedAtMs: Number.NEGATIVE_INFINITY, since: 0 };
    refused.set(cause, state);
    state.since += 1;
    const nowMs = clock.monotonicMs();
    if (nowMs - state.loggedAtMs < logEveryMs) return;
    log.warn({ cause, place, messages: state.since }, "messages on the bus were not believed");
    Object.assign(state, { loggedAtMs: nowMs, since: 0 });
  }

  function windowOf(place: string, sender: string): Window | undefined {
    return windows.get(place)?.get(sender);
  }

  function accepts(place: string, sender: string, seen: number): boolean {
    if (seen <= (resting.get(place)?.get(sender) ?? -1)) return false;
    return windowOf(place, sender)?.accepts(seen) !== false;
  }

  function note(place: string, sender: string, seen: number): void {
    const here = windows.get(place) ?? new Map<string, Window>();
    windows.set(place, here);
    const window = here.get(sender) ?? new Window();
    // The senders heard last stay longest. Only who has the key gets in here.
    if (here.size > 1) here.delete(sender);
    here.set(sender, window);
    if (here.size > maxSenders) here.delete(here.keys().next().value as string);
    window.take(seen);
  }

  return {
    seal(kind, place, plain, flags = 0) {
      count += 1;
      const head = fixedBytes + ownId.length;
      const out = Buffer.allocUnsafe(head + plain.length + tagBytes);
      out[0] = version;
      out[1] = kind;
      out[2] = flags;
      out[3] = ownId.length;
      out.writeUInt32BE(ownKeyId, 4);
      out.writeUIntBE(count, 8, 6);
      out.writeUIntBE(clock.wallMs(), 14, 6);
      out.set(ownId, fixedBytes);
      nonce.writeUIntBE(count, 6, 6);
      const cipher = createCipheriv("aes-256-gcm", ownKey, nonce);
      cipher.setAAD(vouchedFor(out, head, place));
      out.set(cipher.update(plain), head);
      cipher.final();
      out.set(cipher.getAuthTag(), head + plain.length);
      return out;
    },

    open(place, sealed) {
      if (sealed.length > maxMessageBytes) return refuse("oversize", place);
      if (sealed[0] !== version) return refuse(sealed.length === 0 ? "malformed" : "version", place);
      const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.length);
      const head = fixedBytes + (bytes[3] ?? 0);
      if (bytes.length < head + tagBytes) return refuse("malformed", place);
      const sender = bytes.toString("latin1", fixedBytes, head);
      const known = ring.get(bytes.readUInt32BE(4));
      if (known === undefined) return refuse("forged", place);
      let key = known.senders.get(sender);
      if (key === undefined && !senderForm.test(sender)) return refuse("sender", place);
      const seen = bytes.readUIntBE(8, 6);
      const once = !place.includes("\n");
      if (once && !accepts(place, sender, seen)) return refuse("replayed", place);
      const isNew = key === undefined;
      key ??= senderKey(known.key, sender);
      nonce.writeUIntBE(seen, 6, 6);
      const cipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: tagBytes });
      cipher.setAAD(vouchedFor(bytes, head, place));
      cipher.setAuthTag(bytes.subarray(bytes.length - tagBytes));
      const plain = cipher.update(bytes.subarray(head, bytes.length - tagBytes));
      try {
        cipher.final();
      } catch {
        return refuse("forged", place);
      }
      if (isNew) remember(known.senders, sender, key);
      if (once) note(place, sender, seen);
      return {
        sender: sender as NodeId,
        kind: bytes[1] as number,
        flags: bytes[2] as number,
        count: seen,
        sentAtMs: bytes.readUIntBE(14, 6),
        plain,
      };
    },

    get count() {
      return count;
    },

    forget: (channel) => void windows.delete(channel),

    rest(channel) {
      const heard = windows.get(channel);
      if (heard === undefined) return;
      windows.delete(channel);
      const last = resting.get(channel) ?? new Map<string, number>();
      for (const [sender, window] of heard) last.set(sender, Math.max(window.newest, last.get(sender) ?? 0));
      resting.delete(channel);
      resting.set(channel, last);
      if (resting.size > maxResting) resting.delete(resting.keys().next().value as string);
    },
  };
}

/** A key of the sender's own: no two nodes ever use a nonce twice under the same one. A run of a node has its own id. */
function senderKey(key: Buffer, sender: string): KeyObject {
  return createSecretKey(Buffer.from(hkdfSync("sha256", key, Buffer.alloc(0), `bartizan bus v1${sender}`, 32)));
}

/** Says which key it was, and nothing about it. */
function keyIdOf(key: Buffer): number {
  return createHash("sha256").update("bartizan bus key id").update(key).digest().readUInt32BE(0);
}

function remember(senders: Map<string, KeyObject>, sender: string, key: KeyObject): void {
  senders.set(sender, key);
  if (senders.size > maxSenders) senders.delete(senders.keys().next().value as string);
}

/** The last counts that were seen of one sender in one channel, in ascending order. */
class Window {
  readonly #counts: number[] = [];

  get newest(): number {
    return this.#counts.at(-1) ?? 0;
  }

  accepts(count: number): boolean {
    const newest = this.#counts.at(-1);
    if (newest === undefined || count > newest) return true;
    if (this.#counts.length === windowCounts && count < (this.#counts[0] as number)) return false;
    return !this.#counts.includes(count);
  }

  take(count: number): void {
    let at = this.#counts.length;
    while (at > 0 && (this.#counts[at - 1] as number) > count) at--;
    if (at === this.#counts.length) this.#counts.push(count);
    else this.#counts.splice(at, 0, count);
    if (this.#counts.length > windowCounts) this.#counts.shift();
  }
}
