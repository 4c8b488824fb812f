/** A real Redis and a few node processes, and calls to them: what the bench of groups stands on. */
import { type ChildProcess, fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { openRedis, type RedisServer } from "../support/redis.ts";
import type { NodeCalls, NodeSetup } from "./groups-node.ts";

/** As `NodeCalls`, asked from outside. */
export type BenchNode = {
  readonly [Name in keyof NodeCalls]: (...args: Parameters<NodeCalls[Name]>) => Promise<ReturnType<NodeCalls[Name]>>;
};

export interface GroupsRig extends AsyncDisposable {
  readonly redis: RedisServer;
  readonly nodes: readonly BenchNode[];
  /** How often Redis has carried out a command, since it started. */
  commands(name: string): Promise<number>;
  /** Of Redis, s. */
  redisCpu(): Promise<number>;
}

export async function openGroupsRig(count: number): Promise<GroupsRig> {
  await using opening = new AsyncDisposableStack();
  const redis = opening.use(await openRedis());
  const key = randomBytes(32);
  const nodes: BenchNode[] = [];
  for (let index = 1; index <= count; index += 1) {
    const child = opening.adopt(
      fork(new URL("./groups-node.ts", import.meta.url), [], { serialization: "advanced", execArgv: ["--expose-gc"] }),
      stopped,
    );
    child.send({ name: `web${index}`, redisUrl: redis.url, key } satisfies NodeSetup);
    nodes.push(await connected(child));
  }
  const held = opening.move();
  return {
    ...{ redis, nodes },
    async commands(name) {
      const stats = await redis.cli("info", "commandstats");
      return Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
    },
    async redisCpu() {
      const stats = await redis.cli("info", "cpu");
      const of = (name: string) => Number(new RegExp(`${name}:([\\d.]+)`).exec(stats)?.[1] ?? 0);
      return of("used_cpu_user") + of("used_cpu_sys");
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

async function stopped(child: ChildProcess): Promise<void> {
  const exited = child.exitCode === null ? once(child, "exit") : undefined;
  if (child.connected) child.disconnect();
  await exited;
}

async function connected(child: ChildProcess): Promise<BenchNode> {
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  await once(child, "message");
  child.on("message", ({ id, value, error }: { id: number; value?: unknown; error?: string }) => {
    const asked = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) asked?.resolve(value);
    else asked?.reject(new Error(error));
  });
  child.once("exit", () => {
    for (const asked of waiting.values()) asked.reject(new Error("a node process ended"));
  });
  let last = 0;
  const call = (name: string, args: unknown[]) => {
    const asked = Promise.withResolvers<unknown>();
    waiting.set(++last, asked);
    child.send({ id: last, name, args });
    return asked.promise;
  };
  return new Proxy({} as BenchNode, {
    get: (_node, name) => (name === "then" ? undefined : (...args: unknown[]) => call(String(name), args)),
  });
}
