/** The keyboard of one operator's stream: passes on what it is given, while the stream still has the right to. */
import { BartizanFault } from "../errors.ts";
import type { TermSize } from "../events.ts";
import type { PtyChannel } from "../target/target.ts";
import type { Seat } from "./desk.ts";
import type { Keyboard } from "./live-session.ts";

const interruptKey = 0x03;

export interface SeatKeyboardNeeds {
  /** Undefined from the moment the seat has the keyboard no longer. */
  readonly pty: () => PtyChannel | undefined;
  /** Ctrl-C was typed: it must be seen to work in a flood. */
  readonly interrupt: () => void;
  /** At once, whatever waits: acknowledgements in the same stream must not stand behind input. */
  readonly send: (pty: PtyChannel, input: Uint8Array) => Promise<void>;
  readonly resize: (size: TermSize) => void;
  readonly hangUp: () => void;
}

export function createSeatKeyboard({ viewer }: Seat, need: SeatKeyboardNeeds): Keyboard {
  const check = () => {
    const pty = need.pty();
    if (pty !== undefined) return pty;
    throw new BartizanFault("keyboard-taken", "This stream no longer has the keyboard.");
  };
  return {
    get valid() {
      return need.pty() !== undefined;
    },
    write: async (input) => {
      const pty = check();
      viewer.hurry();
      if (input.length <= 16 && input.includes(interruptKey)) need.interrupt();
      return need.send(pty, input);
    },
    resize: (size) => {
      check();
      need.resize(size);
    },
    hangUp: () => {
      check();
      need.hangUp();
    },
  };
}
