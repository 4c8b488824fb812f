/** Recorded before shown, in one order: whatever happens in a session goes through here. */
import type { Notice, SessionEvent } from "../events.ts";
import type { Clock } from "../flow/clock.ts";
import type { Recorder } from "../recording/recording.ts";

const stalledMs = 2000;

/** What is recorded, and then shown to those attached. */
export type Recorded = SessionEvent | (Notice & { readonly atMs: number });

export interface RecordedOrderNeeds {
  /** Undefined: nothing is recorded. */
  readonly recorder: () => Recorder | undefined;
  /** Everything of the past is shown, and this is recorded. */
  readonly show: (event: Recorded) => void;
  readonly clock: Clock;
  /** Nothing was written for two seconds although something waits: the disk is slow. */
  readonly stalled: () => void;
  /** This, and what follows, cannot be recorded and is not shown. */
  readonly lost: (error: unknown) => void;
}

export class RecordedOrder {
  readonly #needs: RecordedOrderNeeds;
  /** Events that are on their way into the recording: nobody has seen them. */
  #unwritten = 0;
  #stall: Disposable | undefined;

  constructor(needs: RecordedOrderNeeds) {
    this.#needs = needs;
  }

  /** All that was taken is shown. */
  get settled(): boolean {
    return this.#unwritten === 0;
  }

  /** undefined: shown already. Else resolves when it is, or is lost; never rejects. */
  take(event: Recorded): Promise<void> | undefined {
    let written: Promise<void> | undefined;
    try {
      written = this.#needs.recorder()?.append(event);
    } catch (error) {
      this.#needs.lost(error);
      return undefined;
    }
    if (written !== undefined || !this.settled) return this.#showWritten(event, written);
    this.#needs.show(event);
    return undefined;
  }

  /** The disk's writes come back in their order, and so do those who wait for none behind them. */
  async #showWritten(event: Recorded, written: Promise<void> | undefined): Promise<void> {
    this.#unwritten += 1;
    this.#stall ??= this.#needs.clock.after(stalledMs, this.#needs.stalled);
    try {
      await written;
    } catch (error) {
      this.#needs.lost(error);
      return;
    } finally {
      this.#unwritten -= 1;
      this.#stall?.[Symbol.dispose]();
      this.#stall = this.settled ? undefined : this.#needs.clock.after(stalledMs, this.#needs.stalled);
    }
    this.#needs.show(event);
  }
}
