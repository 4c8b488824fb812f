/** A watched screen in a window of another size: a model of the whole, of which the part around the cursor is drawn. */

import unicode11 from "@xterm/addon-unicode11";
import xterm from "@xterm/headless";
import { clampCsiCounts } from "../proto/client/csi-clamps.ts";
import type { Size } from "../proto/client/events.ts";
import { cellStyle, cellText, plainStyle } from "./cell-style.ts";

export interface Crop extends Disposable {
  /** Resolves when the model has the bytes: the reader's pace. */
  write(bytes: Uint8Array): Promise<void>;
  /** The watched terminal's size. */
  resize(size: Size): void;
  /**
   * What to send to a window of `window` so that it shows the screen, changed rows only; "" when nothing changed.
   * `notice` gets the columns there are for it, and is written into the last line when the screen leaves one free or is cut anyway, and with `urgent` also
   * over the last line of a screen that fits exactly.
   */
  draw(window: Size, notice: (cropped: boolean, cols: number) => string, urgent?: boolean): string;
  /** The next `draw` draws everything: the window was changed by others. */
  forget(): void;
}

/** The model answers nothing: what xterm.js would reply to the program goes nowhere. */
export function openCrop(size: Size): Crop {
  const terminal = new xterm.Terminal({ ...size, scrollback: 0, allowProposedApi: true, logLevel: "off" });
  // The widths that the server's own model has, or key frames would not fit.
  terminal.loadAddon(new unicode11.Unicode11Addon());
  terminal.unicode.activeVersion = "11";
  const clamps = clampCsiCounts(terminal);
  let cursorShown = true;
  let shown: string[] = [];
  let shownWindow = "";
  let lastPlace = "";
  // The public API does not tell whether the cursor is visible.
  const cursor = (show: boolean) => (parameters: (number | number[])[]) => {
    if (parameters.includes(25)) cursorShown = show;
    return false;
  };
  const softReset = () => {
    cursorShown = true;
    return false;
  };
  const handlers = [
    terminal.parser.registerCsiHandler({ prefix: "?", final: "h" }, cursor(true)),
    terminal.parser.registerCsiHandler({ prefix: "?", final: "l" }, cursor(false)),
    terminal.parser.registerCsiHandler({ intermediates: "!", final: "p" }, softReset),
    terminal.parser.registerEscHandler({ final: "c" }, softReset),
  ];

  function row(y: number, left: number, width: number): string {
    const line = terminal.buffer.active.getLine(terminal.buffer.active.baseY + y);
    if (line === undefined) return "";
    let text = "";
    let style = plainStyle;
    let blanks = 0;
    for (let x = left; x < left + width; x += 1) {
      const cell = line.getCell(x);
      if (cell === undefined) break;
      const cells = cell.getWidth();
      // The right half of a wide character: drawn with its left half, or cut off by the left edge.
      if (cells === 0 && x > left) continue;
      const next = cellStyle(cell);
      const chars = cells === 0 || x + cells > left + width ? " " : cellText(cell);
      // Blanks at the end of a line need not be sent: it was cleared before.
      if (chars === " " && next === plainStyle) {
        blanks += 1;
        continue;
      }
      if (blanks > 0) text += (style === plainStyle ? "" : plainStyle) + " ".repeat(blanks);
      if (blanks > 0) style = plainStyle;
      blanks = 0;
      text += next === style ? chars : next + chars;
      style = next;
    }
    return text + plainStyle;
  }

  return {
    write: (bytes) => new Promise((resolve) => terminal.write(bytes, resolve)),
    resize: ({ cols, rows }) => terminal.resize(cols, rows),
    forget() {
      shown = [];
      shownWindow = "";
    },
    draw(window, notice, urgent = false) {
      const cropped = window.cols < terminal.cols || window.rows < terminal.rows;
      const noticed = cropped || window.rows > terminal.rows;
      const rows = Math.max(1, Math.min(terminal.rows, noticed ? window.rows - 1 : window.rows));
      const cols = Math.min(terminal.cols, window.cols);
      const { cursorX, cursorY } = terminal.buffer.active;
      const top = Math.max(0, Math.min(terminal.rows - rows, cursorY - rows + 1));
      const left = Math.max(0, Math.min(terminal.cols - cols, cursorX - cols + 1));
      const lines = Array.from({ length: rows }, (_, y) => row(top + y, left, cols));
      if (noticed) {
        while (lines.length < window.rows - 1) lines.push("");
      } else if (urgent) lines.pop();
      if (noticed || urgent) {
        const room = Math.max(0, window.cols - 1);
        lines.push(`\x1b[7m${notice(cropped, room).slice(0, room)}\x1b[m`);
      }
      const key = `${window.cols}x${window.rows}`;
      let out = "";
      if (key !== shownWindow) {
        shown = [];
        shownWindow = key;
        out = "\x1b[m\x1b[2J";
      }
      lines.forEach((line, y) => {
        if (shown[y] !== line) out += `\x1b[${y + 1};1H\x1b[m\x1b[K${line}`;
      });
      shown = lines;
      const x = Math.min(cursorX - left, cols - 1) + 1;
      const place = `\x1b[${cursorY - top + 1};${x}H\x1b[?25${cursorShown ? "h" : "l"}`;
      const changed = out !== "" || place !== lastPlace;
      lastPlace = place;
      return changed ? `\x1b[?25l${out}${place}` : "";
    },
    [Symbol.dispose]() {
      for (const handler of handlers) handler.dispose();
      clamps[Symbol.dispose]();
      terminal.dispose();
    },
  };
}
