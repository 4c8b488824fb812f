/** The records of a group as hashes, strings and a sorted set of Redis. Which server has them is not its matter. */
import { sentence } from "../flow/sentence.ts";
import { BusDown, type GroupRecords, maxMessageBytes } from "./bus.ts";
import type { RedisCommand, RedisReply } from "./redis-client.ts";

/** `run`: sends the commands to where `name` is, and rejects with `BusDown` when it cannot. */
export function createRedisRecords(
  run: (name: string, commands: readonly RedisCommand[]) => Promise<RedisReply[]>,
  publish: "publish" | "spublish",
): GroupRecords {
  async function one(name: string, command: RedisCommand): Promise<RedisReply> {
    const [reply] = await run(name, [command]);
    return accepted(reply ?? null);
  }

  /** One after the other, without a promise that nothing comes between. */
  async function each(name: string, commands: readonly RedisCommand[]): Promise<RedisReply[]> {
    return (await run(name, commands)).map(accepted);
  }

  /** All of it or nothing. */
  async function together(name: string, commands: readonly RedisCommand[]): Promise<RedisReply[]> {
    const replies = await run(name, [["multi"], ...commands, ["exec"]]);
    const refused = replies.find((reply) => reply instanceof Error);
    if (refused !== undefined) accepted(refused);
    const done = replies.at(-1);
    if (!Array.isArray(done)) throw new BusDown("Redis has not done it.");
    return done.map(accepted);
  }

  return {
    async change(record, { replace, set, remove = [], lifeMs, publish: message }) {
      if (message !== undefined) fits(message.message);
      const commands: RedisCommand[] = [
        ...(replace === true ? [["del", record] as const] : []),
        ...chunks(remove).map((names) => ["hdel", record, ...names] as const),
        ...chunks([...(set ?? [])]).map((fields) => ["hset", record, ...fields.flat()] as const),
        ["pexpire", record, Math.ceil(lifeMs)],
        ...(message === undefined ? [] : [[publish, message.channel, message.message] as const]),
      ];
      // Without memory a server refuses a transaction whole, also one that only takes away: one by one it does these.
      const replies = set === undefined ? await each(record, commands) : await together(record, commands);
      return message === undefined ? 0 : Number(replies.at(-1));
    },
    async renew(record, lifeMs, field) {
      // No transaction: a server without memory takes none, and a lease must go on then.
      const replies = await each(record, [
        ["hget", record, field],
        ["pexpire", record, Math.ceil(lifeMs)],
      ]);
      return bytes(replies[0]);
    },
    field: async (record, field) => bytes(await one(record, ["hget", record, field])),
    async fields(record) {
      // The client library makes an object of this one reply.
      const reply = (await one(record, ["hgetall", record])) as unknown as Record<string, Buffer>;
      return new Map(Object.entries(reply).map(([field, value]) => [field, Uint8Array.from(value)]));
    },
    async put(key, value, lifeMs, onlyNew = false) {
      const command = ["set", key, value, "px", Math.ceil(lifeMs), ...(onlyNew ? ["nx"] : [])] as const;
      return (await one(key, command)) !== null;
    },
    get: async (key) => bytes(await one(key, ["get", key])),
    async remove(key) {
      await one(key, ["del", key]);
    },
    async remember(set, member, atMs) {
      await one(set, ["zadd", set, atMs, member]);
    },
    async remembered(set) {
      const flat = flattened(await one(set, ["zrange", set, 0, -1, "withscores"]));
      const found = new Map<string, number>();
      for (let at = 0; at + 1 < flat.length; at += 2) found.set(String(flat[at]), Number(String(flat[at + 1])));
      return found;
    },
    async forget(set, member) {
      await one(set, ["zrem", set, member]);
    },
  };
}

/** Throws the server's refusal as `BusDown`: out of memory, read-only, not allowed. */
export function accepted(reply: RedisReply): RedisReply {
  if (reply instanceof Error) throw new BusDown(sentence(`Redis refuses: ${reply.message}`));
  return reply;
}

/** Throws `RangeError` for what is too long for a channel. */
export function fits(message: Uint8Array): void {
  if (message.length > maxMessageBytes) throw new RangeError(`a message of ${message.length} bytes`);
}

function bytes(reply: RedisReply | undefined): Uint8Array | undefined {
  // A copy: the reply is a piece of all that came with it.
  if (reply instanceof Uint8Array) return Uint8Array.from(reply);
  return typeof reply === "string" ? Buffer.from(reply) : undefined;
}

function flattened(reply: RedisReply): RedisReply[] {
  return Array.isArray(reply) ? (reply.flat() as RedisReply[]) : [];
}

/** So that no command holds the server up for long. */
function chunks<Item>(items: readonly Item[]): Item[][] {
  const size = 500;
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  );
}
