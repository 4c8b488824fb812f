import { openSentinels } from "../support/redis.ts";
import { redisBuses } from "../support/redis-buses.ts";
import { busContract } from "./bus-contract.ts";
import { interruptedBus } from "./bus-interruptions.ts";

async function open() {
  const sentinels = await openSentinels();
  return redisBuses({ sentinels: sentinels.config }, sentinels.pair, sentinels);
}

busContract("sentinels", open);
interruptedBus("sentinels", open);
