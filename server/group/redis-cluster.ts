/** The masters of a Redis Cluster, each a shard, and which of them has a slot: looked up each second and at each move. */
import type { Clock } from "../flow/clock.ts";
import type { Log } from "../log.ts";
import type { GroupMeter } from "./meter.ts";
import {
  openRedisLink,
  type RedisAddress,
  type RedisLink,
  type RedisLogin,
  type RedisPlace,
  type RedisReply,
} from "./redis-client.ts";
import { openRedisShard, type RedisShard, type RedisShardNeeds } from "./redis-shard.ts";
import { slotCount, slotOf } from "./redis-slots.ts";

/** Where names are kept. Which shard has a name may change; then `onMapped` is called. */
export interface RedisFleet extends AsyncDisposable {
  /** Undefined: nobody has it at the moment. */
  shardOf(name: string): RedisShard | undefined;
  readonly shards: Iterable<RedisShard>;
  /** The masters of this moment. */
  readonly places: readonly RedisPlace[];
  /** What is wrong with the fleet as a whole; empty: nothing. */
  readonly ailment: string;
  /** Looks again which shard has what; resolves when that is known. */
  refresh(): Promise<void>;
}

export interface RedisClusterNeeds {
  /** Some of its nodes; the others are found. */
  readonly nodes: readonly RedisAddress[];
  readonly login: RedisLogin;
  readonly name: string;
  readonly prefix: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly meter: GroupMeter;
  /** Further needs of a shard; each is told which one it is. */
  readonly events: (
    shard: () => RedisShard | undefined,
  ) => Pick<RedisShardNeeds, "onMessage" | "onStanding" | "onInterrupted" | "onRefused" | "onChange">;
  /** `shardOf` has changed. */
  onMapped(): void;
}

const refreshEveryMs = 1000;

export function openRedisCluster(needs: RedisClusterNeeds): RedisFleet {
  const { nodes, login, name, prefix, clock, log, meter } = needs;
  const shards = new Map<string, RedisShard>();
  /** One link to each node that was named or found: it tells who has what. */
  const scouts = new Map<string, RedisLink>();
  let owners = new Array<string | undefined>(slotCount).fill(undefined);
  let known = "";
  let closed = false;
  let looking: Promise<void> | undefined;
  let lookAgain: Promise<void> | undefined;

  function scout(address: string): void {
    if (closed || scouts.has(address)) return;
    scouts.set(
      address,
      openRedisLink({
        ...{ place: placeOf(address), login, name: `${name}-c`, clock, log, meter: uncounted(meter) },
        onReady: () => void refresh(),
        onDown: () => {},
      }),
    );
  }

  /** Resolves when what is true now has been looked up. */
  function refresh(): Promise<void> {
    if (looking === undefined) {
      looking = look();
      return looking;
    }
    lookAgain ??= looking.then(() => {
      lookAgain = undefined;
      looking = look();
      return looking;
    });
    return lookAgain;
  }

  /** Asks all who answer: one that is cut off from the others still believes what was, with a smaller epoch. */
  async function look(): Promise<void> {
    const answers = await Promise.all(
      [...scouts]
        .filter(([, link]) => link.ready)
        .map(([address, link]) =>
          link.send(["cluster", "nodes"]).then(
            ([reply]) => parseNodes(textOf(reply), address),
            () => [],
          ),
        ),
    );
    looking = undefined;
    const views = answers.flat();
    if (!closed && views.length > 0) adopt(views);
  }

  function adopt(views: readonly NodeView[]): void {
    const said = JSON.stringify(views);
    if (said === known) return;
    known = said;
    const epochs = new Array<number>(slotCount).fill(-1);
    const next = new Array<string | undefined>(slotCount).fill(undefined);
    for (const { address, epoch, slots } of views)
      for (const [from, to] of slots)
        for (let slot = from; slot <= to; slot += 1) {
          if (epoch <= (epochs[slot] ?? -1)) continue;
          epochs[slot] = epoch;
          next[slot] = address;
        }
    for (const { address } of views) scout(address);
    const same = next.every((owner, slot) => owner === owners[slot]);
    owners = next;
    const masters = new Set(owners.filter((owner) => owner !== undefined));
    for (const address of masters) if (!shards.has(address)) shards.set(address, openShard(address));
    if (!same) needs.onMapped();
    for (const [address, shard] of shards) {
      if (masters.has(address)) continue;
      shards.delete(address);
      void shard[Symbol.asyncDispose]();
    }
    for (const [address, link] of scouts) {
      const named = nodes.some((node) => addressOf(node) === address);
      if (named || views.some((view) => view.address === address)) continue;
      scouts.delete(address);
      void link[Symbol.asyncDispose]();
    }
    if (!same) log.info({ redis: name, masters: [...masters] }, "the slots of the cluster are known");
  }

  function openShard(address: string): RedisShard {
    const opened: RedisShard = openRedisShard({
      ...{ place: placeOf(address), login, name, sharded: true, clock, log, meter },
      ...needs.events(() => shards.get(address)),
      probe: () => `${prefix}:${tagIn(owners.indexOf(address))}:p:${name}`,
      onMoved() {
        void refresh().then(() => opened.listenAgain());
      },
    });
    return opened;
  }

  const timer = clock.every(refreshEveryMs, () => void refresh());
  for (const node of nodes) scout(addressOf(node));

  return {
    shardOf: (of) => shards.get(owners[slotOf(of)] ?? ""),
    get shards() {
      return shards.values();
    },
    get places() {
      return Array.from(shards.keys(), placeOf);
    },
    get ailment() {
      if (shards.size === 0) return "No node of the Redis cluster answers.";
      return owners.includes(undefined) ? "The Redis cluster has slots that no node serves." : "";
    },
    refresh,
    async [Symbol.asyncDispose]() {
      closed = true;
      timer[Symbol.dispose]();
      await Promise.all([...shards.values(), ...scouts.values()].map((each) => each[Symbol.asyncDispose]()));
    },
  };
}

interface NodeView {
  readonly address: string;
  readonly epoch: number;
  readonly slots: readonly (readonly [number, number])[];
}

/** The masters in an answer to CLUSTER NODES; `asked` is who gave it, in case it does not know its own address. */
export function parseNodes(text: string, asked: string): NodeView[] {
  return text.split("\n").flatMap((line) => {
    const [, where = "", flags = "", , , , epoch = "0", , ...slots] = line.trim().split(" ");
    if (!flags.split(",").includes("master") || flags.includes("noaddr")) return [];
    const address = (/^(.*?)(@|,|$)/.exec(where)?.[1] ?? "").replace(/^(?=:\d+$)/, asked.replace(/:\d+$/, ""));
    const ranges = slots
      .filter((slot) => /^\d+(-\d+)?$/.test(slot))
      .map((slot) => {
        const [from = 0, to = from] = slot.split("-").map(Number);
        return [from, Math.min(to, slotCount - 1)] as const;
      });
    return [{ address, epoch: Number(epoch), slots: ranges }];
  });
}

/** A hash tag of that slot; one name in 16384 is. */
function tagIn(slot: number): string {
  for (let at = 0; at < 20 * slotCount; at += 1) if (slotOf(`{p${at}}`) === slot) return `{p${at}}`;
  return "{p}";
}

function placeOf(address: string) {
  const at = address.lastIndexOf(":");
  return { kind: "server", host: address.slice(0, at), port: Number(address.slice(at + 1)) } as const;
}

function addressOf({ host, port }: RedisAddress): string {
  return `${host}:${port}`;
}

function textOf(reply: RedisReply | undefined): string {
  return reply instanceof Uint8Array || typeof reply === "string" ? String(reply) : "";
}

/** Links that only look are none of the bus. */
function uncounted(meter: GroupMeter): GroupMeter {
  return { ...meter, reconnected: () => {} };
}
