/** Protobuf messages in seals: of channels, of the fields of records, and of single values. */
import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import type { NodeId } from "./names.ts";
import type { Sealer } from "./seal.ts";

/** Where a field of a record is sealed to. */
export function placeOf(record: string, field = ""): string {
  return `${record}\n${field}`;
}

export interface Sealed {
  write<Desc extends DescMessage>(kind: number, place: string, desc: Desc, init: MessageInitShape<Desc>): Uint8Array;
  /** Undefined for what is not of this kind, not of this sender when one is named, or no such message. */
  read<Desc extends DescMessage>(
    kind: number,
    place: string,
    desc: Desc,
    bytes: Uint8Array,
    from?: NodeId,
  ): { readonly message: MessageShape<Desc>; readonly sender: NodeId } | undefined;
}

export function createSealed(sealer: Sealer): Sealed {
  return {
    write: (kind, place, desc, init) => sealer.seal(kind, place, toBinary(desc, create(desc, init))),
    read(kind, place, desc, bytes, from) {
      const opened = sealer.open(place, bytes);
      if (opened === undefined || opened.kind !== kind) return undefined;
      if (from !== undefined && opened.sender !== from) return undefined;
      try {
        return { message: fromBinary(desc, opened.plain), sender: opened.sender };
      } catch {
        // Sealed by one of us, and yet not readable: another version's.
        return undefined;
      }
    },
  };
}
