/**
 * Which nodes are there, by the signs that they leave in the set of nodes: without a message to any of them. Anybody who
 * reaches the Redis can write there, so a name counts only once the record that goes with it was opened.
 */
import type { Clock } from "../flow/clock.ts";
import type { Log } from "../log.ts";
import { BusDown, type GroupBus } from "./bus.ts";
import type { DeadMarkers } from "./dead-markers.ts";
import { type GroupWarning, groupWarnings, type Roll } from "./group-warnings.ts";
import type { ListReader } from "./list-reader.ts";
import { isNodeId, type Names, type NodeId, nodeNameOf } from "./names.ts";
import type { Timing } from "./timing.ts";

export interface RollCall {
  /** Nodes that are believed and left a sign within the time of a lease, as of the last call; without this one. */
  readonly others: readonly NodeId[];
  /** Nodes that were believed once and are not known to be over, silent ones as well; without this one. */
  readonly known: readonly NodeId[];
  /** What a believed node of that name says of where clients reach it; the newest to sign. Empty: nowhere, or unknown. */
  addressOf(name: string): string;
  /** What is not as it should be among them, as of the last call. */
  readonly warnings: readonly string[];
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
  readonly log: Log;
  readonly timing: Pick<Timing, "leaseMs" | "forgetMs">;
}

interface Entry {
  readonly id: NodeId;
  /** What time it names, only its writer's clock knows: that it has changed is the sign. */
  sign: number;
  /** When it was found first; monotonic, ms. */
  readonly foundAtMs: number;
  /** When it changed last; undefined: not since it was found. */
  changedAtMs?: number;
  /** `absent`: nothing that could be believed is there. */
  word: "believed" | "foreign" | "absent";
  address: string;
}

/** Names that are tried in one call; more of them take turns. */
const mostTried = 500;
/** Silent ones whose end is looked for in one call, and strays that are removed. */
const mostAtOnce = 100;

export function createRollCall(needs: RollCallNeeds): RollCall {
  const { bus, names, reader, dead, self, clock, log, timing } = needs;
  const startedAtMs = clock.monotonicMs();
  let entries = new Map<NodeId, Entry>();
  let calledAtMs = startedAtMs;
  /** This node saw nothing for so long: until then nobody is said to be silent. */
  let patientUntilMs = 0;
  let warnings: readonly GroupWarning[] = [];

  const signedMs = ({ changedAtMs, foundAtMs }: Entry) => changedAtMs ?? foundAtMs;
  const isSilent = (entry: Entry) => calledAtMs - signedMs(entry) >= timing.leaseMs;
  const isBelieved = ({ word }: Entry) => word === "believed";

  /** What the set has now. Returns what does not belong there. */
  function take(found: ReadonlyMap<string, number>): string[] {
    const nowMs = clock.monotonicMs();
    if (nowMs - calledAtMs > timing.leaseMs) patientUntilMs = nowMs + timing.leaseMs;
    calledAtMs = nowMs;
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
      const entry = entries.get(id) ?? { id, sign, foundAtMs: nowMs, word: "absent" as const, address: "" };
      if (entry.sign !== sign) Object.assign(entry, { sign, changedAtMs: nowMs });
      if (isBelieved(entry)) next.set(id, entry);
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
      const head = await reader.head(entry.id);
      if (typeof head === "object") Object.assign(entry, { word: "believed", address: head.address });
      // One that was a stranger stays it, also when its record is gone.
      else if (head === "foreign") entry.word = "foreign";
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

  function kindOf(entry: Entry): Roll["kind"] | undefined {
    const silent = isSilent(entry);
    if (entry.word === "foreign") return silent ? undefined : "stranger";
    if (entry.word === "believed" && !silent) return "there";
    if (calledAtMs < patientUntilMs) return undefined;
    // Of one that this node never heard the time it named itself is all there is.
    return silent || clock.wallMs() - entry.sign >= timing.leaseMs ? "silent" : undefined;
  }

  function rollOf(entry: Entry): Roll[] {
    const kind = kindOf(entry);
    if (kind === undefined) return [];
    const seenMs = clock.wallMs() - (calledAtMs - signedMs(entry));
    const signedAtMs = entry.changedAtMs === undefined ? Math.min(entry.sign, seenMs) : seenMs;
    return [{ name: nodeNameOf(entry.id), kind, signedAtMs, doubled: kind === "there" && isDoubled(entry) }];
  }

  /** A run that follows another of its name is no double: both have to sign after both were there. */
  function isDoubled({ id, foundAtMs, changedAtMs }: Entry): boolean {
    if (changedAtMs === undefined) return false;
    const name = nodeNameOf(id);
    if (name === nodeNameOf(self)) return changedAtMs > startedAtMs;
    return [...entries.values()].some(
      (other) =>
        other.id !== id &&
        nodeNameOf(other.id) === name &&
        kindOf(other) === "there" &&
        changedAtMs > other.foundAtMs &&
        (other.changedAtMs ?? 0) > foundAtMs,
    );
  }

  function warn(): void {
    const before = new Set(warnings.map(({ key }) => key));
    warnings = groupWarnings([...entries.values()].flatMap(rollOf));
    for (const { key, text } of warnings) if (!before.has(key)) log.warn(text);
  }

  const idsOf = (chosen: (entry: Entry) => boolean) => [...entries.values()].filter(chosen).map(({ id }) => id);

  return {
    get others() {
      return idsOf((entry) => isBelieved(entry) && !isSilent(entry));
    },
    get known() {
      return idsOf(isBelieved);
    },
    addressOf(name) {
      const named = [...entries.values()].filter((entry) => isBelieved(entry) && nodeNameOf(entry.id) === name);
      return named.toSorted((one, other) => signedMs(other) - signedMs(one))[0]?.address ?? "";
    },
    get warnings() {
      return warnings.map(({ text }) => text);
    },
    async call() {
      const strays = take(await bus.records.remembered(names.nodes));
      for (const id of strays.slice(0, mostAtOnce)) bus.records.forget(names.nodes, id).catch(() => {});
      const all = [...entries.values()];
      await Promise.all(all.filter((entry) => !isBelieved(entry)).map(attempt));
      await Promise.all(
        all
          .filter((entry) => !isBelieved(entry) || isSilent(entry))
          .slice(0, mostAtOnce)
          .map(forgetIfOver),
      );
      warn();
    },
  };
}
