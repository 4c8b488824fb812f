/** What the screen pool and its worker threads say to each other. */
import type { TermSize } from "../events.ts";

/** Bytes and resizes to bring a screen forward by, from a key frame to the next. */
export interface Job {
  readonly kind: "job";
  readonly id: number;
  /** Which screen; above 0. */
  readonly session: number;
  /** The state to start from: a live terminal with this serial, or `base` in a terminal of `size`. */
  readonly baseSerial: number;
  readonly base: Uint8Array;
  readonly approximate: boolean;
  readonly size: TermSize;
  /** The serial of the state afterwards. */
  readonly serial: number;
  readonly bytes: Uint8Array;
  /** In order; `at` counts bytes of `bytes` before the resize. */
  readonly resizes: readonly { readonly at: number; readonly size: TermSize }[];
}

export type ToWorker = Job | { readonly kind: "close"; readonly session: number };

export type FromWorker =
  | { readonly kind: "ready" }
  | {
      readonly kind: "done";
      readonly id: number;
      readonly bytes: Uint8Array;
      readonly approximate: boolean;
      readonly steady: boolean;
    }
  /** The job cost more than its budget, or the emulator threw. */
  | { readonly kind: "gave-up"; readonly id: number };

/** Slots of the shared counter: slices begun and ended, and the session at work (0: none). */
export const beat = { count: 0, session: 1 } as const;

export interface WorkerSetup {
  readonly beats: Int32Array;
  /** Processor time that one job may take. */
  readonly budgetMs: number;
}
