/** What the command pool and its worker thread say to each other. */
import type { CommandSeen, TermSize } from "../events.ts";

/** One event of a batch; its bytes are the next `length` of the batch's. */
export type PackedEvent =
  | { readonly kind: "output"; readonly atMs: number; readonly length: number }
  | { readonly kind: "input"; readonly atMs: number; readonly length: number }
  | { readonly kind: "resize"; readonly atMs: number; readonly size: TermSize }
  | { readonly kind: "skip"; readonly atMs: number; readonly bytes: number }
  | { readonly kind: "gap"; readonly atMs: number; readonly bytes: number; readonly alternate: boolean | undefined };

export interface FeedJob {
  readonly kind: "feed";
  /** Above 0. */
  readonly session: number;
  /** A new extractor is to be made, with what came before it. */
  readonly start: { readonly size: TermSize; readonly commands: number; readonly offset: number } | undefined;
  readonly events: readonly PackedEvent[];
  readonly bytes: Uint8Array;
  /** The session is over. */
  readonly last: boolean;
}

export type ToWorker = FeedJob | { readonly kind: "close"; readonly session: number };

export type FromWorker =
  | { readonly kind: "ready" }
  /** The batch is done. `steady`: plain output may be shortened now. */
  | {
      readonly kind: "done";
      readonly session: number;
      readonly commands: readonly CommandSeen[];
      readonly steady: boolean;
    }
  /** The batch cost more than its budget, or the emulator threw: the extractor is gone. */
  | { readonly kind: "gave-up"; readonly session: number };

/** Slots of the shared counter: slices begun, and the session at work (0: none). */
export const beat = { count: 0, session: 1 } as const;

export interface WorkerSetup {
  readonly beats: Int32Array;
  /** What one batch may take. */
  readonly budgetMs: number;
}
