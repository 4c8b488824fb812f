/** What is fuzzed, and how a finding is told. */
import type { Random } from "../support/random.ts";

export interface Subject extends AsyncDisposable {
  readonly name: string;
  /** How many steps may run at once. */
  readonly atOnce: number;
  /** One input. Throws `Finding` for a crash, a hang, or a change where there must be none. */
  step(random: Random): Promise<void>;
  /** Asked now and then, and at the end: what a step alone does not see. */
  check(): Promise<void>;
  /** Memory of whatever takes the inputs. */
  rssBytes(): number;
}

/** `input`: what brought it about, when that is known. */
export class Finding extends Error {
  override readonly name = "Finding";
  readonly input: Uint8Array | undefined;
  constructor(message: string, input?: Uint8Array, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.input = input;
  }
}

const ownNames = (of: object) => Object.getOwnPropertyNames(of).length;
const [objectNames, arrayNames] = [ownNames(Object.prototype), ownNames(Array.prototype)];

/** Throws when something has been put on what every object inherits. */
export function assertPrototypes(input?: Uint8Array): void {
  if (ownNames(Object.prototype) !== objectNames || ownNames(Array.prototype) !== arrayNames)
    throw new Finding("a prototype was changed", input);
}

/** Longer than this without giving others a turn is a hang; the machine may be busy with others, so it is its own time. */
export const hangMs = 1_000;

/** Runs what takes no turns; throws `Finding` for a hang. */
export function timed<T>(input: Uint8Array, run: () => T): T {
  const before = process.threadCpuUsage();
  const result = run();
  const used = process.threadCpuUsage(before);
  const ms = (used.user + used.system) / 1000;
  if (ms > hangMs) throw new Finding(`it took ${Math.round(ms)} ms`, input);
  return result;
}
