/**
 * Finds the commands that were typed, from what the screen showed (between a prompt and the line feed that answers Enter),
 * what was typed (it wins where the screen proves that it was shown), and what the shell says of itself. Knows no threads.
 */
import type { IBuffer, IMarker, Terminal } from "@xterm/headless";
import type { TermSize } from "../events.ts";
import { canSkip } from "../session/screen-model.ts";
import { type Core, coreOf } from "../session/xterm-internals.ts";
import type { FeedEvent } from "./command.ts";
import { CommandLog } from "./command-log.ts";
import { type Expanding, expandedLine } from "./history-expansion.ts";
import { type Anchor, columnOf, type Found, findLine } from "./line-finder.ts";
import { OpenCommand } from "./open-command.ts";
import { KnownPrompts, looksLikeContinuation, looksLikePrompt } from "./prompts.ts";
import { goesOn, joinRows, lineAt, rowText } from "./region.ts";
import { markNumbers, nextSequence, type ShellMark, sequenceLength, shellMarks } from "./shell-marks.ts";
import { hasHistorySigns, pastedCommands } from "./shell-syntax.ts";
import { answerTo } from "./typed-answer.ts";
import { TypedLines } from "./typed-lines.ts";

/** Typed text that is older than this when a key comes at a prompt went to some program. */
const staleMs = 1500;
const maxRows = 300;
const nothingYet = { commands: 0, offset: 0 };

export class Extractor {
  readonly #terminal: Terminal;
  readonly #core: Core;
  readonly #log: CommandLog;
  readonly #typed = new TypedLines();
  readonly #prompts = new KnownPrompts();
  readonly #open: OpenCommand;
  /** Output bytes before the piece that is being parsed. */
  #offset = 0;
  #atMs = 0;
  /** A line editor says that it reads (bracketed paste). */
  #editing = false;
  #knowsEditors = false;
  /** Where the prompt of the line editor began. */
  #promptFrom: IMarker | undefined;
  #promptCol = 0;
  #anchor: Anchor | undefined;
  /** The row in which the last line was entered. */
  #enteredRow: IMarker | undefined;
  /** The next line of output may be what history made of the command. */
  #expanding: Expanding | undefined;
  #wasAlternate = false;
  /** What is being parsed. */
  #piece: Buffer = Buffer.alloc(0);
  /** A line feed came since the last Enter. */
  #fed = false;
  /** Offset after the last line feed. */
  #lineOffset = 0;

  /**
   * The terminal is the extractor's own from here on: with some scrollback, guarded against hostile counts. `after`:
   * what came before, when another extractor began.
   */
  constructor(terminal: Terminal, after: { readonly commands: number; readonly offset: number } = nothingYet) {
    this.#terminal = terminal;
    this.#log = new CommandLog(after.commands);
    this.#open = new OpenCommand(this.#log);
    this.#offset = after.offset;
    this.#core = coreOf(terminal);
    const { parser } = terminal;
    const mode = (params: (number | number[])[], on: boolean) => {
      if (params.includes(2004)) this.#editor(on);
      return false;
    };
    parser.registerCsiHandler({ prefix: "?", final: "h" }, (params) => mode(params, true));
    parser.registerCsiHandler({ prefix: "?", final: "l" }, (params) => mode(params, false));
    parser.registerCsiHandler({ final: "J" }, (params) => {
      // The prompt is drawn anew at the top.
      const { cursorX, cursorY } = this.#buffer;
      if (params[0] === 2 || params[0] === 3 || (params[0] === 0 && cursorX === 0 && cursorY === 0)) this.#cleared();
      return false;
    });
    for (const number of markNumbers) {
      parser.registerOscHandler(number, (data) => {
        if (!this.#alternate) for (const mark of shellMarks(number, data)) this.#said(mark);
        return false;
      });
    }
    // A terminal keeps a marker for each link, and looks through all of them.
    parser.registerOscHandler(8, () => true);
    terminal.onLineFeed(() => this.#lineFeed());
  }

  /** True while plain output may be shortened before it is fed. */
  get steady(): boolean {
    return canSkip(this.#core) && !this.#alternate && this.#expanding === undefined;
  }

  get log(): CommandLog {
    return this.#log;
  }

  feed(event: FeedEvent): void {
    this.#atMs = event.atMs;
    if (event.kind === "output") this.#output(event.bytes);
    else if (event.kind === "input") this.#input(event.bytes);
    else if (event.kind === "resize") this.resize(event.size);
    else if (event.kind === "skip") this.#offset += event.bytes;
    else this.#gap(event.bytes, event.alternate);
  }

  resize({ cols, rows }: TermSize): void {
    this.#terminal.resize(Math.max(2, cols), rows);
  }

  /** The session is over: what was held back is told. */
  end(): void {
    this.#open.flush(this.#prompts);
    this.#typed.clear();
  }

  get #buffer(): IBuffer {
    return this.#terminal.buffer.active;
  }

  get #alternate(): boolean {
    return this.#terminal.buffer.active.type === "alternate";
  }

  get #row(): number {
    return this.#buffer.baseY + this.#buffer.cursorY;
  }

  #mark(rows = 0): IMarker | undefined {
    return this.#alternate ? undefined : this.#terminal.registerMarker(rows);
  }

  /** The cursor's row up to it. Cells that nothing was written to count as blanks. */
  #beforeCursor(): string {
    const { cursorX } = this.#buffer;
    const text = rowText(this.#buffer, this.#row, 0, cursorX);
    let end = text.length;
    while (columnOf(this.#buffer, this.#row, end) < cursorX && end < cursorX) end++;
    return text.padEnd(end);
  }

  /** In pieces that end before each sequence that matters, so that offsets are exact. */
  #output(bytes: Uint8Array): void {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let from = 0; from < buffer.length; ) {
      const piece = buffer.subarray(from, nextSequence(buffer, from + 1));
      this.#piece = piece;
      this.#core.writeSync(piece);
      this.#offset += piece.length;
      from += piece.length;
    }
    const feed = buffer.lastIndexOf(0x0a);
    if (feed >= 0) this.#lineOffset = this.#offset - buffer.length + feed + 1;
    const alternate = this.#alternate;
    if (alternate !== this.#wasAlternate) this.#typed.clear();
    this.#wasAlternate = alternate;
    if (!alternate && !this.#editing) this.#seePlainPrompt();
  }

  #input(bytes: Uint8Array): void {
    if (this.#alternate) return;
    this.#settleAnchor();
    this.#typed.add(bytes, this.#atMs);
    if (bytes.includes(0x0d)) this.#fed = false;
  }

  #gap(bytes: number, alternate: boolean | undefined): void {
    const was = this.#alternate;
    this.#open.flush(this.#prompts);
    this.#core.writeSync(Buffer.from("\x18\x1bc"));
    if (alternate ?? was) this.#core.writeSync(Buffer.from("\x1b[?1049h"));
    this.#offset += bytes;
    this.#editing = false;
    this.#dropAnchor();
    this.#promptFrom = undefined;
    this.#expanding = undefined;
    this.#typed.clear();
  }

  /** Output up to `row` is there: its first line may be the command as history expanded it. */
  #tellExpansion(row: number): void {
    const line = this.#expanding === undefined ? undefined : expandedLine(this.#buffer, this.#expanding, row);
    if (line === undefined) return;
    this.#expanding = undefined;
    if (line !== "") this.#open.retell(line);
  }

  #cleared(): void {
    const row = this.#mark(-this.#buffer.cursorY);
    if (row === undefined) return;
    if (this.#editing) this.#promptFrom = row;
    if (this.#anchor?.sure) this.#anchor = { ...this.#anchor, row };
  }

  /** Before a key is counted: where the cursor rests now is where typing begins, unless typed text is under way. */
  #settleAnchor(): void {
    const typed = this.#typed;
    if (this.#anchor?.sure) return;
    const row = this.#beforeCursor();
    if (!typed.empty) {
      const stale = this.#atMs - (typed.lines.at(-1)?.atMs ?? 0) > staleMs;
      const ended = typed.open === undefined || !typed.open.plain || !row.endsWith(typed.open.text);
      const atKnown = ended && this.#prompts.all.some(({ text }) => text.trimEnd() === row.trimEnd());
      const answered = !this.#editing && this.#fed && typed.open === undefined && looksLikePrompt(row);
      if (!atKnown && !answered && !(this.#editing && stale && ended)) return;
      typed.clear();
    }
    if (this.#editing || looksLikePrompt(row)) this.#setAnchor(true);
  }

  #setAnchor(sure: boolean): void {
    const { cursorX: col } = this.#buffer;
    // The editor reads, but its prompt is still on the way.
    if (this.#editing && col === 0 && this.#promptFrom?.line === this.#row) return;
    const row = this.#mark();
    if (row === undefined) return;
    const text = this.#beforeCursor();
    this.#dropAnchor();
    const right = rowText(this.#buffer, row.line, col).trim();
    const wrapped = lineAt(this.#buffer, row.line)?.isWrapped ?? false;
    this.#anchor = { row, col, text, wrapped, right, sure };
    if (this.#editing || looksLikePrompt(text)) {
      const asksOn = looksLikeContinuation(text) && this.#asksOn(row.line);
      if (sure && !asksOn) this.#prompts.add({ text, wrapped });
    }
  }

  #dropAnchor(): void {
    this.#anchor?.row.dispose();
    this.#anchor = undefined;
  }

  /** Bracketed paste goes on when a line editor begins to read, and off when the line is entered or given up. */
  #editor(on: boolean): void {
    if (this.#alternate || on === this.#editing) return;
    if (on) {
      this.#editing = true;
      this.#knowsEditors = true;
      this.#promptFrom?.dispose();
      this.#promptFrom = this.#mark();
      this.#promptCol = this.#buffer.cursorX;
      this.#tellExpansion(this.#row);
      if (!this.#asksOn(this.#row)) this.#open.flush(this.#prompts);
      if (!this.#open.waits) this.#log.end(this.#offset, this.#atMs);
      this.#dropAnchor();
      // zsh says it behind its prompt.
      if (this.#promptCol > 0) this.#setAnchor(false);
      return;
    }
    this.#editing = this.#typed.lines.some(({ end }) => end !== undefined);
    if (!this.#editing) return; // nobody ended a line: nothing was entered
    const { cursorX } = this.#buffer;
    const began = this.#promptFrom?.line ?? -1;
    const untouched = began === this.#row && cursorX === this.#promptCol && this.#anchor?.sure !== true;
    if (!(untouched && this.#promptCol === 0)) this.#accept(cursorX === 0 ? this.#row - 1 : this.#row);
    this.#editing = false;
  }

  /** Without a line editor that tells: Enter's echo is the line feed below all that stands behind the prompt. */
  #lineFeed(): void {
    if (this.#alternate) return;
    const above = this.#row - 1;
    if (this.#expanding !== undefined) this.#tellExpansion(above + 1);
    if (this.#givenUp(above)) return;
    if (this.#editing) return;
    this.#fed = true;
    if (this.#typed.entered) this.#plainLineFeed(above);
  }

  /** fish gives a line up without a word, as do shells without an editor that tells: only ^C stands there. */
  #givenUp(row: number): boolean {
    const { lines } = this.#typed;
    const at = lines.findIndex(({ end }) => end !== undefined);
    if (lines[at]?.end !== "interrupted" || !rowText(this.#buffer, row).trimEnd().endsWith("^C")) return false;
    this.#typed.drop(at + 1);
    this.#dropAnchor();
    this.#open.giveUp();
    if (this.#editing) this.#promptFrom = this.#mark();
    return true;
  }

  #plainLineFeed(row: number): void {
    if (rowText(this.#buffer, row + 1).trim() !== "") return;
    const anchor = this.#anchor;
    if (anchor === undefined) {
      // Typed ahead: the shell has shown the line behind a prompt that was never at rest.
      const text = rowText(this.#buffer, row);
      const entered = this.#typed.lines.find(({ end }) => end !== undefined);
      const isShown = entered?.plain && entered.text !== "" && text.endsWith(entered.text);
      if (isShown && this.#prompts.endIn(text) === text.length - entered.text.length) this.#accept(row);
      return;
    }
    if (anchor.row.line < 0 || anchor.row.line > row) {
      this.#dropAnchor();
      return;
    }
    // Where shells have editors, a prompt without one is believed when it is bare, or comes again.
    const times = this.#prompts.timesSeen(anchor.text);
    this.#accept(row, this.#knowsEditors && times < 2 && !/^\s*[$#%>] $/.test(anchor.text));
  }

  /** A prompt of a shell without a line editor is there again: what ran is over. */
  #seePlainPrompt(): void {
    if (this.#log.running === undefined || this.#buffer.cursorX === 0) return;
    const text = this.#beforeCursor();
    if (this.#prompts.timesSeen(text) > 0 && looksLikePrompt(text)) {
      this.#open.flush(this.#prompts);
      this.#log.end(this.#lineOffset, this.#atMs);
    }
  }

  #said(mark: ShellMark): void {
    switch (mark.kind) {
      case "prompt-start":
        this.#promptFrom ??= this.#mark();
        this.#log.end(this.#offset, this.#atMs);
        break;
      case "prompt-end":
        // A line that is drawn anew has the same mark again, and not always behind the prompt.
        if (!this.#anchor?.sure) this.#setAnchor(true);
        break;
      case "text":
        this.#declare(mark.text);
        break;
      case "running":
        if (mark.text !== undefined) this.#declare(mark.text);
        this.#log.outputFrom(this.#offset + sequenceLength(this.#piece));
        break;
      case "done":
        if (!this.#open.waits) this.#log.end(this.#offset, this.#atMs, mark.exitCode);
        break;
      case "cwd":
        this.#log.cwd(mark.cwd);
    }
  }

  /** The shell's own text, for a command that was just entered. */
  #declare(text: string): void {
    this.#open.flush(this.#prompts);
    const { last } = this.#log;
    if (last !== undefined && last.endedMs === undefined && last.confidence !== "declared" && text.trim() !== "")
      this.#log.retell(text, "declared");
    this.#expanding = undefined;
  }

  /** A line was entered or given up; it ends in `toRow`. */
  #accept(toRow: number, held = false): void {
    // zsh stops editing with the cursor anywhere in the line, bash and fish below it.
    const inLine = this.#editing && this.#buffer.cursorX > 0;
    let endRow = toRow;
    while (inLine && goesOn(this.#buffer, endRow)) endRow++;
    const found = this.#locate(endRow);
    this.#dropAnchor();
    let shown = found === undefined ? "" : joinRows(found.rows);
    if (inLine) shown = shown.trimEnd();
    const answer = answerTo(this.#typed.lines, found?.rows ?? [], shown);
    this.#typed.drop(answer.drop);
    const asksOn = found !== undefined && this.#asksOn(found.row);
    this.#enteredRow?.dispose();
    this.#enteredRow = this.#mark(endRow - this.#row);
    if (answer.kind === "given-up") {
      this.#open.giveUp();
      return;
    }
    if (found === undefined || answer.kind === "nobody") return;
    // bash runs pasted lines one by one; it is the one that has moved to the next row when it stops editing.
    const onePaste = answer.lines === 1 && this.#editing && this.#buffer.cursorX === 0;
    const offset = this.#offset + (this.#editing ? sequenceLength(this.#piece) : 0);
    for (const text of onePaste ? pastedCommands(answer.text) : [answer.text]) {
      const line = { prompt: found.prompt, text, atMs: this.#atMs, offset, typed: found.guessed };
      if (!this.#open.enter(line, held, asksOn) || !hasHistorySigns(text)) continue;
      const row = this.#mark(this.#buffer.cursorX === 0 ? 0 : 1);
      if (row !== undefined) this.#expanding = { row, text };
    }
  }

  /** A prompt in this row may ask for more of the line entered before. */
  #asksOn(row: number): boolean {
    const line = this.#enteredRow?.line ?? -1;
    return line >= 0 && row - line <= 1;
  }

  #locate(toRow: number): Found | undefined {
    return findLine(this.#buffer, {
      ...{ toRow, top: Math.max(0, toRow - maxRows, this.#lowest(toRow)), anchor: this.#anchor },
      ...{ prompts: this.#prompts, editing: this.#editing },
      typed: this.#typed.lines.find(({ end }) => end !== undefined),
    });
  }

  /** Above this row nothing of the line can stand. */
  #lowest(toRow: number): number {
    const prompt = this.#promptFrom?.line ?? -1;
    if (this.#editing && prompt >= 0 && prompt <= toRow) return prompt;
    const entered = this.#enteredRow?.line ?? -1;
    return entered >= 0 && entered < toRow ? entered + 1 : 0;
  }
}
