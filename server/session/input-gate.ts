/** What every key passes: stops a session's input without ending it, gives it back, and knows when the last one came. */
import type { FreezeWord, Frozen, Principal } from "../events.ts";
import type { Clock } from "../flow/clock.ts";

export interface InputGateNeeds {
  readonly clock: Clock;
  /** To everybody attached. */
  readonly tell: (word: FreezeWord) => void;
  readonly onChange: () => void;
}

/** Output, watchers and the grace time go on as before while input is stopped. */
export class InputGate {
  readonly #needs: InputGateNeeds;
  #frozen: Frozen | undefined;
  readonly #openedAtMs: number;
  #passedAtMs: number;

  constructor(needs: InputGateNeeds) {
    this.#needs = needs;
    this.#openedAtMs = needs.clock.monotonicMs();
    this.#passedAtMs = this.#openedAtMs;
  }

  /** Since the session began. */
  get ageMs(): number {
    return this.#needs.clock.monotonicMs() - this.#openedAtMs;
  }

  get frozen(): Frozen | undefined {
    return this.#frozen;
  }

  /** How long nothing was typed; 0 while nobody may. */
  get idleMs(): number {
    return this.#frozen === undefined ? this.#needs.clock.monotonicMs() - this.#passedAtMs : 0;
  }

  /** Asked for each key: false, it goes nowhere. */
  passes(): boolean {
    if (this.#frozen !== undefined) return false;
    this.#passedAtMs = this.#needs.clock.monotonicMs();
    return true;
  }

  /** From the return on nothing passes that is typed. Who stopped it first stays, with his reason. */
  freeze(by: Principal, reason: string): Frozen {
    if (this.#frozen !== undefined) return this.#frozen;
    this.#frozen = { by, reason, sinceMs: this.#needs.clock.wallMs() };
    this.#changed(by);
    return this.#frozen;
  }

  /** False when nothing was stopped. */
  giveBack(by: Principal): boolean {
    if (this.#frozen === undefined) return false;
    this.#frozen = undefined;
    this.#passedAtMs = this.#needs.clock.monotonicMs();
    this.#changed(by);
    return true;
  }

  #changed(by: Principal): void {
    this.#needs.tell({ kind: "freeze", frozen: this.#frozen, by });
    this.#needs.onChange();
  }
}

/** For the recording. */
export function freezeText({ frozen, by }: FreezeWord): string {
  return frozen === undefined ? `input given back by ${by.name}` : `input stopped by ${by.name}: ${frozen.reason}`;
}

/** For everybody there: what was typed before, and on its way. */
export function recalledText(bytes: number): string {
  return `${bytes} bytes that were typed before had not reached the target yet and were thrown away.`;
}
