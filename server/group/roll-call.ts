/**
 * Which nodes are there, by the signs that they leave in the set of nodes: without a message to any of them. Anybody who
 * reaches the Redis can write there, so a name counts only once the record that goes with it was opened.
 */
import type { Clock } from "../flow/clock.ts";
import { BusDown, type GroupBus } from "./bus.ts";
import type { DeadMarkers } from "./dead-markers.ts";
import type { ListReader } from "./list-reader.ts";
import { isNodeId, type Names, type NodeId } from "./names.ts";
import type { Timing } from "./timing.ts";

export interface RollCall {
  /** Nodes that are believed and left a sign within the time of a lease, as of the last call; without this one. */
  readonly others: readonly NodeId[];
  /** Nodes that were believed once and are not known to be over, silent ones as well; without this one. */
  readonly known: readonly NodeId[];
  /** Rejects with `BusDown`. */
  call(): Promise<void>;
}

export interface RollCallNeeds {
  readonly bus: GroupBus;
  readonly names: Names;
  readonly reader: ListReader;
  readonly dead: DeadMarkers;
  readonly self: NodeId;
  readonly clock: Clock;
  readonly timing: Pick<Timing, "leaseMs" | "forgetMs">;
}

interface Entry {
  readonly id: NodeId;
  /** What time it names, only its writer's clock knows: that it has changed is the sign. */
  sign: number;
  /** When it changed last, or was found first; monotonic, ms. */
  atMs: number;
  believed: boolean;
}

/** Names that are tried in one call; more of them take turns. */
const mostTried = 500;
/** Silent ones whose end is looked for in one call, and strays that are removed. */
const mostAtOnce = 100;

export function createRollCall(needs: RollCallNeeds): RollCall {
  const { bus, names, reader, dead, self, clock, timing } = needs;
  let entries = new Map<NodeId, Entry>();
  let calledAtMs = 0;

  const isSilent = ({ atMs }: Entry) => calledAtMs - atMs >= timing.leaseMs;

  /** What the set has now. Returns what does not belong there. */
  function take(found: ReadonlyMap<string, number>): string[] {
    calledAtMs = clock.monotonicMs();
    const oldestMs = clock.wallMs() - timing.forgetMs;
    const next: typeof entries = new Map();
    const fresh: Entry[] = [];
    const strays: string[] = [];
    for (const [id, sign] of found) {
      if (id === self) continue;
      if (sign < oldestMs || !isNodeId(id) || dead.knows(id)) {
        strays.push(id);
        continue;
      }
      const entry = entries.get(id) ?? { id, sign, atMs: calledAtMs, believed: false };
      if (entry.sign !== sign) Object.assign(entry, { sign, atMs: calledAtMs });
      if (entry.believed) next.set(id, entry);
      else fresh.push(entry);
    }
    // However many names somebody writes there, each gets its turn.
    const start = fresh.length > mostTried ? Math.floor(calledAtMs) % fresh.length : 0;
    for (const entry of [...fresh.slice(start), ...fresh.slice(0, start)].slice(0, mostTried))
      next.set(entry.id, entry);
    entries = next;
    return strays;
  }

  async function attempt(entry: Entry): Promise<void> {
    try {
      entry.believed = typeof (await reader.head(entry.id)) === "object";
    } catch (error) {
      // What lies at this one's place cannot be read at all; the others can.
      if (!(error instanceof BusDown) || !bus.state.up) throw error;
    }
  }

  async function forgetIfOver({ id }: Entry): Promise<void> {
    if (!(await dead.isOver(id))) return;
    entries.delete(id);
    await bus.records.forget(names.nodes, id);
  }

  return {
    get others() {
      return [...entries.values()].filter((entry) => entry.believed && !isSilent(entry)).map(({ id }) => id);
    },
    get known() {
      return [...entries.values()].filter(({ believed }) => believed).map(({ id }) => id);
    },
    async call() {
      const strays = take(await bus.records.remembered(names.nodes));
      for (const id of strays.slice(0, mostAtOnce)) bus.records.forget(names.nodes, id).catch(() => {});
      const all = [...entries.values()];
      await Promise.all(all.filter(({ believed }) => !believed).map(attempt));
      await Promise.all(
        all
          .filter((entry) => !entry.believed || isSilent(entry))
          .slice(0, mostAtOnce)
          .map(forgetIfOver),
      );
    },
  };
}
