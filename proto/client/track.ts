/** Where a viewing stands in the session's output, and whether the next message fits there. */

import type { ViewEvent, ViewPosition } from "./events.ts";

export interface Track {
  /** What to resume from; undefined asks for a key frame. */
  position(): ViewPosition | undefined;
  /** A connection's view begins here. `resumed`: it goes on where the last one stopped, perhaps a little before. */
  begin(at: ViewPosition, resumed: boolean): void;
  /**
   * The event to show: output that overlaps is cut to its new bytes, output already shown is `undefined`, and "hole"
   * means that bytes are missing: the position is then forgotten.
   */
  take(event: ViewEvent): ViewEvent | "hole" | undefined;
}

export function createTrack(): Track {
  let epoch: string | undefined;
  let next = 0;
  return {
    position: () => (epoch === undefined ? undefined : { epoch, offset: next }),
    begin(at, resumed) {
      if (resumed && at.epoch === epoch) return; // what was shown stays shown: overlap is cut, a gap is a hole
      epoch = at.epoch;
      next = at.offset;
    },
    take(event) {
      if (event.kind === "key-frame") {
        next = event.offset;
        return event;
      }
      if (event.kind !== "output") return event;
      const end = event.offset + event.bytes.length;
      if (event.offset > next) {
        epoch = undefined;
        return "hole";
      }
      if (end <= next) return undefined;
      const known = next - event.offset;
      next = end;
      return known === 0 ? event : { ...event, offset: event.offset + known, bytes: event.bytes.subarray(known) };
    },
  };
}
