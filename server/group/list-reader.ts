/** Reads what nodes wrote of their sessions into their records; believes each node of its own alone. */
import { type ListHead, ListHeadSchema } from "../../proto/gen/bartizan/v1/bus_pb.ts";
import { SessionInfoSchema } from "../../proto/gen/bartizan/v1/session_pb.ts";
import type { SessionId, SessionInfo } from "../events.ts";
import type { GroupBus } from "./bus.ts";
import { infoOf } from "./from-wire.ts";
import type { Names, NodeId } from "./names.ts";
import type { ReadList } from "./peer.ts";
import { kinds } from "./seal.ts";
import { placeOf, type Sealed } from "./sealed.ts";

/** Every call rejects with `BusDown`. */
export interface ListReader {
  /** "lapsed": there is no record. "partly": it is being written anew. "foreign": its head is not to be believed. */
  list(node: NodeId): Promise<ReadList | "lapsed" | "partly" | "foreign">;
  /** The head alone; "lapsed" also while the record is being written. */
  head(node: NodeId): Promise<ListHead | "lapsed" | "foreign">;
  /** "none": the record is there, and the session is not in it. */
  session(node: NodeId, session: SessionId): Promise<{ info: SessionInfo; address: string } | "none" | "lapsed">;
}

export function createListReader(bus: GroupBus, names: Names, sealed: Sealed): ListReader {
  const infoFrom = (node: NodeId, field: string, bytes: Uint8Array): SessionInfo | undefined => {
    const place = placeOf(names.sessions(node), field);
    const read = sealed.read(kinds.record, place, SessionInfoSchema, bytes, node);
    return read?.message.id === field ? infoOf(read.message) : undefined;
  };
  const headFrom = (node: NodeId, bytes: Uint8Array) =>
    sealed.read(kinds.record, placeOf(names.sessions(node), "#"), ListHeadSchema, bytes, node)?.message;
  return {
    async list(node) {
      const fields = await bus.records.fields(names.sessions(node));
      if (fields.size === 0) return "lapsed";
      const bytes = fields.get("#");
      if (bytes === undefined) return "partly";
      const head = headFrom(node, bytes);
      if (head === undefined) return "foreign";
      const sessions: SessionInfo[] = [];
      for (const [field, value] of fields) {
        const info = field === "#" ? undefined : infoFrom(node, field, value);
        if (info !== undefined) sessions.push(info);
      }
      return { version: head.version, address: head.address, sessions };
    },
    async head(node) {
      const bytes = await bus.records.field(names.sessions(node), "#");
      return bytes === undefined ? "lapsed" : (headFrom(node, bytes) ?? "foreign");
    },
    async session(node, session) {
      const record = names.sessions(node);
      const [value, bytes] = await Promise.all([bus.records.field(record, session), bus.records.field(record, "#")]);
      const info = value === undefined ? undefined : infoFrom(node, session, value);
      const head = bytes === undefined ? undefined : headFrom(node, bytes);
      if (info !== undefined) return { info, address: head?.address ?? "" };
      return head === undefined ? "lapsed" : "none";
    },
  };
}
