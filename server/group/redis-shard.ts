/** One Redis server, or the master that sentinels name, over two connections: one publishes, the other only listens. */
import { randomBytes } from "node:crypto";
import type { Clock } from "../flow/clock.ts";
import { sentence } from "../flow/sentence.ts";
import type { Log } from "../log.ts";
import { BusDown } from "./bus.ts";
import type { GroupMeter, ReconnectCause } from "./meter.ts";
import {
  openRedisLink,
  type RedisCommand,
  type RedisLink,
  type RedisLogin,
  type RedisPlace,
  type RedisReply,
} from "./redis-client.ts";
import { slotOf } from "./redis-slots.ts";

export interface RedisShardNeeds {
  readonly place: RedisPlace;
  readonly login: RedisLogin;
  /** How both connections are called on the server. */
  readonly name: string;
  /** True: a node of a cluster, whose channels belong to slots. */
  readonly sharded: boolean;
  /** A channel of ours alone that belongs on this server. */
  readonly probe: () => string;
  readonly clock: Clock;
  readonly log: Log;
  readonly meter: GroupMeter;
  onMessage(channel: string, message: Uint8Array): void;
  /** From now on nothing of the channel is missed; called again after each interruption. */
  onStanding(channel: string): void;
  /** All channels are interrupted. */
  onInterrupted(): void;
  /** The server does not let us hear this channel, and it is not kept. */
  onRefused(channel: string, reason: string): void;
  /** `well` or `ailment` has changed. */
  onChange(): void;
  /** A slot has moved: what this server has is no longer what it had. */
  onMoved(): void;
}

export interface RedisShard extends AsyncDisposable {
  /** What is published here is heard here: both connections work, and on the same server, which takes writes. */
  readonly well: boolean;
  /** What is wrong, for people; empty when well. */
  readonly ailment: string;
  /** Bytes of commands that the server has not answered. */
  readonly pendingBytes: number;
  /** Rejects with `BusDown` at once while nothing can be published, and within 1.8 s in any case. */
  send(...commands: readonly RedisCommand[]): Promise<RedisReply[]>;
  /** Keeps the channel, over every interruption, until it is let go. `insist`: refused it connects anew and asks again. */
  keep(channel: string, insist?: boolean): void;
  /** Resolves when the server has heard of it, or cannot be told. */
  letGo(channel: string): Promise<void>;
  /** Takes every channel as interrupted, and asks for it again. */
  listenAgain(): void;
}

const batchSize = 256;
const probeEveryMs = 1000;
const probeWithinMs = 3000;

export function openRedisShard(needs: RedisShardNeeds): RedisShard {
  const { place, login, name, clock, log, meter, sharded } = needs;
  const [subscribe, unsubscribe, publish] = sharded
    ? (["ssubscribe", "sunsubscribe", "spublish"] as const)
    : (["subscribe", "unsubscribe", "publish"] as const);
  const kept = new Set<string>();
  let closed = false;
  let ailment = "Redis has not been reached yet.";
  let well = false;
  /** The connections that a probe has gone through, of each kind. */
  let provenPublisher = 0;
  let provenListener = 0;
  /** Of the listening connection, once every channel stands. */
  let standing = 0;
  let round = 0;
  let heardAtMs = clock.monotonicMs();
  let probeChannel = needs.probe();
  const secret = randomBytes(16).toString("hex");

  const publisher: RedisLink = openRedisLink({
    ...{ place, login, clock, log, meter, name: `${name}-p` },
    onReady: probe,
    onDown: (reason) => assess(reason),
  });
  const listener: RedisLink = openRedisLink({
    ...{ place, login, clock, log, meter, name: `${name}-s` },
    onReady: () => void listen(),
    onDown(reason) {
      interrupt();
      assess(reason);
    },
    onMessage(channel, message) {
      if (channel === probeChannel) echo(message);
      else needs.onMessage(channel, message);
    },
    onMoved: () => needs.onMoved(),
  });

  function assess(reason: string): void {
    if (closed) return;
    const whole = publisher.ready && listener.ready && standing === listener.generation;
    const proven = provenPublisher === publisher.generation && provenListener === listener.generation;
    const now = whole && proven;
    if (now === well && reason === ailment) return;
    if (now) {
      publisher.settle();
      listener.settle();
    }
    well = now;
    ailment = now ? "" : reason;
    needs.onChange();
  }

  function interrupt(): void {
    standing = 0;
    needs.onInterrupted();
  }

  function dropBoth(reason: string, cause: ReconnectCause): void {
    publisher.drop(reason, cause);
    listener.drop(reason, cause);
  }

  /** Asks for every channel, a batch after the other; stands when all of them do. */
  async function listen(): Promise<void> {
    const mine = ++round;
    const current = () => !closed && mine === round && listener.ready;
    probeChannel = needs.probe();
    try {
      for (const batch of batchesOf([probeChannel, ...kept], sharded)) {
        const replies = await listener.send(...batch.map((names) => [subscribe, ...names] as RedisCommand));
        const refused = replies.find((reply) => reply instanceof Error);
        if (refused !== undefined) throw refused;
        if (!current()) return;
        for (const channel of batch.flat()) stands(channel);
      }
    } catch (error) {
      if (!current()) return;
      if ((error as Error).message.startsWith("MOVED")) needs.onMoved();
      listener.drop(refusal(error), "subscribe");
      return;
    }
    standing = listener.generation;
    heardAtMs = clock.monotonicMs();
    probe();
  }

  function stands(channel: string): void {
    if (kept.has(channel)) needs.onStanding(channel);
    else if (channel !== probeChannel) listener.send([unsubscribe, channel]).catch(() => {});
  }

  function keep(channel: string, insist = false): void {
    kept.add(channel);
    if (!listener.ready) return;
    const mine = listener.generation;
    listener.send([subscribe, channel]).then(
      ([reply]) => {
        if (closed || mine !== listener.generation || !listener.ready) return;
        if (!(reply instanceof Error)) stands(channel);
        else if (reply.message.startsWith("MOVED")) needs.onMoved();
        else if (insist) listener.drop(refusal(reply), "subscribe");
        else {
          kept.delete(channel);
          needs.onRefused(channel, refusal(reply));
        }
      },
      () => {
        // The connection ended, and the next one asks for all channels; or it hangs, and the watchdog ends it.
      },
    );
  }

  async function letGo(channel: string): Promise<void> {
    if (!kept.delete(channel) || !listener.ready) return;
    await listener.send([unsubscribe, channel]).catch(() => {});
  }

  /** A write that changes nothing, so that a replica shows itself, and a message to ourselves. */
  function probe(): void {
    if (closed || !publisher.ready || standing === 0 || standing !== listener.generation) return;
    const of = { publisher: publisher.generation, listener: listener.generation };
    const sent: RedisCommand[] = [
      ["pexpire", probeChannel, 1000],
      [publish, probeChannel, `${of.publisher} ${of.listener} ${secret}`],
    ];
    publisher.send(...sent).then(
      (replies) => {
        if (closed || of.publisher !== publisher.generation) return;
        const errors = replies.filter((reply) => reply instanceof Error).map(({ message }) => message);
        const said = (word: RegExp) => errors.find((message) => word.test(message));
        if (said(/^READONLY/) !== undefined) dropBoth("This Redis is a replica now.", "read-only");
        else if (said(/^MOVED/) !== undefined) needs.onMoved();
        else {
          const why = said(/^(LOADING|CLUSTERDOWN|MASTERDOWN|NOAUTH)/) ?? said(/^NOPERM.*channel/);
          if (why === undefined) return;
          provenPublisher = 0;
          assess(sentence(`Redis does not serve: ${why}`));
        }
      },
      () => {},
    );
  }

  function echo(message: Uint8Array): void {
    const [ofPublisher, ofListener, word] = Buffer.from(message).toString("latin1").split(" ");
    if (word !== secret) return;
    heardAtMs = clock.monotonicMs();
    provenPublisher = Number(ofPublisher);
    provenListener = Number(ofListener);
    assess(ailment);
  }

  let tickedAtMs = clock.monotonicMs();
  const prober = clock.every(probeEveryMs, () => {
    const nowMs = clock.monotonicMs();
    // This process itself stood still: what has come meanwhile is not read yet.
    if (nowMs - tickedAtMs > 2 * probeEveryMs) heardAtMs = nowMs;
    tickedAtMs = nowMs;
    if (!publisher.ready || standing !== listener.generation) heardAtMs = nowMs;
    else if (nowMs - heardAtMs > probeWithinMs) {
      heardAtMs = nowMs;
      log.warn({ redis: name }, "what this node publishes does not come back to it: connecting anew");
      dropBoth("What is published does not come back.", "probe");
    }
    probe();
  });

  return {
    get well() {
      return well;
    },
    get ailment() {
      return ailment;
    },
    get pendingBytes() {
      return publisher.pendingBytes;
    },
    async send(...commands) {
      if (provenPublisher !== publisher.generation) throw new BusDown(ailment);
      const replies = await publisher.send(...commands);
      if (replies.some((reply) => reply instanceof Error && reply.message.startsWith("READONLY")))
        dropBoth("This Redis is a replica now.", "read-only");
      return replies;
    },
    ...{ keep, letGo },
    listenAgain() {
      if (!listener.ready) return;
      interrupt();
      void listen();
    },
    async [Symbol.asyncDispose]() {
      closed = true;
      prober[Symbol.dispose]();
      await Promise.all([publisher, listener].map((link) => link[Symbol.asyncDispose]()));
    },
  };
}

function refusal(error: unknown): string {
  return sentence(`Redis does not let this node listen: ${(error as Error).message}`);
}

/** What is asked for in one go: at most 256 names, in one command, or with slots in one command for each slot. */
function batchesOf(channels: readonly string[], sharded: boolean): string[][][] {
  const batches: string[][][] = [];
  for (let at = 0; at < channels.length; at += batchSize) {
    const some = channels.slice(at, at + batchSize);
    const bySlot = Map.groupBy(some, (channel) => (sharded ? slotOf(channel) : 0));
    batches.push([...bySlot.values()]);
  }
  return batches;
}
