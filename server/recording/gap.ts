/** A time in which a best-effort session is not recorded: why, when it is tried again, and what comes while it is. */
import type { Notice, SessionEvent } from "../events.ts";
import type { Clock } from "../flow/clock.ts";

export type Appended = SessionEvent | (Notice & { readonly atMs: number });

const retryMs = 3000;
/** More than this is not kept while the screen is on its way: then it is tried anew. */
const maxKeptBytes = 1024 * 1024;
/** What an event costs beside its output. */
const eventBytes = 200;

export class Gap {
  readonly reason: string;
  #retry: Disposable | undefined;
  #kept: Appended[] | undefined;
  #keptBytes = 0;

  constructor(reason: string) {
    this.reason = reason;
  }

  /** Calls once, in a while, unless cancelled. */
  later(clock: Clock, call: () => void): void {
    this.#kept = undefined;
    this.#retry = clock.after(retryMs, call);
  }

  cancel(): void {
    this.#retry?.[Symbol.dispose]();
    this.#kept = undefined;
  }

  /** From here on events are kept ... */
  begin(): void {
    this.#kept = [];
    this.#keptBytes = 0;
  }

  keep(event: Appended): void {
    if (this.#kept === undefined) return;
    this.#kept.push(event);
    this.#keptBytes += eventBytes + (event.kind === "output" ? event.bytes.length : 0);
    if (this.#keptBytes > maxKeptBytes) this.#kept = undefined;
  }

  /** ... and these are all of them; undefined when they were too many. */
  get kept(): readonly Appended[] | undefined {
    return this.#kept;
  }
}
