/** The local terminal: raw mode, and its restoration on every way out of the process. */

import { writeSync } from "node:fs";
import { isatty, ReadStream } from "node:tty";
import type { Size } from "../proto/client/events.ts";

export const stdinIsTty = (): boolean => isatty(0);
export const stdoutIsTty = (): boolean => isatty(1);

/** The window's size; 80x24 when there is no window. */
export function windowSize(): Size {
  const stream = isatty(1) ? process.stdout : isatty(2) ? process.stderr : undefined;
  const cols = stream?.columns || 80;
  const rows = stream?.rows || 24;
  return { cols: Math.min(cols, 1000), rows: Math.min(rows, 1000) };
}

/** Calls at each change of the window's size until disposed. */
export function onWindowSize(call: (size: Size) => void): Disposable {
  const stream = isatty(1) ? process.stdout : isatty(2) ? process.stderr : undefined;
  const changed = () => call(windowSize());
  stream?.on("resize", changed);
  return { [Symbol.dispose]: () => void stream?.off("resize", changed) };
}

/**
 * Puts the terminal into raw mode. Disposing, a normal exit, an uncaught error: each puts it back, once, and writes
 * `farewell` to it (modes that the far side may have left on). Signals are the caller's: `onSignals` below ends the
 * command in order. After a stop and a continue the raw mode is set again.
 */
export function openRawMode(input: ReadStream, farewell: () => string): Disposable {
  let raw = true;
  const restore = () => {
    if (!raw) return;
    raw = false;
    process.off("exit", restore);
    process.off("SIGCONT", again);
    try {
      input.setRawMode(false);
    } catch {
      // The terminal is gone: nothing is left to restore.
    }
    // At an exit only a synchronous write arrives.
    if (isatty(1)) writeAll(1, farewell());
  };
  const again = () => {
    input.setRawMode(true);
  };
  process.on("exit", restore);
  process.on("SIGCONT", again);
  input.setRawMode(true);
  return { [Symbol.dispose]: restore };
}

function writeAll(fd: number, text: string): void {
  try {
    writeSync(fd, text);
  } catch {
    // A hung-up or stopped terminal takes nothing: the way out must not fail on it.
  }
}

/** The process's stdin as a terminal, or the controlling one when stdin is something else; undefined without any. */
export function openTerminalInput(open: (path: string) => number): ReadStream | undefined {
  if (isatty(0)) return process.stdin as ReadStream;
  try {
    return new ReadStream(open("/dev/tty"));
  } catch {
    return undefined;
  }
}

const endings = ["SIGTERM", "SIGHUP", "SIGINT"] as const;
export type Ending = (typeof endings)[number];

/** Calls at TERM, HUP and INT, which then do not end the process by themselves, until disposed. */
export function onSignals(call: (signal: Ending) => void): Disposable {
  for (const name of endings) process.on(name, call);
  return {
    [Symbol.dispose]() {
      for (const name of endings) process.off(name, call);
    },
  };
}

/**
 * Undoes what a program on the far side may have switched on: soft reset (DECSTR: cursor, scroll region, wrap, keypad,
 * colours), application cursor keys, mouse, focus and paste reports.
 */
export const calmModes =
  "\x1b[!p\x1b[?1l\x1b>\x1b[?9l\x1b[?1000l\x1b[?1001l\x1b[?1002l\x1b[?1003l\x1b[?1004l\x1b[?1005l\x1b[?1006l\x1b[?1015l\x1b[?1016l\x1b[?2004l\x1b[?25h\x1b[m";
