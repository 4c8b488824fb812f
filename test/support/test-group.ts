/** Several bastions of one process in a group: a bus in memory, one key, shortened times. */
import { randomBytes } from "node:crypto";
import { systemClock } from "../../server/flow/clock.ts";
import type { GroupBus } from "../../server/group/bus.ts";
import { createMemoryHub, type MemoryHub } from "../../server/group/memory-bus.ts";
import type { Timing } from "../../server/group/timing.ts";
import { openTestBastion, type TestBastion, type TestBastionOptions } from "./test-bastion.ts";

export interface TestGroup {
  readonly hub: MemoryHub;
  readonly keys: readonly Buffer[];
  /** A node with this name; `bus` takes the place of one on the hub. */
  open(node: string, options?: TestBastionOptions & { readonly bus?: GroupBus }): Promise<TestBastion>;
}

export function createTestGroup(timing: Partial<Timing> = {}, clock = systemClock): TestGroup {
  const hub = createMemoryHub(clock);
  const keys = [randomBytes(32)];
  return {
    ...{ hub, keys },
    open: (node, { bus = hub.openBus(), config, ...options } = {}) =>
      openTestBastion({ clock, ...options, config: { ...config, node }, join: { bus, keys, timing } }),
  };
}
