/** The bus over Redis: one server, the master that sentinels name, or a cluster. Copies and orders; never waits for it. */
import type { RedisConfig } from "../config-group.ts";
import { endpointOf } from "../config-group.ts";
import { BartizanFault } from "../errors.ts";
import type { Clock } from "../flow/clock.ts";
import type { Log } from "../log.ts";
import { BusDown, type BusState, type GroupBus, type Listener } from "./bus.ts";
import type { GroupMeter } from "./meter.ts";
import { redisAdvice } from "./redis-advice.ts";
import { openChannels } from "./redis-channels.ts";
import { checkRedis, createOpenCheck, type RedisCheckNeeds } from "./redis-checks.ts";
import type { RedisCommand, RedisLogin, RedisReply } from "./redis-client.ts";
import { openRedisCluster, type RedisClusterNeeds, type RedisFleet } from "./redis-cluster.ts";
import { redisLogin, redisPlace } from "./redis-login.ts";
import { accepted, createRedisRecords, fits } from "./redis-records.ts";
import { openRedisShard, type RedisShard } from "./redis-shard.ts";

export interface RedisBusNeeds {
  readonly config: RedisConfig;
  /** How this run of the node is called on the server; no other bus has the same. */
  readonly name: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly meter: GroupMeter;
  /** Which addresses are of this machine; for tests. */
  readonly isLocal?: RedisCheckNeeds["isLocal"];
}

export interface RedisBus extends GroupBus {
  /** Empty until the Redis was reached. */
  readonly warnings: readonly string[];
}

const maxPendingBytes = 1024 * 1024;
/** A connection that ends and stands again within this time is no change of state. */
const blinkMs = 300;
const joinWithinMs = 2000;
const mostLogged = 20;
/** What could not be looked at is looked at again after this. */
const checkAgainMs = 2000;

/**
 * Resolves when the bus is up, or after 2 s: then it is down, and joins by itself. Throws `config` when a file of the
 * config cannot be read, and when the Redis is one that must not be used; found out later, that leaves the bus down.
 */
export async function openRedisBus(needs: RedisBusNeeds): Promise<RedisBus> {
  const { config, clock, log, meter } = needs;
  const sharded = config.cluster !== undefined;
  const listeners = new Set<(state: BusState) => void>();
  let state: BusState = { up: false, sinceMs: clock.monotonicMs(), reason: "Redis has not been reached yet." };
  let ending: Disposable | undefined;
  let recheck: Disposable | undefined;
  let checking = false;
  let isChecked = false;
  let mapped: () => void = () => {};
  // Read once: what is looked up later must not depend on a file of that moment.
  const login = redisLogin(config);
  let closed = false;
  let warnings: readonly string[] = [];
  /** Why the bus is down, as the log has it already. */
  const logged = new Set<string>();
  meter.bus(false);

  const channels = openChannels({ clock, log, shardOf: (name) => fleet.shardOf(name) });
  const fleet = openFleet(
    needs,
    login,
    (shard) => ({
      onMessage: channels.message,
      onStanding: channels.standing,
      onInterrupted: () => channels.interrupted(shard()),
      onRefused: channels.refused,
      onChange: assess,
    }),
    () => {
      channels.mapped();
      mapped();
    },
  );

  function ailment(): string {
    const ill = [...fleet.shards].find((shard) => !shard.well);
    return ill?.ailment ?? fleet.ailment;
  }

  function assess(): void {
    if (closed) return;
    const reason = ailment();
    if (reason === "") {
      ending?.[Symbol.dispose]();
      ending = undefined;
      if (!state.up) become({ up: true, sinceMs: clock.monotonicMs() });
    } else if (!state.up) {
      if (state.reason !== reason) become({ ...state, reason });
    } else
      ending ??= clock.after(blinkMs, () => {
        ending = undefined;
        const still = ailment();
        if (still !== "") become({ up: false, sinceMs: clock.monotonicMs(), reason: still });
      });
  }

  function become(next: BusState): void {
    state = next.up ? next : { ...next, advice: redisAdvice(next.reason) };
    meter.bus(next.up);
    logState();
    for (const listener of [...listeners]) listener(state);
  }

  /** Each reason once while the bus is down: between two attempts there may be several, in turns. */
  function logState(): void {
    if (state.up) {
      logged.clear();
      log.info({ redis: needs.name }, "the bus is up");
    } else if (!logged.has(state.reason) && logged.size < mostLogged) {
      const { reason, advice = redisAdvice(reason) } = state;
      logged.add(reason);
      log.warn({ redis: needs.name, reason, advice }, "the bus is down");
    }
  }

  function shardFor(name: string): RedisShard {
    if (closed) throw new BusDown("This bus is closed.");
    const shard = fleet.shardOf(name);
    if (shard === undefined) throw new BusDown(fleet.ailment || "No node of the Redis cluster has this.");
    return shard;
  }

  /** In a cluster one that has moved is tried once more where it is now; `change` and the like bear being done twice. */
  async function run(name: string, commands: readonly RedisCommand[]): Promise<RedisReply[]> {
    const replies = await shardFor(name).send(...commands);
    if (!moved(replies)) return replies;
    await fleet.refresh();
    return await shardFor(name).send(...commands);
  }

  const publish = sharded ? "spublish" : "publish";
  const bus: RedisBus = {
    get warnings() {
      return warnings;
    },
    kind: sharded ? "redis-cluster" : config.sentinels === undefined ? "redis" : "redis-sentinel",
    get state() {
      return state;
    },
    onState(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
    async publish(channel, message) {
      fits(message);
      const shard = shardFor(channel);
      if (shard.pendingBytes + message.length > maxPendingBytes) throw new BusDown("Too much is under way to Redis.");
      const replies = await shard.send([publish, channel, message]);
      // Not tried again: a later message may have gone the new way already.
      if (moved(replies)) void fleet.refresh();
      return Number(accepted(replies[0] ?? null));
    },
    async subscribe(channel: string, listener: Listener) {
      if (closed) throw new BusDown("This bus is closed.");
      return await channels.subscribe(channel, listener);
    },
    records: createRedisRecords(run, publish),
    async [Symbol.asyncDispose]() {
      if (closed) return;
      closed = true;
      ending?.[Symbol.dispose]();
      recheck?.[Symbol.dispose]();
      listeners.clear();
      channels[Symbol.dispose]();
      await fleet[Symbol.asyncDispose]();
    },
  };

  const checkNeeds: RedisCheckNeeds = {
    ...{ config, login, name: needs.name, clock, log, isLocal: needs.isLocal },
    places: () => fleet.places,
    send: run,
  };
  const refuseOpen = createOpenCheck(checkNeeds);

  async function check(): Promise<void> {
    await refuseOpen();
    if (isChecked) return;
    warnings = await checkRedis(checkNeeds);
    isChecked = true;
    for (const warning of warnings) log.warn({ redis: needs.name }, warning);
  }

  /** Whenever it is reached, and when others are master: who they are and what they do may have changed. Never rejects. */
  function checkAgain(): void {
    if (closed || !state.up || checking) return;
    checking = true;
    check()
      .catch((error: Error) => {
        if (closed) return;
        if (!(error instanceof BartizanFault)) {
          recheck?.[Symbol.dispose]();
          recheck = clock.after(checkAgainMs, checkAgain);
          return;
        }
        log.error({ redis: needs.name }, `${error.message} ${error.hint}`);
        become({ up: false, sinceMs: clock.monotonicMs(), reason: error.message });
        void bus[Symbol.asyncDispose]();
      })
      .finally(() => {
        checking = false;
      });
  }

  await upWithin(bus, clock, joinWithinMs);
  if (!state.up) logState();
  try {
    if (state.up) await check();
  } catch (error) {
    if (error instanceof BartizanFault) {
      await bus[Symbol.asyncDispose]();
      throw error;
    }
    recheck = clock.after(checkAgainMs, checkAgain);
  }
  bus.onState(checkAgain);
  mapped = checkAgain;
  return bus;
}

function upWithin(bus: GroupBus, clock: Clock, ms: number): Promise<void> {
  return new Promise<void>((resolve) => {
    const limit = clock.after(ms, done);
    const watching = bus.onState(({ up }) => {
      if (up) done();
    });
    if (bus.state.up) done();
    function done(): void {
      limit[Symbol.dispose]();
      watching[Symbol.dispose]();
      resolve();
    }
  });
}

function moved(replies: readonly RedisReply[]): boolean {
  return replies.some((reply) => reply instanceof Error && /^(MOVED|ASK|TRYAGAIN)\b/.test(reply.message));
}

function openFleet(
  needs: RedisBusNeeds,
  login: RedisLogin,
  events: RedisClusterNeeds["events"],
  onMapped: () => void,
): RedisFleet {
  const { config, name, clock, log, meter } = needs;
  const { cluster, prefix } = config;
  if (cluster !== undefined)
    return openRedisCluster({
      ...{ nodes: cluster.nodes.map(endpointOf), login, name, prefix, clock, log, meter, events, onMapped },
    });
  const place = redisPlace(config);
  const shard: RedisShard = openRedisShard({
    ...{ place, login, name, sharded: false, clock, log, meter },
    ...events(() => shard),
    probe: () => `${prefix}:{p.${name}}:p`,
    onMoved: () => {},
  });
  return {
    shardOf: () => shard,
    shards: [shard],
    places: [place],
    ailment: "",
    refresh: async () => {},
    [Symbol.asyncDispose]: () => shard[Symbol.asyncDispose](),
  };
}
