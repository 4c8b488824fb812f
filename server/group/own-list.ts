/**
 * What this node says of its own sessions: a record that lives as long as the node renews it, a numbered message for each
 * change, and a sign of life once a second while somebody listens. The registry is the truth; all this is written again
 * when it was lost.
 */
import { type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { ListHeadSchema, ListMessageSchema } from "../../proto/gen/bartizan/v1/bus_pb.ts";
import { type SessionInfo as SessionInfoMessage, SessionInfoSchema } from "../../proto/gen/bartizan/v1/session_pb.ts";
import type { SessionId, SessionInfo } from "../events.ts";
import type { Clock } from "../flow/clock.ts";
import type { Log } from "../log.ts";
import { infoToWire } from "../rpc/wire.ts";
import { BusDown, type GroupBus } from "./bus.ts";
import type { GroupMeter } from "./meter.ts";
import type { Names, NodeId } from "./names.ts";
import { kinds } from "./seal.ts";
import { placeOf, type Sealed } from "./sealed.ts";
import { createSignsOfLife, type SignsOfLife } from "./signs-of-life.ts";
import type { Timing } from "./timing.ts";
import type { Tombstones } from "./tombstones.ts";

/** Changes of one message: what is longer goes into the next. */
const stepBytes = 40 * 1024;
/** Fields written in one step of a whole rewrite. */
const rewriteFields = 200;
/** Sessions whose output alone has moved, written again at each renewal: the oldest news first. */
const activeFields = 200;
const tombstonesAtOnce = 50;
/** Ends that the bus did not take yet; at the bound the oldest are given up: off the list, and nobody learns how. */
const mostEndings = 2000;

export interface OwnListNeeds {
  readonly bus: GroupBus;
  readonly names: Names;
  readonly sealed: Sealed;
  readonly tombstones: Tombstones;
  readonly self: NodeId;
  readonly registry: { list(): SessionInfo[]; onChange(listener: (info: SessionInfo) => void): Disposable };
  readonly node: string;
  /** Where clients reach this node; empty when they cannot. */
  readonly address: string;
  readonly version: string;
  /** Watched sessions with output since last asked. */
  readonly ticks: () => readonly { readonly sessionId: string; readonly offset: number }[];
  /** The order that ended this session; empty for none. */
  readonly orderOf: (ended: SessionInfo) => string;
  readonly clock: Clock;
  readonly log: Log;
  readonly meter: GroupMeter;
  readonly timing: Timing;
}

export interface OwnList extends Pick<SignsOfLife, "beat" | "listen"> {
  /** When the lease last lived on; monotonic, ms. */
  readonly leasedAtMs: number;
  /** Resolves when the group was told how it ended, or the bus did not take it. Never rejects. */
  told(session: SessionId): Promise<void>;
  /** The lease lives on, or the whole list is written anew. Rejects with `BusDown`. */
  renew(): Promise<void>;
  /** Says good-bye: the record is gone. Rejects with `BusDown`. */
  leave(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Disposing takes nothing back from the bus: see `leave`. */
export function openOwnList(needs: OwnListNeeds): OwnList {
  const { bus, names, sealed, tombstones, self, registry, clock, timing, log } = needs;
  const record = names.sessions(self);
  const channel = names.list(self);
  const startedAtMs = clock.wallMs();
  const changed = new Map<SessionId, SessionInfo>();
  const endings = new Map<SessionId, SessionInfo>();
  /** Of `endings`: off the list already, although how they ended is not written. */
  const takenOff = new Set<SessionId>();
  const stale = new Map<SessionId, SessionInfo>();
  const gists = new Map<SessionId, string>();
  let version = 0;
  let whole = true;
  let batch: Disposable | undefined;
  let flushedAtMs = Number.NEGATIVE_INFINITY;
  let closed = false;
  let leasedAtMs = clock.monotonicMs();
  let work: Promise<void> = Promise.resolve();

  const head = () =>
    sealed.write(kinds.record, placeOf(record, "#"), ListHeadSchema, {
      ...{ version: BigInt(version), node: needs.node, address: needs.address, serverVersion: needs.version },
      startedAt: timestampFromMs(startedAtMs),
    });
  const fieldOf = (message: SessionInfoMessage) =>
    sealed.write(kinds.record, placeOf(record, message.id), SessionInfoSchema, message);
  const message = (init: Omit<MessageInitShape<typeof ListMessageSchema>, "$typeName">) =>
    sealed.write(kinds.list, channel, ListMessageSchema, { ...init, version: BigInt(version) });

  /** One after the other: the list has one writer. Rejects as the step does; the next goes on. */
  function inTurn<T>(step: () => Promise<T>): Promise<T> {
    const turn = work.then(step);
    work = turn.then(
      () => {},
      () => {},
    );
    return turn;
  }

  const subscription = registry.onChange((info) => {
    if (info.state === "ended") {
      changed.delete(info.id);
      gists.delete(info.id);
      signs.forget(info.id);
      stale.delete(info.id);
      endings.set(info.id, info);
      giveUpOldest();
    } else {
      const gist = gistOf(info);
      if (gists.get(info.id) === gist) {
        signs.moved(info.id, info.outputBytes);
        stale.set(info.id, info);
        return;
      }
      gists.set(info.id, gist);
      changed.set(info.id, info);
    }
    schedule();
  });

  function giveUpOldest(): void {
    for (const id of endings.keys()) {
      if (endings.size <= mostEndings) break;
      endings.delete(id);
      takenOff.delete(id);
      whole = true;
    }
  }

  function schedule(): void {
    if (closed || batch !== undefined) return;
    const waitMs = Math.max(0, flushedAtMs + timing.batchMs - clock.monotonicMs());
    batch = clock.after(waitMs, () => {
      batch = undefined;
      flushedAtMs = clock.monotonicMs();
      void inTurn(flush).catch(failed);
    });
  }

  function failed(error: unknown): void {
    // What the bus took is not known: the renewal writes everything.
    whole = true;
    if (!(error instanceof BusDown)) log.error({ err: error }, "the list of sessions was not written");
  }

  /** Everything that is due; the whole list when the group may have another. */
  async function flush(): Promise<void> {
    try {
      await flushAll();
    } catch (error) {
      await takeOff().catch(() => {});
      throw error;
    }
  }

  /** A Redis without memory takes nothing new, but lets go of what it has: no session stays on a list after its end. */
  async function takeOff(): Promise<void> {
    const left = new Map([...endings].filter(([id]) => !takenOff.has(id)));
    if (left.size === 0 || !bus.state.up) return;
    for (const step of stepsOf(new Map(), left)) {
      version += 1;
      const remove = step.ended.map(({ id }) => id);
      const publish = { channel, message: message(step) };
      await bus.records.change(record, { remove, lifeMs: timing.leaseMs, publish });
      for (const id of remove) takenOff.add(id as SessionId);
    }
  }

  async function flushAll(): Promise<void> {
    const over = new Map<SessionId, SessionInfo>();
    // First how it ended, then off the list: nobody may find neither. What ends meanwhile comes along.
    while (over.size < endings.size) {
      const some = [...endings].filter(([id]) => !over.has(id)).slice(0, tombstonesAtOnce);
      await Promise.all(some.map(([, info]) => tombstones.put(info, needs.orderOf(info))));
      for (const [id, info] of some) over.set(id, info);
    }
    if (whole) await rewrite();
    else {
      const steps = stepsOf(changed, new Map([...over].filter(([id]) => !takenOff.has(id))));
      changed.clear();
      for (const step of steps) await take(step);
    }
    for (const id of over.keys()) {
      endings.delete(id);
      takenOff.delete(id);
    }
  }

  async function take(step: Step): Promise<void> {
    version += 1;
    const set = new Map([["#", head()], ...step.changed.map((each) => [each.id, fieldOf(each)] as const)]);
    const publish = { channel, message: message(step) };
    const remove = step.ended.map(({ id }) => id);
    await bus.records.change(record, { set, remove, lifeMs: timing.leaseMs, publish });
  }

  async function rewrite(): Promise<void> {
    const sessions = registry.list().filter(({ state }) => state !== "ended");
    changed.clear();
    stale.clear();
    gists.clear();
    for (const info of sessions) gists.set(info.id, gistOf(info));
    version += 1;
    needs.meter.listRewritten();
    for (let at = 0; at === 0 || at < sessions.length; at += rewriteFields) {
      const fields = sessions
        .slice(at, at + rewriteFields)
        .map((info) => [info.id, fieldOf(infoToWire(info))] as const);
      const last = at + rewriteFields >= sessions.length;
      // The head comes last: a list without one is not whole yet.
      const set = new Map<string, Uint8Array>([...fields, ...(last ? [["#", head()] as const] : [])]);
      const publish = last ? { publish: { channel, message: message({}) } } : {};
      await bus.records.change(record, { replace: at === 0, set, lifeMs: timing.leaseMs, ...publish });
    }
    whole = false;
    leasedAtMs = clock.monotonicMs();
  }

  async function renew(): Promise<void> {
    // Then others may have seen it gone, and believe a later version alone, whatever somebody has put there.
    if (clock.monotonicMs() - leasedAtMs >= timing.leaseMs) whole = true;
    const found = await bus.records.renew(record, timing.leaseMs, "#");
    if (found !== undefined) leasedAtMs = clock.monotonicMs();
    const known =
      found === undefined
        ? undefined
        : sealed.read(kinds.record, placeOf(record, "#"), ListHeadSchema, found, self)?.message.version;
    if (known !== BigInt(version)) whole = true;
    if (whole || endings.size > 0) await flush();
    if (stale.size > 0) {
      const some = [...stale].slice(0, activeFields);
      const set = new Map(some.map(([id, info]) => [id as string, fieldOf(infoToWire(info))]));
      await bus.records.change(record, { set, lifeMs: timing.leaseMs });
      for (const [id, info] of some) if (stale.get(id) === info) stale.delete(id);
    }
    await bus.records.remember(names.nodes, self, clock.wallMs());
  }

  const signs = createSignsOfLife({
    ...{ clock, heartbeatMs: timing.heartbeatMs, ticks: needs.ticks },
    publish: (ticks, active) => bus.publish(channel, message({ ticks: [...ticks], active: [...active] })),
  });

  return {
    beat: signs.beat,
    listen: signs.listen,
    get leasedAtMs() {
      return leasedAtMs;
    },
    async told(session) {
      // Whatever is due now includes it.
      if (endings.has(session)) await inTurn(flush).catch(failed);
      else await work;
    },
    renew: () => inTurn(renew),
    leave: () =>
      inTurn(async () => {
        if (endings.size > 0 || changed.size > 0) await flush();
        version += 1;
        const leaving = message({ leaving: true });
        await bus.records.change(record, {
          replace: true,
          lifeMs: timing.leaseMs,
          publish: { channel, message: leaving },
        });
        await bus.records.forget(names.nodes, self);
      }),
    async [Symbol.asyncDispose]() {
      closed = true;
      subscription[Symbol.dispose]();
      batch?.[Symbol.dispose]();
      signs[Symbol.dispose]();
      await work;
    },
  };
}

/** All of a session but what its output alone changes. */
function gistOf({ outputBytes: _bytes, activeAtMs: _at, ...rest }: SessionInfo): string {
  return JSON.stringify(rest);
}

interface Step {
  readonly changed: SessionInfoMessage[];
  readonly ended: SessionInfoMessage[];
}

function stepsOf(changed: ReadonlyMap<string, SessionInfo>, ended: ReadonlyMap<string, SessionInfo>): Step[] {
  const steps: Step[] = [];
  let room = 0;
  const put = (kind: "changed" | "ended", info: SessionInfo) => {
    const message = infoToWire(info);
    const bytes = toBinary(SessionInfoSchema, message).length + 8;
    if (bytes > room) {
      steps.push({ changed: [], ended: [] });
      room = stepBytes;
    }
    room -= bytes;
    steps.at(-1)?.[kind].push(message);
  };
  for (const info of changed.values()) put("changed", info);
  for (const info of ended.values()) put("ended", info);
  return steps;
}
