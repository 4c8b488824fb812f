/**
 * Finds the commands that were typed, from what the screen showed (between a prompt and the line feed that answers Enter),
 * what was typed (it wins where the screen proves that it was shown), and what the shell says of itself. Knows no threads.
 */
import type { IBuffer, IMarker, Terminal } from "@xterm/headless";
import type { TermSize } from "../events.ts";
import type { CharsetNames } from "../session/key-frame.ts";
import { canSkip } from "../session/screen-model.ts";
import type { FeedEvent } from "./command.ts";
import { CommandLog } from "./command-log.ts";
import { DozingTerminal } from "./dozing-terminal.ts";
import { expandedLine } from "./history-expansion.ts";
import { columnOf, type Found, findLine } from "./line-finder.ts";
import { LineMarks } from "./line-marks.ts";
import { listenToLines } from "./line-signs.ts";
import { OpenCommand } from "./open-command.ts";
import { KnownPrompts, looksLikeContinuation, looksLikePrompt } from "./prompts.ts";
import { goesOn, joinRows, lineAt, rowText } from "./region.ts";
import { nextSequence, type ShellMark, sequenceLength } from "./shell-marks.ts";
import { hasHistorySigns, pastedCommands } from "./shell-syntax.ts";
import { answerTo } from "./typed-answer.ts";
import { TypedLines } from "./typed-lines.ts";

/** Typed text that is older than this when a key comes at a prompt went to some program. */
const staleMs = 1500;
const maxRows = 300;
const nothingYet = { commands: 0, offset: 0 };

export class Extractor {
  readonly #screen: DozingTerminal;
  readonly #log: CommandLog;
  readonly #typed = new TypedLines();
  readonly #prompts = new KnownPrompts();
  readonly #marks = new LineMarks();
  readonly #open: OpenCommand;
  /** Output bytes before the piece that is being parsed. */
  #offset = 0;
  #atMs = 0;
  /** A line editor says that it reads (bracketed paste). */
  #editing = false;
  #knowsEditors = false;
  #wasAlternate = false;
  /** What is being parsed. */
  #piece: Buffer = Buffer.alloc(0);
  /** A line feed came since the last Enter. */
  #fed = false;
  /** Offset after the last line feed. */
  #lineOffset = 0;

  /**
   * `newTerminal`: with some scrollback, guarded against hostile counts; they are the extractor's own. `after`: what came
   * before, when another extractor began.
   */
  constructor(
    newTerminal: (size: TermSize) => Terminal,
    size: TermSize,
    after: { readonly commands: number; readonly offset: number } = nothingYet,
  ) {
    this.#log = new CommandLog(after.commands);
    this.#open = new OpenCommand(this.#log);
    this.#offset = after.offset;
    const listen = (terminal: Terminal) =>
      listenToLines(terminal, {
        editor: (on) => this.#editor(on),
        cleared: () => this.#cleared(),
        said: (mark) => this.#said(mark),
        lineFeed: () => this.#lineFeed(),
      });
    this.#screen = new DozingTerminal({ newTerminal, listen, marks: this.#marks }, size);
  }

  /** Gives memory back until something is fed. */
  sleep(names: CharsetNames): void {
    this.#screen.sleep(names);
  }

  [Symbol.dispose](): void {
    this.#screen[Symbol.dispose]();
  }

  /** True while plain output may be shortened before it is fed. */
  get steady(): boolean {
    return this.#screen.awake && canSkip(this.#screen.core) && !this.#alternate && this.#marks.expanding === undefined;
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
    this.#screen.terminal.resize(Math.max(2, cols), rows);
  }

  /** The session is over: what was held back is told. */
  end(): void {
    this.#open.flush(this.#prompts);
    this.#typed.clear();
  }

  get #buffer(): IBuffer {
    return this.#screen.terminal.buffer.active;
  }

  get #alternate(): boolean {
    return this.#screen.terminal.buffer.active.type === "alternate";
  }

  get #row(): number {
    return this.#buffer.baseY + this.#buffer.cursorY;
  }

  #mark(rows = 0): IMarker | undefined {
    return this.#alternate ? undefined : this.#screen.terminal.registerMarker(rows);
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
      this.#screen.core.writeSync(piece);
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
    this.#screen.core.writeSync(Buffer.from("\x18\x1bc"));
    if (alternate ?? was) this.#screen.core.writeSync(Buffer.from("\x1b[?1049h"));
    this.#offset += bytes;
    this.#editing = false;
    this.#marks.dropAnchor();
    this.#marks.promptFrom = undefined;
    this.#marks.expanding = undefined;
    this.#typed.clear();
  }

  /** Output up to `row` is there: its first line may be the command as history expanded it. */
  #tellExpansion(row: number): void {
    const line =
      this.#marks.expanding === undefined ? undefined : expandedLine(this.#buffer, this.#marks.expanding, row);
    if (line === undefined) return;
    this.#marks.expanding = undefined;
    if (line !== "") this.#open.retell(line);
  }

  #cleared(): void {
    const row = this.#mark(-this.#buffer.cursorY);
    if (row === undefined) return;
    if (this.#editing) this.#marks.promptFrom = row;
    if (this.#marks.anchor?.sure) this.#marks.anchor = { ...this.#marks.anchor, row };
  }

  /** Before a key is counted: where the cursor rests now is where typing begins, unless typed text is under way. */
  #settleAnchor(): void {
    const typed = this.#typed;
    if (this.#marks.anchor?.sure) return;
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
    if (this.#editing && col === 0 && this.#marks.promptFrom?.line === this.#row) return;
    const row = this.#mark();
    if (row === undefined) return;
    const text = this.#beforeCursor();
    this.#marks.dropAnchor();
    const right = rowText(this.#buffer, row.line, col).trim();
    const wrapped = lineAt(this.#buffer, row.line)?.isWrapped ?? false;
    this.#marks.anchor = { row, col, text, wrapped, right, sure };
    if (this.#editing || looksLikePrompt(text)) {
      const asksOn = looksLikeContinuation(text) && this.#marks.asksOn(row.line);
      if (sure && !asksOn) this.#prompts.add({ text, wrapped });
    }
  }

  /** Bracketed paste goes on when a line editor begins to read, and off when the line is entered or given up. */
  #editor(on: boolean): void {
    if (this.#alternate || on === this.#editing) return;
    if (on) {
      this.#editing = true;
      this.#knowsEditors = true;
      this.#marks.promptFrom?.dispose();
      this.#marks.promptFrom = this.#mark();
      this.#marks.promptCol = this.#buffer.cursorX;
      this.#tellExpansion(this.#row);
      if (!this.#marks.asksOn(this.#row)) this.#open.flush(this.#prompts);
      if (!this.#open.waits) this.#log.end(this.#offset, this.#atMs);
      this.#marks.dropAnchor();
      // zsh says it behind its prompt.
      if (this.#marks.promptCol > 0) this.#setAnchor(false);
      return;
    }
    this.#editing = this.#typed.lines.some(({ end }) => end !== undefined);
    if (!this.#editing) return; // nobody ended a line: nothing was entered
    const { cursorX } = this.#buffer;
    const began = this.#marks.promptFrom?.line ?? -1;
    const untouched = began === this.#row && cursorX === this.#marks.promptCol && this.#marks.anchor?.sure !== true;
    if (!(untouched && this.#marks.promptCol === 0)) this.#accept(cursorX === 0 ? this.#row - 1 : this.#row);
    this.#editing = false;
  }

  /** Without a line editor that tells: Enter's echo is the line feed below all that stands behind the prompt. */
  #lineFeed(): void {
    if (this.#alternate) return;
    const above = this.#row - 1;
    if (this.#marks.expanding !== undefined) this.#tellExpansion(above + 1);
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
    this.#marks.dropAnchor();
    this.#open.giveUp();
    if (this.#editing) this.#marks.promptFrom = this.#mark();
    return true;
  }

  #plainLineFeed(row: number): void {
    if (rowText(this.#buffer, row + 1).trim() !== "") return;
    const anchor = this.#marks.anchor;
    if (anchor === undefined) {
      // Typed ahead: the shell has shown the line behind a prompt that was never at rest.
      const text = rowText(this.#buffer, row);
      const entered = this.#typed.lines.find(({ end }) => end !== undefined);
      const isShown = entered?.plain && entered.text !== "" && text.endsWith(entered.text);
      if (isShown && this.#prompts.endIn(text) === text.length - entered.text.length) this.#accept(row);
      return;
    }
    if (anchor.row.line < 0 || anchor.row.line > row) {
      this.#marks.dropAnchor();
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
    if (this.#alternate) return;
    switch (mark.kind) {
      case "prompt-start":
        this.#marks.promptFrom ??= this.#mark();
        this.#log.end(this.#offset, this.#atMs);
        break;
      case "prompt-end":
        // A line that is drawn anew has the same mark again, and not always behind the prompt.
        if (!this.#marks.anchor?.sure) this.#setAnchor(true);
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
    this.#marks.expanding = undefined;
  }

  /** A line was entered or given up; it ends in `toRow`. */
  #accept(toRow: number, held = false): void {
    // zsh stops editing with the cursor anywhere in the line, bash and fish below it.
    const inLine = this.#editing && this.#buffer.cursorX > 0;
    let endRow = toRow;
    while (inLine && goesOn(this.#buffer, endRow)) endRow++;
    const found = this.#locate(endRow);
    this.#marks.dropAnchor();
    let shown = found === undefined ? "" : joinRows(found.rows);
    if (inLine) shown = shown.trimEnd();
    const answer = answerTo(this.#typed.lines, found?.rows ?? [], shown);
    this.#typed.drop(answer.drop);
    const asksOn = found !== undefined && this.#marks.asksOn(found.row);
    this.#marks.entered?.dispose();
    this.#marks.entered = this.#mark(endRow - this.#row);
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
      if (row !== undefined) this.#marks.expanding = { row, text };
    }
  }

  #locate(toRow: number): Found | undefined {
    return findLine(this.#buffer, {
      ...{
        toRow,
        top: Math.max(0, toRow - maxRows, this.#marks.lowest(toRow, this.#editing)),
        anchor: this.#marks.anchor,
      },
      ...{ prompts: this.#prompts, editing: this.#editing },
      typed: this.#typed.lines.find(({ end }) => end !== undefined),
    });
  }
}
