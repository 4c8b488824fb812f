/** Finds where on the screen a typed line begins: behind which prompt, in which row. */
import type { IBuffer, IMarker } from "@xterm/headless";
import { firstPrompt, type KnownPrompts, looksLikePrompt } from "./prompts.ts";
import { joinRows, lineAt, type RowText, readRows, rowText } from "./region.ts";
import type { TypedLine } from "./typed-lines.ts";

/** A row that is followed as the terminal scrolls; `line` is -1 once it is gone. */
export type Row = Pick<IMarker, "line" | "dispose">;

/** Where typing begins. */
export interface Anchor {
  readonly row: Row;
  readonly col: number;
  /** The row up to there. */
  readonly text: string;
  readonly wrapped: boolean;
  /** What stood to the right of it. */
  readonly right: string;
  /** The shell said it itself, or it was at rest there when the first key came. */
  readonly sure: boolean;
}

export interface Found {
  /** From behind the prompt to the last row of the line. */
  readonly rows: readonly RowText[];
  readonly prompt: string;
  /** The row of the prompt's end. */
  readonly row: number;
  /** Nothing but the typed text, or a glyph, tells where the prompt ends. */
  readonly guessed: boolean;
}

export interface LineHints {
  /** The line's last row, and the first one in which it can begin. */
  readonly toRow: number;
  readonly top: number;
  readonly anchor: Anchor | undefined;
  readonly prompts: KnownPrompts;
  /** A line editor reads. */
  readonly editing: boolean;
  /** The oldest typed line that was ended and not answered. */
  readonly typed: TypedLine | undefined;
}

/** The newest place that fits: a sure anchor, a known prompt, an unsure anchor, what was typed, a glyph. */
export function findLine(buffer: IBuffer, hints: LineHints): Found | undefined {
  const { toRow, top, anchor, prompts } = hints;
  const at = (row: number, col: number, right: string, prompt: string): Found => ({
    rows: readRows(buffer, row, col, toRow, right),
    ...{ prompt, row, guessed: false },
  });
  if (anchor?.sure) {
    // Lists of completions push the line down; it is drawn again behind the same prompt.
    for (let row = toRow; row >= top; row--) {
      const line = lineAt(buffer, row);
      if (line === undefined || line.isWrapped !== anchor.wrapped) continue;
      if (anchor.text.trim() === "" && row !== anchor.row.line) continue;
      if (rowText(buffer, row, 0, anchor.col).trimEnd() === anchor.text.trimEnd())
        return at(row, anchor.col, anchor.right, anchor.text);
    }
  }
  for (let row = toRow; row >= top; row--) {
    if (lineAt(buffer, row)?.isWrapped === true) continue;
    const text = rowText(buffer, row);
    const end = prompts.endIn(text);
    if (end >= 0) return at(row, columnOf(buffer, row, end), anchor?.right ?? "", text.slice(0, end));
  }
  if (anchor !== undefined && anchor.row.line >= 0 && anchor.row.line <= toRow)
    return at(anchor.row.line, anchor.col, anchor.right, anchor.text);
  return guessLine(buffer, hints);
}

/** A prompt that was never at rest: it ends where the typed line begins, or behind its glyph. */
function guessLine(buffer: IBuffer, { toRow, top, editing, typed }: LineHints): Found | undefined {
  const at = (row: number, end: number, prompt: string): Found => ({
    rows: readRows(buffer, row, columnOf(buffer, row, end), toRow, ""),
    ...{ prompt, row, guessed: true },
  });
  const begins = (row: number) => lineAt(buffer, row)?.isWrapped !== true || row === top;
  const text = typed?.plain ? typed.text : "";
  for (let row = toRow; row >= top && text !== ""; row--) {
    if (!begins(row)) continue;
    const shown = joinRows(readRows(buffer, row, 0, toRow, ""));
    if (!shown.endsWith(text)) continue;
    const prompt = shown.slice(0, -text.length);
    if (prompt === "" ? editing : looksLikePrompt(prompt)) return at(row, prompt.length, prompt);
  }
  for (let row = toRow; row >= top && editing; row--) {
    const prompt = begins(row) ? firstPrompt(rowText(buffer, row)) : undefined;
    if (prompt !== undefined) return at(row, prompt.length, prompt);
  }
  return undefined;
}

/** The column in which the character with this index of the row's text stands. */
export function columnOf(buffer: IBuffer, row: number, index: number): number {
  const line = lineAt(buffer, row);
  if (line === undefined) return index;
  let units = 0;
  for (let col = 0; col < line.length; col++) {
    if (units >= index) return col;
    const cell = line.getCell(col);
    if (cell === undefined || cell.getWidth() === 0) continue;
    units += Math.max(1, cell.getChars().length);
  }
  return line.length;
}
