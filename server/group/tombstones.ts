/** How sessions ended, for those who ask later on any node; written by the holder before a session leaves its list. */
import { type Tombstone, TombstoneSchema } from "../../proto/gen/bartizan/v1/bus_pb.ts";
import type { SessionId, SessionInfo } from "../events.ts";
import { infoToWire } from "../rpc/wire.ts";
import type { GroupBus } from "./bus.ts";
import { infoOf } from "./from-wire.ts";
import { holderOf, type Names } from "./names.ts";
import { kinds } from "./seal.ts";
import { placeOf, type Sealed } from "./sealed.ts";

export interface Ending {
  /** As it was at the end. */
  readonly info: SessionInfo;
  /** The order that ended it; empty when none did. */
  readonly orderId: string;
}

export interface Tombstones {
  /** Rejects with `BusDown`. */
  put(info: SessionInfo, orderId: string): Promise<void>;
  /** Undefined: none is there. Rejects with `BusDown`. */
  find(session: SessionId): Promise<Ending | undefined>;
}

export function createTombstones(needs: {
  readonly bus: GroupBus;
  readonly names: Names;
  readonly sealed: Sealed;
  readonly lifeMs: number;
}): Tombstones {
  const { bus, names, sealed, lifeMs } = needs;
  return {
    async put(info, orderId) {
      const key = names.tombstone(info.id);
      const init = { session: infoToWire(info), orderId };
      await bus.records.put(key, sealed.write(kinds.record, placeOf(key), TombstoneSchema, init), lifeMs);
    },
    async find(session) {
      const key = names.tombstone(session);
      const bytes = await bus.records.get(key);
      const holder = holderOf(session);
      if (bytes === undefined || holder === undefined) return undefined;
      const read = sealed.read(kinds.record, placeOf(key), TombstoneSchema, bytes, holder);
      return read === undefined ? undefined : endingOf(read.message, session);
    },
  };
}

function endingOf({ session, orderId }: Tombstone, id: SessionId): Ending | undefined {
  if (session === undefined || session.id !== id) return undefined;
  return { info: { ...infoOf(session), state: "ended" }, orderId };
}
