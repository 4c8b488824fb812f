/** Who hears which channel of a Redis bus, over interruptions and moves from one server to another. */
import type { Clock } from "../flow/clock.ts";
import type { Log } from "../log.ts";
import { BusDown, type Listener } from "./bus.ts";
import type { RedisShard } from "./redis-shard.ts";

interface Heard {
  readonly listener: Listener;
  /** His subscription has stood: gaps are told from then on. */
  joined: boolean;
  settle(refusal?: string): void;
}

interface Channel {
  readonly heard: Set<Heard>;
  shard: RedisShard | undefined;
  standing: boolean;
}

export interface Channels extends Disposable {
  /** As `GroupBus.subscribe`. */
  subscribe(channel: string, listener: Listener): Promise<AsyncDisposable>;
  message(channel: string, message: Uint8Array): void;
  /** Nothing of the channel is missed from now on. */
  standing(channel: string): void;
  /** Every channel of the shard is interrupted. */
  interrupted(shard: RedisShard | undefined): void;
  refused(channel: string, reason: string): void;
  /** Channels may belong on other shards now. */
  mapped(): void;
}

const standsWithinMs = 2000;

export function openChannels(needs: {
  readonly clock: Clock;
  readonly log: Log;
  shardOf(channel: string): RedisShard | undefined;
}): Channels {
  const { clock, log, shardOf } = needs;
  const channels = new Map<string, Channel>();

  function opened(name: string): Channel {
    const found = channels.get(name);
    if (found !== undefined) return found;
    const channel: Channel = { heard: new Set(), shard: shardOf(name), standing: false };
    channels.set(name, channel);
    channel.shard?.keep(name);
    return channel;
  }

  /** The last one to leave tells the server. */
  async function leave(name: string, heard: Heard): Promise<void> {
    const channel = channels.get(name);
    if (channel === undefined || !channel.heard.delete(heard) || channel.heard.size > 0) return;
    channels.delete(name);
    await channel.shard?.letGo(name);
  }

  function tell(name: string, call: () => void): void {
    try {
      call();
    } catch (error) {
      // Thrown on, it would end the process: the client library calls from its parser.
      log.error({ channel: name, err: error }, "a listener of the bus threw");
    }
  }

  return {
    subscribe(name, listener) {
      return new Promise((resolve, reject) => {
        const heard: Heard = { listener, joined: false, settle };
        const limit = clock.after(standsWithinMs, () => settle("Redis does not let this node listen: no answer."));
        const channel = opened(name);
        channel.heard.add(heard);
        function settle(refusal?: string): void {
          limit[Symbol.dispose]();
          if (refusal === undefined) {
            heard.joined = true;
            resolve({ [Symbol.asyncDispose]: () => leave(name, heard) });
            return;
          }
          void leave(name, heard);
          reject(new BusDown(refusal));
        }
        if (channel.standing) settle();
      });
    },
    message(name, message) {
      const channel = channels.get(name);
      if (channel === undefined) return;
      for (const heard of [...channel.heard])
        if (channel.heard.has(heard)) tell(name, () => heard.listener.message(message));
    },
    standing(name) {
      const channel = channels.get(name);
      if (channel === undefined || channel.standing) return;
      channel.standing = true;
      for (const heard of [...channel.heard]) {
        if (!heard.joined) heard.settle();
        else if (channel.heard.has(heard)) tell(name, () => heard.listener.missed?.());
      }
    },
    interrupted(shard) {
      for (const channel of channels.values()) if (channel.shard === shard) channel.standing = false;
    },
    refused(name, reason) {
      const channel = channels.get(name);
      if (channel === undefined) return;
      for (const heard of [...channel.heard]) if (!heard.joined) heard.settle(reason);
      // Somebody heard it before: it is asked for until it may be heard again.
      if (channel.heard.size > 0) channel.shard?.keep(name, true);
    },
    mapped() {
      for (const [name, channel] of channels) {
        const shard = shardOf(name);
        if (shard === channel.shard) continue;
        void channel.shard?.letGo(name);
        channel.shard = shard;
        channel.standing = false;
        shard?.keep(
          name,
          [...channel.heard].some(({ joined }) => joined),
        );
      }
    },
    [Symbol.dispose]() {
      for (const { heard } of channels.values())
        for (const each of [...heard]) if (!each.joined) each.settle("This bus is closed.");
      channels.clear();
    },
  };
}
