/** What a terminal's parser comes by that tells where lines and prompts begin and end. */
import type { Terminal } from "@xterm/headless";
import { markNumbers, type ShellMark, shellMarks } from "./shell-marks.ts";

export interface LineSigns {
  /** A line editor begins or ends reading (bracketed paste). */
  editor(on: boolean): void;
  /** The prompt is drawn anew at the top. */
  cleared(): void;
  said(mark: ShellMark): void;
  lineFeed(): void;
}

/** Listens for as long as the terminal lives. */
export function listenToLines(terminal: Terminal, signs: LineSigns): void {
  const { parser } = terminal;
  const mode = (params: (number | number[])[], on: boolean) => {
    if (params.includes(2004)) signs.editor(on);
    return false;
  };
  parser.registerCsiHandler({ prefix: "?", final: "h" }, (params) => mode(params, true));
  parser.registerCsiHandler({ prefix: "?", final: "l" }, (params) => mode(params, false));
  parser.registerCsiHandler({ final: "J" }, (params) => {
    const { cursorX, cursorY } = terminal.buffer.active;
    if (params[0] === 2 || params[0] === 3 || (params[0] === 0 && cursorX === 0 && cursorY === 0)) signs.cleared();
    return false;
  });
  for (const number of markNumbers) {
    parser.registerOscHandler(number, (data) => {
      for (const mark of shellMarks(number, data)) signs.said(mark);
      return false;
    });
  }
  // A terminal keeps a marker for each link, and looks through all of them.
  parser.registerOscHandler(8, () => true);
  terminal.onLineFeed(() => signs.lineFeed());
}
