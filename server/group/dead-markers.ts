/**
 * That a run of a node is over for certain. Only the next run on the same data folder can know: the folder's lock was free,
 * so the process is gone, and its connections with it. It finds the ids of former runs in a file there.
 */
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { NodesMessageSchema } from "../../proto/gen/bartizan/v1/bus_pb.ts";
import type { GroupBus } from "./bus.ts";
import { isNodeId, type Names, type NodeId } from "./names.ts";
import { kinds } from "./seal.ts";
import { placeOf, type Sealed } from "./sealed.ts";

export interface DeadMarkers {
  /** Known here already, without a look. */
  knows(node: NodeId): boolean;
  /** Somebody who can know has said so. */
  learn(node: NodeId): void;
  /** False: nothing is known. Rejects with `BusDown`. */
  isOver(node: NodeId): Promise<boolean>;
  /** For who knows for certain. Its list and its orders go, too. Rejects with `BusDown`. */
  mark(node: NodeId): Promise<void>;
}

/** What is over stays over: it is asked for once. The oldest are asked for again. */
const mostKnown = 4096;

export function createDeadMarkers(needs: {
  readonly bus: GroupBus;
  readonly names: Names;
  readonly sealed: Sealed;
  readonly lifeMs: number;
}): DeadMarkers {
  const { bus, names, sealed, lifeMs } = needs;
  const known = new Set<NodeId>();
  function learn(node: NodeId): void {
    known.add(node);
    if (known.size > mostKnown) known.delete(known.values().next().value as NodeId);
  }
  return {
    knows: (node) => known.has(node),
    learn,
    async isOver(node) {
      if (known.has(node)) return true;
      const key = names.dead(node);
      const bytes = await bus.records.get(key);
      if (bytes === undefined) return false;
      const isOver = sealed.read(kinds.record, placeOf(key), NodesMessageSchema, bytes)?.message.over[0] === node;
      if (isOver) learn(node);
      return isOver;
    },
    async mark(node) {
      const key = names.dead(node);
      const marker = sealed.write(kinds.record, placeOf(key), NodesMessageSchema, { over: [node] });
      await bus.records.put(key, marker, lifeMs);
      await bus.records.remove(names.sessions(node));
      await bus.records.remove(names.orders(node));
      await bus.records.forget(names.nodes, node);
    },
  };
}

/** The runs of this data folder's node that may still stand on lists somewhere. */
export interface Runs {
  /** Over, and not marked yet as far as is known. */
  readonly former: readonly NodeId[];
  /** The former ones are marked. */
  marked(): Promise<void>;
  /** This run has said good-bye itself: nothing is left to mark. */
  over(): Promise<void>;
}

/** More than this are not remembered: their entries fall off the lists with time. */
const mostRuns = 100;

/** Reads the file and puts `self` there. Needs the lock of the folder: whose ids it finds are over. */
export async function openRuns(folder: string, self: NodeId): Promise<Runs> {
  const path = join(folder, "group-runs");
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  const former = text
    .split("\n")
    .filter(isNodeId)
    .filter((run) => run !== self);
  const write = async (runs: readonly NodeId[]) => {
    if (runs.length === 0) return await rm(path, { force: true });
    await writeFile(`${path}.new`, `${runs.slice(-mostRuns).join("\n")}\n`, { mode: 0o600 });
    await rename(`${path}.new`, path);
  };
  let left: readonly NodeId[] = former;
  await write([...left, self]);
  return {
    former,
    async marked() {
      left = [];
      await write([self]);
    },
    over: () => write(left),
  };
}
