/** Puts the pieces of key frames together. */
import { fromBinary } from "@bufbuild/protobuf";
import { type FrameKey, FrameKeySchema } from "../../proto/gen/bartizan/v1/bus_pb.ts";
import type { KeyFrame } from "../events.ts";
import { type Frame, parsed } from "./frame.ts";
import { sizeOf } from "./from-wire.ts";

/** Holds at most one key frame. Pieces that come out of turn are dropped: another key frame will follow. */
export class KeyPieces {
  #key: FrameKey | undefined;
  #epoch = "";
  #parts: Uint8Array[] = [];
  #bytes = 0;

  /** The key frame that this piece completes. */
  add(piece: Frame & { kind: "key-piece" }): KeyFrame | undefined {
    if (piece.index === 0) this.#begin(piece);
    else if (this.#isNext(piece)) this.#push(piece.bytes);
    else this.#key = undefined;
    const key = this.#key;
    if (key === undefined || piece.more) return undefined;
    this.#key = undefined;
    const bytes = this.#parts.length === 1 ? (this.#parts[0] as Uint8Array) : Buffer.concat(this.#parts);
    this.#parts = [];
    if (bytes.length !== key.length) return undefined;
    return {
      ...{ kind: "key-frame", offset: piece.offset, atMs: Number(key.atMs), size: sizeOf(key.size), bytes },
      ...{ skippedBytes: 0, approximate: key.approximate },
    };
  }

  #begin({ epoch, bytes }: Frame & { kind: "key-piece" }): void {
    const end = 1 + (bytes[0] ?? 0);
    this.#key = parsed(() => fromBinary(FrameKeySchema, bytes.subarray(1, end)));
    this.#epoch = epoch;
    this.#parts = [];
    this.#bytes = 0;
    this.#push(bytes.subarray(end));
  }

  #isNext({ epoch, offset, index }: Frame & { kind: "key-piece" }): boolean {
    return this.#key?.offset === BigInt(offset) && this.#epoch === epoch && this.#parts.length === index;
  }

  #push(bytes: Uint8Array): void {
    this.#parts.push(bytes);
    this.#bytes += bytes.length;
    if (this.#bytes > (this.#key?.length ?? 0)) this.#key = undefined;
  }
}
