/** What an operator sends before his shell is open, kept for it: answers to prompts must not stand behind it. */
import type { ShellRequest } from "../../proto/gen/bartizan/v1/session_pb.ts";
import { BartizanFault } from "../errors.ts";

type Event = ShellRequest["event"];

const maxInputBytes = 256 * 1024;
const maxMessages = 1000;

export interface TypedAhead {
  /** Throws `limit` for more than 256 KiB or 1000 messages. Of sizes only the last is kept. */
  keep(event: Event): void;
  /** Everything kept, in order; a size first. */
  take(): Event[];
}

export function createTypedAhead(): TypedAhead {
  let size: Event | undefined;
  let events: Event[] = [];
  let bytes = 0;
  return {
    keep(event) {
      if (event.case === "resize") {
        size = event;
        return;
      }
      if (event.case === "input") bytes += event.value.length;
      events.push(event);
      if (bytes > maxInputBytes || events.length > maxMessages)
        throw new BartizanFault("limit", "Too much was typed before the shell is open.", "Wait for `started`.");
    },
    take() {
      const all = size === undefined ? events : [size, ...events];
      events = [];
      size = undefined;
      return all;
    },
  };
}
