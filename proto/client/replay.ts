/** A recording as events, from any time on: the past in the same words as a live view. Comes back after a lost connection. */

import { Code, ConnectError } from "@connectrpc/connect";
import type { Recording, ReplayResponse } from "../gen/bartizan/v1/recording_pb.ts";
import type { RecordingClient } from "./clients.ts";
import { fromReplay, type ViewEvent } from "./events.ts";
import { isLostCall } from "./faults.ts";
import { backOffMs, pauseFor } from "./pause.ts";
import { createTrack } from "./track.ts";

type Shown = Exclude<ViewEvent, { kind: "prompt" | "latency" | "notice" | "command" | "freeze" }>;

export type ReplayEvent =
  /** Once, first: the recording as it was known then. The key frame follows. */
  | { readonly kind: "started"; readonly recording: Recording }
  | Shown
  /** Last: the session still runs, and `openWatch` from this position goes on. */
  | { readonly kind: "live-edge"; readonly offset: number; readonly atMs: number };

export interface ReplayOptions {
  /** The recording's id, or its session's. */
  readonly id: string;
  /** The view begins with the newest screen at or before this time; what lies between is to be drawn at once. Default 0. */
  readonly fromMs?: number | undefined;
  /** Aborting ends the replay quietly. */
  readonly signal?: AbortSignal | undefined;
  /** How often a lost call is made again without anything new. Default 5. */
  readonly attempts?: number | undefined;
}

/**
 * To be iterated once, as fast as it is wanted: `createPlayer` keeps the time. `started` and a key frame first, then
 * everything in order, each output byte once, also over a lost connection; `ended` or `live-edge` last. Throws the
 * call's error (see `faultOf`). Leaving the loop ends the call.
 */
export async function* openReplay(
  client: RecordingClient,
  options: ReplayOptions,
): AsyncGenerator<ReplayEvent, void, void> {
  const own = options.signal ?? new AbortController().signal;
  const track = createTrack();
  let begun = false;
  let seenMs = -1;
  let offset = 0;
  for (let attempt = 0; !own.aborted; ) {
    const call = new AbortController();
    const again = begun;
    const stop = () => call.abort(own.reason);
    own.addEventListener("abort", stop, { once: true });
    try {
      const fromMs = Math.max(0, Math.floor(again ? seenMs : (options.fromMs ?? 0)));
      const request = { id: options.id, fromMs: BigInt(fromMs) };
      for await (const message of client.replay(request, { signal: call.signal, timeoutMs: 0 })) {
        const state = stateOf(message);
        if (state !== undefined && !begun) yield { kind: "started", recording: state };
        const event = fromReplay(message);
        if (event === undefined) continue;
        // Made again, the call begins with a screen that was shown and with events that were.
        const shown = again && (state !== undefined || event.atMs < seenMs || event.offset < offset);
        if (shown && event.kind !== "output") continue;
        const fresh = event.kind === "live-edge" ? event : (track.take(event) as Shown | "hole" | undefined);
        if (fresh === "hole") throw new ConnectError("Output is missing in the stream.", Code.Unavailable);
        begun = true;
        if (fresh === undefined) continue;
        attempt = 0;
        seenMs = Math.max(seenMs, event.atMs);
        offset = Math.max(offset, fresh.kind === "output" ? fresh.offset + fresh.bytes.length : event.offset);
        yield fresh;
        if (event.kind === "ended" || event.kind === "live-edge") return;
      }
      throw new ConnectError("The server closed the call without a last word.", Code.Unavailable);
    } catch (error) {
      if (own.aborted) return;
      attempt += 1;
      if (!begun || !isLostCall(error) || attempt > (options.attempts ?? 5)) throw error;
      await pauseFor(backOffMs(attempt), own);
    } finally {
      own.removeEventListener("abort", stop);
      // Leaving the loop over a client stream does not cancel its call; this does.
      call.abort();
    }
  }
}

function stateOf({ event }: ReplayResponse): Recording | undefined {
  return event.case === "state" ? event.value.recording : undefined;
}
