/**
 * How often somebody may be wrong about who he is: by the net he comes from, the name he claims, both, and all together.
 * Only failures cost. What nobody can guess is let in whatever others do meanwhile; and who was let in from somewhere before
 * is let in from there again, whatever he shows.
 * Kept over a restart. Times are monotonic while it runs.
 */

import { BartizanFault } from "../errors.ts";
import { netOf } from "../flow/address.ts";
import type { Clock } from "../flow/clock.ts";
import type { ThrottleFile, ThrottleState } from "./throttle-file.ts";

/** So many failures at once, and one more each `everyMs`. */
export interface Allowance {
  readonly burst: number;
  readonly everyMs: number;
}

export interface ThrottleLimits {
  readonly net: Allowance;
  readonly name: Allowance;
  readonly nameAndNet: Allowance;
  readonly everybody: Allowance;
}

const usualLimits: ThrottleLimits = {
  net: { burst: 20, everyMs: 3_000 },
  name: { burst: 20, everyMs: 30_000 },
  nameAndNet: { burst: 10, everyMs: 30_000 },
  everybody: { burst: 1_000, everyMs: 50 },
};

/** Each of these is remembered; at the bound the one longest quiet is forgotten. */
const maxBuckets = 4096;
const maxKnown = 4096;
const saveMs = 1_000;

/** One try to be somebody. */
export interface Attempt {
  /** The caller's address, after trusted proxies. */
  readonly address: string;
  /** Whom the credentials name, whether rightly or not: an id, a user name; undefined when they name nobody. */
  readonly claims?: string | undefined;
  /** The credentials are as long as 256 random bits: a right one was not guessed. */
  readonly unguessable?: boolean;
}

export interface Throttle extends AsyncDisposable {
  /**
   * Told what the credentials turned out to be: a principal's name, or undefined for nobody's. Throws `limit` for an
   * attempt after too many failures: a wrong one, or a right one that could be a lucky guess, unless this principal was let in
   * from this net before.
   */
  admit(attempt: Attempt, principal: string | undefined): void;
  /** As a wrong attempt in `admit`, for secrets that nobody can guess at: throws `limit` when there were too many. */
  failed(attempt: Attempt): void;
}

interface Bucket {
  readonly left: number;
  readonly atMs: number;
}

/** Takes over what `file` kept. Disposing writes it once more. */
export function openThrottle(
  clock: Clock,
  file: ThrottleFile | undefined = undefined,
  limits: Partial<ThrottleLimits> = {},
): Throttle {
  const allowed = { ...usualLimits, ...limits };
  /** By kind and what it is for; longest quiet first. */
  const buckets = new Map<string, Bucket>();
  /** "NET NAME" of those who were let in; longest ago first. */
  const known = new Set<string>();
  let dirty = false;

  const kept = file?.read();
  for (const each of kept?.known ?? []) known.add(each);
  for (const { key, left, agoMs } of kept?.buckets ?? []) buckets.set(key, { left, atMs: clock.monotonicMs() - agoMs });

  const keysOf = ({ address, claims }: Attempt): [keyof ThrottleLimits, string][] => {
    const net = netOf(address);
    const name = claims?.slice(0, 100);
    return [
      ["everybody", "everybody"],
      ["net", `net ${net}`],
      ...(name === undefined
        ? []
        : ([
            ["name", `name ${name}`],
            ["nameAndNet", `nameAndNet ${net} ${name}`],
          ] satisfies [keyof ThrottleLimits, string][])),
    ];
  };
  const leftOf = (kind: keyof ThrottleLimits, key: string): number => {
    const { burst, everyMs } = allowed[kind];
    const bucket = buckets.get(key);
    if (bucket === undefined) return burst;
    return Math.min(burst, bucket.left + (clock.monotonicMs() - bucket.atMs) / everyMs);
  };
  const isSpent = (attempt: Attempt) => !keysOf(attempt).every(([kind, key]) => leftOf(kind, key) >= 1);
  const refuseIfSpent = (spent: boolean) => {
    if (!spent) return;
    throw new BartizanFault("limit", "Too many failed logins.", "Wait a minute, then try again.");
  };
  const spend = (attempt: Attempt) => {
    for (const [kind, key] of keysOf(attempt)) {
      const left = leftOf(kind, key) - 1;
      buckets.delete(key);
      buckets.set(key, { left, atMs: clock.monotonicMs() });
    }
    for (const oldest of buckets.keys()) {
      if (buckets.size <= maxBuckets) break;
      buckets.delete(oldest);
    }
    dirty = true;
  };
  const remember = (key: string) => {
    if (!known.has(key)) dirty = true;
    known.delete(key);
    known.add(key);
    const [oldest] = known;
    if (known.size > maxKnown && oldest !== undefined) known.delete(oldest);
  };
  const state = (): ThrottleState => ({
    known: [...known],
    buckets: Array.from(buckets, ([key, { left, atMs }]) => ({ key, left, agoMs: clock.monotonicMs() - atMs })),
  });
  const save = async () => {
    if (!dirty || file === undefined) return;
    dirty = false;
    await file.write(state());
  };
  const saving = clock.every(saveMs, () => void save());

  return {
    admit(attempt, principal) {
      const pair = principal === undefined ? undefined : `${netOf(attempt.address)} ${principal}`;
      // Asked in any case: the same work for right and wrong.
      const spent = isSpent(attempt);
      if (pair === undefined || !(attempt.unguessable === true || known.has(pair))) refuseIfSpent(spent);
      if (pair === undefined) spend(attempt);
      else remember(pair);
    },
    failed(attempt) {
      refuseIfSpent(isSpent(attempt));
      spend(attempt);
    },
    async [Symbol.asyncDispose]() {
      saving[Symbol.dispose]();
      await save();
    },
  };
}
