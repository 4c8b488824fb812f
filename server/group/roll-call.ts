/** Which nodes are there, by the signs that they leave in the set of nodes: without a message to any of them. */
import type { Clock } from "../flow/clock.ts";
import type { GroupBus } from "./bus.ts";
import { isNodeId, type Names, type NodeId } from "./names.ts";

export interface RollCall {
  /** Nodes that left a sign within the time of a lease, as of the last call; without this one. */
  readonly others: readonly NodeId[];
  /** Rejects with `BusDown`. */
  call(): Promise<void>;
}

/** A sign is that an entry has changed, by this node's own clock: what time it names, only its writer's clock knows. */
export function createRollCall(needs: {
  readonly bus: GroupBus;
  readonly names: Names;
  readonly self: NodeId;
  readonly clock: Clock;
  readonly leaseMs: number;
}): RollCall {
  const { bus, names, self, clock, leaseMs } = needs;
  let seen = new Map<NodeId, { readonly sign: number; readonly atMs: number }>();
  let others: readonly NodeId[] = [];
  return {
    get others() {
      return others;
    },
    async call() {
      const nowMs = clock.monotonicMs();
      const found = await bus.records.remembered(names.nodes);
      const next: typeof seen = new Map();
      for (const [id, sign] of found) {
        if (!isNodeId(id) || id === self) continue;
        const before = seen.get(id);
        next.set(id, before?.sign === sign ? before : { sign, atMs: nowMs });
      }
      seen = next;
      others = [...seen].filter(([, { atMs }]) => nowMs - atMs < leaseMs).map(([id]) => id);
    },
  };
}
