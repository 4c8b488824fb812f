/** What is asked of a Redis once it is reached: whether it lets anybody in, and what about it will make trouble later. */
import { isLoopbackHost, type RedisConfig } from "../config-group.ts";
import { BartizanFault } from "../errors.ts";
import type { Clock } from "../flow/clock.ts";
import type { Log } from "../log.ts";
import { BusDown } from "./bus.ts";
import { createGroupMeter } from "./meter.ts";
import { openRedisLink, type RedisCommand, type RedisLogin, type RedisPlace, type RedisReply } from "./redis-client.ts";
import { nobody } from "./redis-login.ts";

export interface RedisCheckNeeds {
  readonly config: RedisConfig;
  readonly name: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Who this node is to them; nothing of it is told to a server that is tried. */
  readonly login: RedisLogin;
  /** The masters of this moment. */
  readonly places: () => readonly RedisPlace[];
  /** Sends to where `of` is kept; rejects with `BusDown`. */
  send(of: string, commands: readonly RedisCommand[]): Promise<RedisReply[]>;
  /** Whether an address is of this machine; for tests. */
  readonly isLocal?: ((address: string) => boolean) | undefined;
}

const answerWithinMs = 2000;
const noAnswer = "It does not answer.";
/** Reasons that say nothing of what it does with strangers. */
const unreached = /does not answer|ETIMEDOUT|ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|sentinel/i;
const mib = 1024 * 1024;

/**
 * Resolves with warnings, each a sentence and what to do. Throws `config` for a Redis that is too old for what the config
 * wants. What it may not ask it does not tell.
 */
export async function checkRedis({ config, name, send }: RedisCheckNeeds): Promise<string[]> {
  const record = recordOf(config, name);
  const [info, limits] = await send(record, [["info"], ["config", "get", "client-output-buffer-limit"]]);
  return [
    ...aboutVersion(infoField(info, "redis_version"), config),
    ...aboutMemory(infoField(info, "maxmemory_policy")),
    ...aboutBuffers(limits),
    ...(await aboutPermissions(record, send)),
  ];
}

/**
 * Tries each master as somebody without a password and without a certificate. Called again it tries those that are new, and
 * the one that sentinels name. Throws `config` for one on another machine that lets anybody in, `BusDown` while one of them
 * cannot be tried.
 */
export function createOpenCheck(needs: RedisCheckNeeds): () => Promise<void> {
  const tried = new Set<string>();
  return async () => {
    for (const place of needs.places()) {
      const key = place.kind === "server" ? `${place.host} ${place.port}` : undefined;
      if (key !== undefined && tried.has(key)) continue;
      await refuseOpen(needs, place);
      if (key !== undefined) tried.add(key);
    }
  };
}

const recordOf = ({ prefix }: RedisConfig, name: string) => `${prefix}:{p.${name}}:c`;

async function refuseOpen(needs: RedisCheckNeeds, place: RedisPlace): Promise<void> {
  const { config, name, login, clock, log, isLocal = isLocalAddress } = needs;
  const record = recordOf(config, name);
  const done = Promise.withResolvers<string>();
  await using link = openRedisLink({
    ...{ place, login: nobody(login), name: `${name}-x`, clock, log },
    meter: createGroupMeter(clock),
    onReady: () => done.resolve(""),
    onDown: done.resolve,
  });
  using _limit = clock.after(answerWithinMs, () => done.resolve(noAnswer));
  const reason = await done.promise;
  if (!link.ready) {
    // Without a certificate it is not even let in to be told so.
    if (login.tls !== undefined && !unreached.test(reason)) return;
    throw new BusDown(`Whether this Redis lets anybody in is not known: ${reason}`);
  }
  if (isLocal(link.peer)) return;
  const at = link.peer;
  const replies = await link.send(["get", record], ["publish", record, ""]);
  if (replies.every((reply) => reply instanceof Error && !/^(MOVED|ASK)/.test(reply.message))) return;
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
