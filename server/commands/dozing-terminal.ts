/** A terminal that is put to sleep while nothing happens: awake it costs 160 KB, asleep what its screen takes as bytes. */
import type { Terminal } from "@xterm/headless";
import type { TermSize } from "../events.ts";
import { type CharsetNames, encodeKeyFrame } from "../session/key-frame.ts";
import { canSkip } from "../session/screen-model.ts";
import { type Core, coreOf } from "../session/xterm-internals.ts";
import type { LineMarks, MarkName } from "./line-marks.ts";

interface Awake {
  readonly terminal: Terminal;
  readonly core: Core;
}

interface Asleep {
  readonly size: TermSize;
  readonly bytes: Uint8Array;
  /** Where the marks stood, counted from the cursor's row. */
  readonly rows: ReadonlyMap<MarkName, number>;
}

export interface DozingNeeds {
  readonly newTerminal: (size: TermSize) => Terminal;
  /** Called with every terminal before anything but its own screen is written to it. */
  readonly listen: (terminal: Terminal) => void;
  /** They move with it from terminal to terminal; those above the screen are lost in its sleep. */
  readonly marks: LineMarks;
}

const noColours = { palette: new Map<number, string>(), dynamic: new Map<number, string>() };

/** Wakes by itself when its terminal is asked for. Disposing gives the memory back. */
export class DozingTerminal implements Disposable {
  readonly #needs: DozingNeeds;
  #state: Awake | Asleep;

  constructor(needs: DozingNeeds, size: TermSize) {
    this.#needs = needs;
    this.#state = this.#begin(needs.newTerminal(size));
  }

  get awake(): boolean {
    return "terminal" in this.#state;
  }

  get terminal(): Terminal {
    return this.#wake().terminal;
  }

  get core(): Core {
    return this.#wake().core;
  }

  /** Does nothing in the middle of a sequence, or on the alternate screen. */
  sleep(names: CharsetNames): void {
    if (!("terminal" in this.#state)) return;
    const { terminal, core } = this.#state;
    const { type, baseY, cursorY } = terminal.buffer.active;
    if (type === "alternate" || !canSkip(core)) return;
    const { marks } = this.#needs;
    const rows = new Map<MarkName, number>();
    for (const [name, { line }] of marks.rows) if (line >= baseY) rows.set(name, line - baseY - cursorY);
    const bytes = encodeKeyFrame(core, names, noColours, new Uint8Array(0));
    this.#state = { size: { cols: terminal.cols, rows: terminal.rows }, bytes, rows };
    marks.leave();
    terminal.dispose();
  }

  [Symbol.dispose](): void {
    if ("terminal" in this.#state) this.#state.terminal.dispose();
  }

  #wake(): Awake {
    if ("terminal" in this.#state) return this.#state;
    const { size, bytes, rows } = this.#state;
    const terminal = this.#needs.newTerminal(size);
    coreOf(terminal).writeSync(bytes);
    this.#needs.marks.moveTo(new Map(Array.from(rows, ([name, row]) => [name, terminal.registerMarker(row)])));
    // What its own drawing says is no news.
    this.#state = this.#begin(terminal);
    return this.#state;
  }

  #begin(terminal: Terminal): Awake {
    this.#needs.listen(terminal);
    return { terminal, core: coreOf(terminal) };
  }
}
