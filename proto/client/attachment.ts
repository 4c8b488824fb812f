/** A viewing that survives: it opens a call, yields its events, and opens another where the first was lost. */

import { Code, ConnectError } from "@connectrpc/connect";
import type { AttachmentEvent, Beginning, ViewEvent, ViewPosition } from "./events.ts";
import { faultOf, isLostCall } from "./faults.ts";
import { backOffMs, pauseFor } from "./pause.ts";
import { createTrack } from "./track.ts";

/** What one connection says: first how the view begins, perhaps with its key frame, then events. */
export type LineMessage = ViewEvent | { readonly begin: Beginning; readonly frame?: ViewEvent };

/** One kind of call, Shell or Watch, as the survival needs it. */
export interface Line {
  /** Makes the call anew. `again` is the session to take up; undefined for the first call. */
  open(again: string | undefined, from: ViewPosition | undefined, signal: AbortSignal): AsyncIterable<LineMessage>;
  /** The call has begun its view. */
  connected?(at: Beginning): void;
  /** The call is over, whatever the reason, or has had its last word; may be told twice. */
  lost?(): void;
  /** Input thrown away since last asked. */
  takeDiscardedBytes?(): number;
}

export interface SurvivalOptions {
  /** Aborting ends the viewing quietly; a shell is then detached and kept for its grace time. */
  readonly signal?: AbortSignal | undefined;
  /** False: the first loss is thrown. For callers that need every byte exactly once. Default true. */
  readonly reconnect?: boolean | undefined;
  /** Asked before each further attempt: true has the whole screen sent, false the bytes since the last. Default false. */
  readonly wholeScreen?: (() => boolean) | undefined;
  /** How long to try after a loss, for a viewing without a grace time of its own. Default 10 minutes. */
  readonly keepTryingMs?: number | undefined;
  /**
   * True: a first call that reached another node than the session's, or heard that this is away, is made again as after a
   * loss. Default false.
   */
  readonly keepKnocking?: boolean | undefined;
  /** A call without a first message for this long counts as lost. Default 15 s. */
  readonly firstMessageMs?: number | undefined;
  /** Waits before a further attempt; may resolve early ("try now"), must not reject. Default: waits. */
  readonly pause?: ((waitMs: number, signal: AbortSignal) => Promise<void>) | undefined;
  /** 0 to 1; for tests. */
  readonly random?: (() => number) | undefined;
}

/** After the last word the server ends the call; one that does not is ended from here. */
const hearingMs = 1_000;
/** A connection that held this long starts the back-off from the beginning when it is lost. */
const steadyMs = 5_000;

/**
 * The events of the viewing in the session's order, each output byte once: `started` first (prompts and notices of a
 * login may come before), `ended` last. After a loss it yields `reconnecting` before each attempt and `reconnected`
 * with the first success. Output missing in between makes it ask for the whole screen.
 *
 * Throws the call's error (see `faultOf`) when the server refused, when the loss came before `started`, and when the
 * time to reconnect is over. That another node has the session is no refusal, but a connection that came to the wrong place. Nothing is retried after `ended`, whatever its cause. Leaving the loop, or aborting, ends
 * the call.
 */
export async function* survive(line: Line, options: SurvivalOptions): AsyncGenerator<AttachmentEvent, void, void> {
  const own = options.signal ?? new AbortController().signal;
  const track = createTrack();
  let started: Beginning | undefined;
  /** The session is somewhere: a node has said so, or had it. */
  let known = false;
  let lostAtMs: number | undefined;
  let attempt = 0;

  while (!own.aborted) {
    const call = new AbortController();
    const stop = () => call.abort(own.reason);
    own.addEventListener("abort", stop, { once: true });
    const silence = new ConnectError("The server did not answer in time.", Code.DeadlineExceeded);
    const firstMessage = setTimeout(() => call.abort(silence), options.firstMessageMs ?? 15_000);
    let failure: unknown = new ConnectError("The server closed the call without a word.", Code.Unavailable);
    let begunAtMs: number | undefined;
    let over = false;
    let hearing: ReturnType<typeof setTimeout> | undefined;
    try {
      const from = started !== undefined && options.wholeScreen?.() ? undefined : track.position();
      for await (const message of line.open(started?.session.id, from, call.signal)) {
        clearTimeout(firstMessage);
        if ("begin" in message) {
          const { begin, frame } = message;
          track.begin(begin.position, begin.resumed);
          line.connected?.(begin);
          begunAtMs = performance.now();
          if (started === undefined) yield { kind: "started", ...begin };
          else yield { kind: "reconnected", discardedBytes: line.takeDiscardedBytes?.() ?? 0, ...begin };
          started = begin;
          known = true;
          lostAtMs = undefined;
          if (frame !== undefined) {
            track.take(frame);
            yield frame;
          }
          continue;
        }
        if (message.kind === "ended") line.lost?.();
        const event = track.take(message);
        if (event === "hole") throw new ConnectError("Output is missing in the stream.", Code.Unavailable);
        if (event !== undefined) yield event;
        if (message.kind !== "ended") continue;
        // Read on to the call's own end: only so does the server know that the last word was heard.
        over = true;
        hearing = setTimeout(() => call.abort(), hearingMs);
      }
      if (over) return;
    } catch (error) {
      if (over) return;
      failure = call.signal.reason === silence ? silence : error;
    } finally {
      clearTimeout(firstMessage);
      clearTimeout(hearing);
      own.removeEventListener("abort", stop);
      // Leaving the loop over a client stream does not cancel its call; this does.
      call.abort();
      line.lost?.();
    }

    if (own.aborted) return;
    const nowMs = performance.now();
    lostAtMs ??= nowMs;
    if (begunAtMs !== undefined && nowMs - begunAtMs >= steadyMs) attempt = 0;
    attempt += 1;
    const waitMs = backOffMs(attempt, options.random);
    const fault = faultOf(failure);
    const elsewhere = fault.word === "not-here" || fault.word === "holder-unreachable";
    known ||= elsewhere && options.keepKnocking === true;
    const limitMs = started?.graceMs || (options.keepTryingMs ?? 600_000);
    const givenUp = !known || options.reconnect === false || nowMs + waitMs - lostAtMs > limitMs;
    if (givenUp || !(elsewhere || isLostCall(failure))) throw failure;
    yield { kind: "reconnecting", attempt, waitMs, fault };
    await (options.pause ?? pauseFor)(waitMs, own);
  }
}
