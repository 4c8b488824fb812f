import { openCluster } from "../support/redis.ts";
import { redisBuses } from "../support/redis-buses.ts";
import { busContract } from "./bus-contract.ts";
import { interruptedBus } from "./bus-interruptions.ts";

async function open() {
  const cluster = await openCluster();
  return redisBuses({ cluster: { nodes: cluster.nodes.slice(0, 2) } }, cluster.masters, cluster);
}

busContract("a cluster", open);
interruptedBus("a cluster", open);
