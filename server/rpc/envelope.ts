/** Connect's enveloped messages, written without the copies that a general encoder needs. */
import type { Output } from "../../proto/gen/bartizan/v1/session_pb.ts";

/** Flags (1 byte) and length (4 bytes, big endian) before each message: Connect protocol, "Enveloped-Message". */
const prefixBytes = 5;
/** Output smaller than this is copied behind its header: one write is cheaper than two. */
const copyBelowBytes = 2048;
/** Field headers of Output and around it: at most 2 tags and lengths of 5, 2 varints of 10. */
const maxHeaderBytes = prefixBytes + 40;

export const endStreamFlag = 2;

export function envelope(flags: number, data: Uint8Array): Uint8Array {
  const bytes = Buffer.allocUnsafe(prefixBytes + data.length);
  bytes[0] = flags;
  bytes.writeUInt32BE(data.length, 1);
  bytes.set(data, prefixBytes);
  return bytes;
}

/**
 * A message whose field `field` is this Output, enveloped: equal to what the general encoder writes (proto3 leaves out
 * zeros). The data itself may be returned as it is, not copied: it must not change until it is written.
 */
export function outputEnvelope(field: number, { offset, data, atMs }: Output): Uint8Array[] {
  const head = Buffer.allocUnsafe(data.length < copyBelowBytes ? maxHeaderBytes + data.length : maxHeaderBytes);
  const inner =
    varintField(offset) + (data.length === 0 ? 0 : 1 + varintLength(data.length) + data.length) + varintField(atMs);
  const whole = 1 + varintLength(inner) + inner;
  head[0] = 0;
  head.writeUInt32BE(whole, 1);
  let at = prefixBytes;
  head[at] = (field << 3) | 2;
  at = putVarint(head, at + 1, BigInt(inner));
  if (offset !== 0n) {
    head[at] = 0x08;
    at = putVarint(head, at + 1, offset);
  }
  if (data.length > 0) {
    head[at] = 0x12;
    at = putVarint(head, at + 1, BigInt(data.length));
  }
  const tail = Buffer.allocUnsafe(11);
  let tailLength = 0;
  if (atMs !== 0n) {
    tail[0] = 0x18;
    tailLength = putVarint(tail, 1, atMs);
  }
  if (data.length >= copyBelowBytes)
    return [head.subarray(0, at), data, ...(tailLength === 0 ? [] : [tail.subarray(0, tailLength)])];
  head.set(data, at);
  head.set(tail.subarray(0, tailLength), at + data.length);
  return [head.subarray(0, at + data.length + tailLength)];
}

function varintField(value: bigint): number {
  return value === 0n ? 0 : 1 + varintLength(Number(value));
}

function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) length += 1;
  return length;
}

/** Offsets stay far below 2^53: plain numbers do. */
function putVarint(into: Buffer, at: number, value: bigint): number {
  let rest = Number(value);
  let next = at;
  for (; rest >= 128; rest = Math.floor(rest / 128)) into[next++] = (rest % 128) | 0x80;
  into[next++] = rest;
  return next;
}
