import { systemClock } from "../../server/flow/clock.ts";
import { createMemoryHub } from "../../server/group/memory-bus.ts";
import { busContract } from "./bus-contract.ts";

busContract("memory", async () => {
  const hub = createMemoryHub(systemClock);
  return {
    openBus: async () => hub.openBus(),
    connections: async () => 0,
    [Symbol.asyncDispose]: async () => {},
  };
});
