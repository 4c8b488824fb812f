/** Keys of the local terminal, given to one taker at a time: a question, then the shell. */

import { openSync } from "node:fs";
import type { ReadStream } from "node:tty";
import { openRawMode, openTerminalInput } from "./tty.ts";

/** Takes typed bytes; a promise holds back further keys until it resolves. */
export type KeyTaker = (bytes: Uint8Array) => Promise<unknown> | undefined;

export interface TerminalInput extends AsyncDisposable {
  /** From now on keys go to `taker`, until another is set; without one they are thrown away. */
  giveTo(taker: KeyTaker | undefined): void;
}

/**
 * Raw mode from here to the disposal, which also throws away what was typed and not yet taken, so that nothing lands
 * in the shell that runs next. `undefined` when there is no terminal at all. `onEnd`: the terminal is gone.
 */
export function openTerminalKeys(farewell: () => string, onEnd: () => void): TerminalInput | undefined {
  const input = openTerminalInput((path) => openSync(path, "r+"));
  if (input === undefined) return undefined;
  const raw = openRawMode(input, farewell);
  let taker: KeyTaker | undefined;
  const onData = (bytes: Uint8Array) => {
    const wait = taker?.(bytes);
    if (wait instanceof Promise) {
      input.pause();
      wait.finally(() => input.resume());
    }
  };
  input.on("data", onData);
  input.on("end", onEnd);
  input.on("error", onEnd);
  input.resume();
  return {
    giveTo(next) {
      taker = next;
    },
    async [Symbol.asyncDispose]() {
      taker = undefined;
      await turn();
      raw[Symbol.dispose]();
      input.off("data", onData);
      input.off("end", onEnd);
      close(input);
    },
  };
}

/** One round of the event loop, its reads included: keys already typed are read, and fall to nobody. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}

function close(input: ReadStream): void {
  input.pause();
  if (input !== process.stdin) input.destroy();
}
