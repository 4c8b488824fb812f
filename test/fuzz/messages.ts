/** Messages of the contract with every field filled by chance: what a client could send that keeps to the types alone. */
import {
  create,
  type DescField,
  type DescMessage,
  type Message,
  ScalarType,
  toBinary,
  toJsonString,
} from "@bufbuild/protobuf";
import { type ReflectMessage, reflect, type ScalarValue } from "@bufbuild/protobuf/reflect";
import type { Random } from "../support/random.ts";

type ReflectValue = ScalarValue | ReflectMessage;

const texts = ["", "web1", "test-1", "a".repeat(300), "../../etc/passwd", "\u0000\u202e<img src=x>", "alice", "1h"];

export function randomMessage(random: Random, desc: DescMessage, depth = 0): Message {
  const message = create(desc);
  const fields = reflect(desc, message);
  for (const field of desc.fields) {
    if (random.below(4) === 0 || depth > 6) continue;
    if (field.fieldKind === "list") {
      const list = fields.get(field);
      for (let left = random.below(4); left > 0; left -= 1) list.add(filling(random, field, depth));
    } else if (field.fieldKind === "map") {
      const map = fields.get(field);
      for (let left = random.below(4); left > 0; left -= 1) map.set(random.pick(texts), filling(random, field, depth));
    } else fields.set(field, filling(random, field, depth));
  }
  return message;
}

/** A value that fits the field, or one of its items. */
function filling(random: Random, field: DescField, depth: number): ReflectValue {
  if (field.message !== undefined) return reflect(field.message, randomMessage(random, field.message, depth + 1));
  if (field.enum !== undefined) return random.below(12);
  switch (field.scalar) {
    case ScalarType.STRING:
      return random.pick(texts);
    case ScalarType.BYTES:
      return random.bytes(random.below(300));
    case ScalarType.BOOL:
      return random.below(2) === 1;
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return random.pick([0, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]);
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return random.pick([0n, 1n, 255n, 2n ** 53n, 2n ** 64n - 1n]);
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return random.pick([0n, 1n, -1n, 2n ** 53n, 2n ** 63n - 1n, -(2n ** 63n)]);
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return random.pick([0, 1, 80, 65_535, 4_294_967_295]);
    default:
      return random.pick([0, 1, -1, 80, 2_147_483_647, -2_147_483_648]);
  }
}

export function randomBinary(random: Random, desc: DescMessage): Uint8Array {
  return toBinary(desc, randomMessage(random, desc));
}

/** "{}" for what JSON has no form for: a time or a length out of its range. */
export function randomJson(random: Random, desc: DescMessage): string {
  try {
    return toJsonString(desc, randomMessage(random, desc), { alwaysEmitImplicit: random.below(2) === 0 });
  } catch {
    return "{}";
  }
}
