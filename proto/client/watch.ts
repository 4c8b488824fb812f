/** A watcher's viewing of a session that survives a lost connection. It has no way to send anything. */

import { type SurvivalOptions, survive } from "./attachment.ts";
import type { SessionClient } from "./clients.ts";
import { towards } from "./elsewhere.ts";
import { type AttachmentEvent, fromWatch, type ViewPosition } from "./events.ts";

export interface WatchOptions extends SurvivalOptions {
  readonly sessionId: string;
  /** The position after the last output the caller has; without it the view begins with a key frame. */
  readonly from?: ViewPosition | undefined;
}

/**
 * The session's events, to be iterated once; the call is made by the first step and ended by leaving the loop or by
 * `signal`. See `survive` for the order and what it throws. A reader that is slow slows nobody: it gets a key frame.
 */
export function openWatch(client: SessionClient, options: WatchOptions): AsyncIterable<AttachmentEvent> {
  return survive(
    {
      async *open(again, from, signal) {
        const position = again === undefined ? options.from : from;
        const request = {
          sessionId: options.sessionId,
          ...(position === undefined ? {} : { from: { epoch: position.epoch, offset: BigInt(position.offset) } }),
        };
        const headers = towards(options.sessionId);
        for await (const message of client.watch(request, { signal, headers, timeoutMs: 0 })) {
          const plain = fromWatch(message);
          if (plain !== undefined) yield plain;
        }
      },
    },
    options,
  );
}
