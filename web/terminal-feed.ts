/** Brings the events of a viewing into an xterm.js terminal, in order, and tells how far it has parsed them. */

import type { Terminal } from "@xterm/xterm";
import type { AttachmentEvent, Size } from "../proto/client/events.ts";

/** A reader that asks `ready` never has more than this waiting; xterm.js itself throws at 50 MB. */
const enoughBytes = 262_144; // 256 KiB

/** Disposing drops what was not handed to the terminal yet. */
export interface Feed extends Disposable {
  /** Takes output, key frames and resizes; other events are not for the screen. The bytes must not change afterwards. */
  show(event: AttachmentEvent): void;
  /** Resolves when little enough waits to be parsed. A reader that awaits it before its next event keeps memory flat. */
  ready(): Promise<void>;
  /** A key frame is being drawn, not merely waiting: what the terminal answers now, it answers to nobody. */
  drawing(): boolean;
}

export interface FeedOptions {
  /** Called in the order of the output, after the bytes before `offset` were parsed. */
  readonly onParsed: (offset: number) => void;
  /** The size that the session's terminal has from here on, before the bytes that need it. */
  readonly onSize: (size: Size, withFrame: boolean) => void;
  /** The whole screen was replaced. */
  readonly onFrame: () => void;
  /** True: gathers what came within one picture of the display, for many small terminals. */
  readonly perFrame: boolean;
  /** True while nobody can see the page. */
  readonly inBackground: () => boolean;
}

/** The terminal stays the caller's. */
export function createFeed(terminal: Terminal, options: FeedOptions): Feed {
  let waitingBytes = 0;
  let drawing = false;
  let gathered: Uint8Array[] = [];
  let gatheredTo = 0;
  let gatheredBytes = 0;
  let picture = 0;
  let wake: (() => void)[] = [];

  function write(bytes: Uint8Array, parsed: () => void): void {
    waitingBytes += bytes.length;
    if (options.inBackground()) parseAtOnce(terminal);
    terminal.write(bytes, () => {
      waitingBytes -= bytes.length;
      parsed();
      if (waitingBytes > enoughBytes) return;
      const ready = wake;
      wake = [];
      for (const each of ready) each();
    });
  }

  function flush(): void {
    if (picture !== 0) cancelAnimationFrame(picture);
    picture = 0;
    if (gathered.length === 0) return;
    const [only] = gathered;
    const bytes = gathered.length === 1 && only !== undefined ? only : joined(gathered, gatheredBytes);
    const to = gatheredTo;
    gathered = [];
    gatheredBytes = 0;
    write(bytes, () => options.onParsed(to));
  }

  return {
    show(event) {
      switch (event.kind) {
        case "output": {
          const to = event.offset + event.bytes.length;
          if (!options.perFrame) return write(event.bytes, () => options.onParsed(to));
          gathered.push(event.bytes);
          gatheredBytes += event.bytes.length;
          gatheredTo = to;
          // A page in the background draws no pictures: what is gathered has a bound of its own.
          if (gatheredBytes > enoughBytes / 4) flush();
          else if (picture === 0) picture = requestAnimationFrame(flush);
          return;
        }
        case "key-frame":
          gathered = [];
          gatheredBytes = 0;
          // xterm.js resizes at once, even over writes that wait: the size goes through the queue as well. What the
          // terminal answers to the output before the frame is still meant: it is deaf only from here.
          terminal.write("", () => {
            drawing = true;
            options.onSize(event.size, true);
          });
          return write(event.bytes, () => {
            drawing = false;
            options.onParsed(event.offset);
            options.onFrame();
          });
        case "resized":
          flush();
          terminal.write("", () => options.onSize(event.size, false));
          return;
        default:
          return;
      }
    },
    ready() {
      if (waitingBytes <= enoughBytes) return Promise.resolve();
      return new Promise((resolve) => wake.push(resolve));
    },
    drawing: () => drawing,
    [Symbol.dispose]() {
      if (picture !== 0) cancelAnimationFrame(picture);
      gathered = [];
      for (const each of wake.splice(0)) each();
    },
  };
}

/**
 * Browsers slow the timers of hidden pages, down to one a minute; xterm.js parses by timer, so a build in a background
 * tab would stand still for want of acknowledgements. After user input it parses the next write without a timer.
 */
function parseAtOnce(terminal: Terminal): void {
  const { _core: core } = terminal as { _core?: { _writeBuffer?: { handleUserInput?(): void } } };
  core?._writeBuffer?.handleUserInput?.();
}

function joined(parts: readonly Uint8Array[], bytes: number): Uint8Array {
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
