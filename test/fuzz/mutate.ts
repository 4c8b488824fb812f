/** Turns what is right into what is nearly right: bytes flipped, cut, doubled, moved, and put in from a list of bad ideas. */
import type { Random } from "../support/random.ts";

const badIdeas: readonly Buffer[] = [
  ...[
    "\0",
    "\r\n",
    "\n\n",
    "\r\n\r\n",
    "\x1b[2147483647S",
    "\u202e",
    "../",
    "..%2f",
    "%00",
    "__proto__",
    "constructor",
  ],
  ...[
    "-1",
    "0",
    "1e400",
    "9223372036854775808",
    "-9223372036854775809",
    "NaN",
    "null",
    "{}",
    "[[[[[[[[",
    '"',
    "\\ud800",
  ],
  ...["&a", "*a", "<<: *a", "!!js/function", "? ", "- - - - -", "\ud83d\ude00", "\ufeff", "x".repeat(4_000)],
]
  .map((text) => Buffer.from(text))
  .concat(
    ["ff", "ffffffff", "7fffffff", "80000000", "ffffffffffffffffff01", "c0af", "edbfbf", "f8888080"].map((hex) =>
      Buffer.from(hex, "hex"),
    ),
  );

/** One to eight changes. The result is at most 1 MiB. */
export function mutate(random: Random, from: Uint8Array): Buffer {
  let bytes: Buffer = Buffer.from(from);
  for (let left = 1 + random.below(8); left > 0; left -= 1) bytes = changed(random, bytes);
  return bytes.subarray(0, 1024 * 1024);
}

function changed(random: Random, bytes: Buffer): Buffer {
  const at = random.below(bytes.length + 1);
  const until = Math.min(bytes.length, at + 1 + random.below(16));
  const spliced = (piece: Uint8Array, end = at) => Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(end)]);
  switch (random.below(8)) {
    case 0: {
      const copy = Buffer.from(bytes);
      if (at < copy.length) copy[at] = (copy[at] ?? 0) ^ (1 << random.below(8));
      return copy;
    }
    case 1:
      return spliced(random.bytes(1 + random.below(8)), until);
    case 2:
      return spliced(random.pick(badIdeas));
    case 3:
      return spliced(Buffer.alloc(0), until);
    case 4:
      return bytes.subarray(0, at);
    case 5:
      return spliced(bytes.subarray(at, Math.min(bytes.length, at + random.below(64))));
    case 6:
      return spliced(random.pick(badIdeas), until);
    default:
      return Buffer.concat([bytes.subarray(at), bytes.subarray(0, at)]);
  }
}
