/** What is asked of a Redis once it is reached: whether it lets anybody in, and what about it will make trouble later. */
import { isLoopbackHost, type RedisConfig } from "../config-group.ts";
import { BartizanFault } from "../errors.ts";
import type { Clock } from "../flow/clock.ts";
import type { Log } from "../log.ts";
import { createGroupMeter } from "./meter.ts";
import { openRedisLink, type RedisCommand, type RedisReply } from "./redis-client.ts";
import { nobody, redisLogin, redisPlace } from "./redis-login.ts";

export interface RedisCheckNeeds {
  readonly config: RedisConfig;
  readonly name: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Sends to where `of` is kept; rejects with `BusDown`. */
  send(of: string, commands: readonly RedisCommand[]): Promise<RedisReply[]>;
  /** Whether an address is of this machine; for tests. */
  readonly isLocal?: ((address: string) => boolean) | undefined;
}

const answerWithinMs = 2000;
const mib = 1024 * 1024;

/**
 * Resolves with warnings, each a sentence and what to do. Throws `config` for a Redis on another machine that lets
 * anybody in, and for one that is too old for what the config wants. What it may not ask it does not tell.
 */
export async function checkRedis(needs: RedisCheckNeeds): Promise<string[]> {
  const { config, send } = needs;
  const record = `${config.prefix}:{p.${needs.name}}:c`;
  await refuseOpen(needs, record);
  const [info, limits] = await send(record, [["info"], ["config", "get", "client-output-buffer-limit"]]);
  return [
    ...aboutVersion(infoField(info, "redis_version"), config),
    ...aboutMemory(infoField(info, "maxmemory_policy")),
    ...aboutBuffers(limits),
    ...(await aboutPermissions(record, send)),
  ];
}

/** Tries as somebody without a password and without a certificate. */
async function refuseOpen({ config, name, clock, log, isLocal = isLocalAddress }: RedisCheckNeeds, record: string) {
  const done = Promise.withResolvers<void>();
  await using link = openRedisLink({
    ...{ place: redisPlace(config), login: nobody(redisLogin(config)), name: `${name}-x`, clock, log },
    meter: createGroupMeter(clock),
    onReady: done.resolve,
    onDown: () => done.resolve(),
  });
  using _limit = clock.after(answerWithinMs, done.resolve);
  await done.promise;
  if (!link.ready || isLocal(link.peer)) return;
  const at = link.peer;
  const replies = await link.send(["get", record], ["publish", record, ""]).catch(() => []);
  if (replies.length === 0 || replies.every((reply) => reply instanceof Error && !/^(MOVED|ASK)/.test(reply.message)))
    return;
  throw new BartizanFault(
    "config",
    `The Redis at ${at} lets anybody in: it asks for neither a password nor a client certificate.`,
    "Give it an ACL user or `requirepass`, switch the default user off, and name the user in `redis`.",
  );
}

function aboutVersion(version: string, { cluster }: RedisConfig): string[] {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (version === "") return [];
  if (cluster !== undefined && major < 7)
    throw new BartizanFault(
      "config",
      `This Redis Cluster has version ${version}, without sharded channels.`,
      "A cluster needs Redis 7 or later; with an older one use a single server or sentinels.",
    );
  if (major > 6 || (major === 6 && minor >= 2)) return [];
  return [`Redis ${version} is older than what this server is tried with. Use 6.2 or later, better 7.`];
}

function aboutMemory(policy: string): string[] {
  if (policy === "" || policy === "noeviction") return [];
  return [
    `Redis throws records away when its memory is full (maxmemory-policy ${policy}), and nodes seem to be gone. ` +
      "Set maxmemory-policy noeviction.",
  ];
}

/** A node that stands still for a moment must not lose its connection by that. */
function aboutBuffers(reply: RedisReply | undefined): string[] {
  const words = Array.isArray(reply) ? String(reply[1]).split(" ") : [];
  const at = words.indexOf("pubsub");
  if (at < 0) return [];
  const [hard = 0, soft = 0] = words.slice(at + 1, at + 3).map(Number);
  const small = (limit: number, least: number) => limit !== 0 && limit < least;
  if (!small(hard, 32 * mib) && !small(soft, 8 * mib)) return [];
  return [
    `Redis cuts a node off that is ${Math.round(Math.min(hard || soft, soft || hard) / 1024)} KiB behind. ` +
      "Set client-output-buffer-limit pubsub 64mb 32mb 10.",
  ];
}

async function aboutPermissions(record: string, send: RedisCheckNeeds["send"]): Promise<string[]> {
  const tried: readonly RedisCommand[] = [
    ["hset", record, "a", "1"],
    ["hget", record, "a"],
    ["hgetall", record],
    ["pexpire", record, 1000],
    ["hdel", record, "a"],
    ["zadd", record, 1, "a"],
    ["zrange", record, 0, -1],
    ["zrem", record, "a"],
    ["set", record, "1", "px", 1000],
    ["get", record],
    ["del", record],
    ["multi"],
    ["exec"],
  ];
  const replies = await send(record, tried);
  const refused = tried.filter((_, index) => {
    const reply = replies[index];
    return reply instanceof Error && reply.message.startsWith("NOPERM");
  });
  if (refused.length === 0) return [];
  return [
    `The Redis user may not run ${refused.map(([name]) => name).join(", ")} on names with this prefix. ` +
      "docs/groups.md has the ACL rule that is needed.",
  ];
}

function infoField(reply: RedisReply | undefined, field: string): string {
  if (!(reply instanceof Uint8Array) && typeof reply !== "string") return "";
  return new RegExp(`^${field}:(\\S*)`, "m").exec(String(reply))?.[1] ?? "";
}

function isLocalAddress(address: string): boolean {
  return isLoopbackHost(address.replace(/^::ffff:/, ""));
}
