/** What a session's channel carries, as bytes and back: output, key frames in pieces, words. No seal, no order. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { FrameKeySchema, type FrameWord, FrameWordSchema } from "../../proto/gen/bartizan/v1/bus_pb.ts";
import type { CommandWord, FreezeWord, KeyFrame, Notice, SessionEvent, SessionId, TermSize } from "../events.ts";
import { commandToWire, endedToWire, viewItemToWire } from "../rpc/wire.ts";
import { attachedOf, commandOf, endedOf, frozenOf, noticeOf, sizeOf } from "./from-wire.ts";
import { kinds } from "./seal.ts";

/** A frame has at most this much of the terminal's bytes. */
export const maxFrameBytes = 32 * 1024;

/** Flags of a frame: further pieces of the key frame follow; this word does not wait for output that is missing. */
export const flags = { more: 1, ahead: 2 } as const;

type Output = SessionEvent & { readonly kind: "output" };
/** Everything but output and key frames. */
export type Word = Exclude<SessionEvent, Output> | Notice | CommandWord | FreezeWord;

/** Stands before each frame's content. */
export interface FrameHead {
  readonly epoch: string;
  /** Of the first byte; of a word: output bytes before it. */
  readonly offset: number;
  readonly atMs: number;
  /** The terminal's, before this frame; undefined: not said. */
  readonly size: TermSize | undefined;
}

export type Frame =
  | (FrameHead & { readonly kind: "data"; readonly bytes: Uint8Array })
  | (FrameHead & {
      readonly kind: "key-piece";
      readonly index: number;
      readonly more: boolean;
      readonly bytes: Uint8Array;
    })
  | (FrameHead & { readonly kind: "word"; readonly ahead: boolean; readonly word: Word });

/** Ready to be sealed: kind and flags go into the seal. */
export interface Plain {
  readonly kind: number;
  readonly flags: number;
  readonly plain: Uint8Array;
}

/** offset 6, at 6, columns 2, rows 2, length of the epoch 1, epoch. */
const fixedBytes = 17;

function framed(head: FrameHead, kind: number, flagBits: number, ...parts: readonly Uint8Array[]): Plain {
  let length = fixedBytes + head.epoch.length;
  for (const part of parts) length += part.length;
  const plain = Buffer.allocUnsafe(length);
  plain.writeUIntBE(head.offset, 0, 6);
  plain.writeUIntBE(Math.max(0, Math.round(head.atMs)), 6, 6);
  plain.writeUInt16BE(head.size?.cols ?? 0, 12);
  plain.writeUInt16BE(head.size?.rows ?? 0, 14);
  plain[16] = head.epoch.length;
  let at = fixedBytes + plain.write(head.epoch, fixedBytes, "latin1");
  for (const part of parts) {
    plain.set(part, at);
    at += part.length;
  }
  return { kind, flags: flagBits, plain };
}

/** Output of at most 32 KiB, given in parts. */
export function dataFrame(head: FrameHead, parts: readonly Uint8Array[]): Plain {
  return framed(head, kinds.data, 0, ...parts);
}

/** One or more, to be sent in this order. */
export function keyFrames(epoch: string, frame: KeyFrame): Plain[] {
  const { offset, atMs, size, approximate, bytes } = frame;
  const head = { epoch, offset, atMs, size };
  const key = toBinary(
    FrameKeySchema,
    create(FrameKeySchema, {
      ...{ size, approximate, length: bytes.length },
      ...{ offset: BigInt(offset), atMs: BigInt(atMs) },
    }),
  );
  const pieces: Plain[] = [];
  let index = 0;
  for (let at = 0; at === 0 || at < bytes.length; at += maxFrameBytes) {
    const more = at + maxFrameBytes < bytes.length ? flags.more : 0;
    const lead = index === 0 ? [Uint8Array.of(0, key.length), key] : [Uint8Array.of(Math.min(index, 255))];
    pieces.push(framed(head, kinds.keyFrame, more, ...lead, bytes.subarray(at, at + maxFrameBytes)));
    index += 1;
  }
  return pieces;
}

/** `ahead`: it does not wait for output that is missing. */
export function wordFrame(head: FrameHead, sessionId: SessionId, word: Word, ahead = false): Plain {
  const message = create(FrameWordSchema, { word: wordToWire(sessionId, word) });
  return framed(head, kinds.word, ahead ? flags.ahead : 0, toBinary(FrameWordSchema, message));
}

function wordToWire(
  sessionId: SessionId,
  word: Word,
): NonNullable<Parameters<typeof create<typeof FrameWordSchema>>[1]>["word"] & object {
  if (word.kind === "command") return { case: "command", value: commandToWire(sessionId, word.command) };
  if (word.kind === "ended") return { case: "ended", value: endedToWire(word) };
  const wire = viewItemToWire(word);
  if (wire.case === "output" || wire.case === "keyFrame") throw new Error("output is no word");
  return wire;
}

/** A frame on its way, and which part of the output it is; both offsets are the same for a word. */
export interface Outgoing extends Plain {
  readonly from: number;
  readonly to: number;
  /** A word that the ring repeats, as it does output. */
  readonly repeated?: boolean;
}

/** Small pieces of output as few frames, with the words between them in their places. `size`: before the first of them. */
export function framesOf(
  items: readonly (Output | Word)[],
  {
    epoch,
    sessionId,
    offset,
    size: before,
  }: { epoch: string; sessionId: SessionId; offset: number; size: TermSize | undefined },
): Outgoing[] {
  const frames: Outgoing[] = [];
  let [at, atMs, size, parts, bytes] = [offset, 0, before, [] as Uint8Array[], 0];
  const close = () => {
    if (parts.length === 0) return;
    frames.push({ ...dataFrame({ epoch, offset: at, atMs, size }, parts), from: at, to: at + bytes });
    [at, parts, bytes] = [at + bytes, [], 0];
  };
  for (const item of items) {
    if ("atMs" in item) atMs = item.atMs;
    if (item.kind === "output") {
      if (item.bytes.length === 0) parts.push(item.bytes);
      for (let cut = 0; cut < item.bytes.length; ) {
        if (bytes === maxFrameBytes) close();
        if (bytes === 0) at = item.offset + cut;
        const part = item.bytes.subarray(cut, cut + maxFrameBytes - bytes);
        parts.push(part);
        bytes += part.length;
        cut += part.length;
      }
      continue;
    }
    close();
    const word = wordFrame({ epoch, offset: at, atMs, size }, sessionId, item);
    frames.push({ ...word, from: at, to: at, ...(item.kind === "resize" ? { repeated: true } : {}) });
    if (item.kind === "resize") size = item.size;
  }
  close();
  return frames;
}

/** Undefined for nonsense: sealed by one of us, it is of a version that we do not know. */
export function frameOf(kind: number, flagBits: number, plain: Uint8Array): Frame | undefined {
  const bytes = Buffer.from(plain.buffer, plain.byteOffset, plain.length);
  const from = fixedBytes + (bytes[16] ?? 0);
  if (bytes.length < from) return undefined;
  const cols = bytes.readUInt16BE(12);
  const head: FrameHead = {
    offset: bytes.readUIntBE(0, 6),
    atMs: bytes.readUIntBE(6, 6),
    size: cols === 0 ? undefined : { cols, rows: bytes.readUInt16BE(14) },
    epoch: bytes.toString("latin1", fixedBytes, from),
  };
  const rest = bytes.subarray(from);
  if (kind === kinds.data) return { ...head, kind: "data", bytes: rest };
  if (kind === kinds.keyFrame) {
    const more = (flagBits & flags.more) !== 0;
    return { ...head, kind: "key-piece", index: rest[0] ?? 0, more, bytes: rest.subarray(1) };
  }
  const word = kind === kinds.word ? wordOf(rest) : undefined;
  return word && { ...head, kind: "word", ahead: (flagBits & flags.ahead) !== 0, word };
}

function wordOf(bytes: Uint8Array): Word | undefined {
  const message = parsed(() => fromBinary(FrameWordSchema, bytes));
  return message && wordFromWire(message);
}

function wordFromWire({ word }: FrameWord): Word | undefined {
  switch (word.case) {
    case "resized": {
      const { offset, atMs, size } = word.value;
      return { kind: "resize", offset: Number(offset), atMs: Number(atMs), size: sizeOf(size) };
    }
    case "joined":
    case "left": {
      const { offset, atMs, attachment } = word.value;
      if (attachment === undefined) return undefined;
      return { kind: word.case, offset: Number(offset), atMs: Number(atMs), who: attachedOf(attachment) };
    }
    case "notice":
      return noticeOf(word.value);
    case "command":
      return { kind: "command", command: commandOf(word.value) };
    case "ended":
      return { kind: "ended", ...endedOf(word.value) };
    case "freeze": {
      const { frozen, by } = word.value;
      return { kind: "freeze", frozen: frozen && frozenOf(frozen), by: { name: by?.name ?? "" } };
    }
    default:
      return undefined;
  }
}

/** Undefined when it throws. */
export function parsed<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch {
    return undefined;
  }
}
