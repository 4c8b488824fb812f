/** A session's whole life as one function: dial, pump the output to whoever looks, end for exactly one cause. */
import type { EndCause, TermSize } from "../events.ts";
import { linked } from "../flow/life.ts";
import type { Ask, Dial, PtyChannel, Target } from "../target/target.ts";

/** Why a session is to end: the reason of the signal that ends it. */
export class EndOrder {
  readonly cause: EndCause;
  constructor(cause: EndCause) {
    this.cause = cause;
  }
}

export interface HoldNeeds {
  /** Begins the recording: no recorder, no shell. Rejects before anything is dialled. */
  readonly record: () => Promise<void>;
  readonly dial: Dial;
  readonly ask: Ask;
  /** Gives the dialling up, and nothing after it: the operator who waits for it is gone. */
  readonly patience: AbortSignal;
  /** Ends the session; its reason is an `EndOrder`. */
  readonly stop: AbortSignal;
  /** The pty is there: the session may be seen. */
  readonly opened: (pty: PtyChannel) => void;
  /** Takes output over, in order. undefined, or what to wait for before the next. Must not throw, and never rejects. */
  readonly publish: (bytes: Uint8Array) => Promise<void> | undefined;
  /** Undefined: go on. Else the target waits until it resolves; it never rejects. */
  readonly ready: (signal: AbortSignal) => Promise<void> | undefined;
}

/**
 * Rejects only when recording or dialling failed (a BartizanFault, or the reason of `patience` or `stop`); after `opened` it
 * resolves with the cause, once the channel to the target is closed.
 */
export async function hold(target: Target, size: TermSize, need: HoldNeeds): Promise<EndCause> {
  await need.record();
  await using pty = await dialled(target, size, need);
  // Hanging up ends `output`, and with it the loop: a stop needs no second way out.
  const hangUp = () => void pty[Symbol.asyncDispose]();
  need.stop.addEventListener("abort", hangUp, { once: true });
  try {
    if (need.stop.aborted) hangUp();
    need.opened(pty);
    for await (const bytes of pty.output) {
      if (need.stop.aborted) break;
      const written = need.publish(bytes);
      if (written !== undefined) await written;
      const wait = need.ready(need.stop);
      if (wait !== undefined) await wait;
    }
    if (!need.stop.aborted) return await pty.done;
  } finally {
    need.stop.removeEventListener("abort", hangUp);
  }
  return need.stop.reason instanceof EndOrder ? need.stop.reason.cause : { kind: "closed", why: "fault" };
}

async function dialled(target: Target, size: TermSize, need: HoldNeeds): Promise<PtyChannel> {
  using either = linked(need.stop, need.patience);
  return await need.dial(target, size, need.ask, either.signal);
}
