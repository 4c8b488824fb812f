import { openRedis } from "../support/redis.ts";
import { redisBuses } from "../support/redis-buses.ts";
import { busContract } from "./bus-contract.ts";
import { interruptedBus } from "./bus-interruptions.ts";

async function open() {
  const server = await openRedis();
  return redisBuses({ url: server.url }, [server], server);
}

busContract("one Redis", open);
interruptedBus("one Redis", open);
