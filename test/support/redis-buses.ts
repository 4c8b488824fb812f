/** Buses over the real Redis servers of a test, and what is done to all those servers at once. */
import type { RedisConfig } from "../../server/config-group.ts";
import { systemClock } from "../../server/flow/clock.ts";
import { createGroupMeter, type GroupMeter } from "../../server/group/meter.ts";
import { openRedisBus, type RedisBus, type RedisBusNeeds } from "../../server/group/redis-bus.ts";
import { createLog } from "../../server/log.ts";
import type { RedisServer } from "./redis.ts";

export interface RedisBuses extends AsyncDisposable {
  readonly servers: readonly RedisServer[];
  openBus(meter?: GroupMeter, more?: Partial<RedisBusNeeds>): Promise<RedisBus>;
  connections(): Promise<number>;
  /** Ends connections of buses, of one kind (p: those that publish, s: those that listen) or all. */
  cut(kind?: "p" | "s"): Promise<void>;
}

let opened = 0;

/** `rest` is disposed of with it: the servers. */
export function redisBuses(
  config: Omit<RedisConfig, "prefix">,
  servers: readonly RedisServer[],
  rest: AsyncDisposable,
): RedisBuses {
  const clients = async (server: RedisServer) =>
    (await server.cli("client", "list"))
      .split("\n")
      .map((line) => ({ id: /\bid=(\d+)/.exec(line)?.[1] ?? "", name: /\bname=(\S+)/.exec(line)?.[1] ?? "" }))
      .filter(({ name }) => name.startsWith("bus"));
  return {
    servers,
    openBus(meter = createGroupMeter(systemClock), more = {}) {
      opened += 1;
      const log = createLog(process.env.BARTIZAN_TEST_LOG === undefined ? "silent" : "debug");
      return openRedisBus({
        ...{ config: { ...config, prefix: "bz" }, name: `bus${opened}`, clock: systemClock, log, meter },
        ...more,
      });
    },
    async connections() {
      return (await Promise.all(servers.map(clients))).flat().length;
    },
    async cut(kind) {
      await Promise.all(
        servers.map(async (server) => {
          const chosen = (await clients(server)).filter(({ name }) => kind === undefined || name.endsWith(`-${kind}`));
          for (const { id } of chosen) await server.cli("client", "kill", "id", id).catch(() => {});
        }),
      );
    },
    [Symbol.asyncDispose]: () => rest[Symbol.asyncDispose](),
  };
}
