/** Repeatable randomness: the same seed, the same run. */

export interface Random {
  /** A whole number from 0 up to `limit`, without it. */
  below(limit: number): number;
  bytes(length: number): Buffer;
  pick<T>(from: readonly T[]): T;
}

/** xorshift32. */
export function randomFrom(seed: number): Random {
  let state = seed | 0 || 1;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
  return {
    below: (limit) => next() % Math.max(1, limit),
    bytes: (length) => Buffer.from(Uint8Array.from({ length }, () => next() & 0xff)),
    pick: (from) => from[next() % from.length] as (typeof from)[number],
  };
}
