/** Reads text off a terminal's rows: what stands between a prompt and the end of a typed line. Knows no shells. */
import type { IBuffer, IBufferCell, IBufferLine } from "@xterm/headless";

/** Rows of a region are joined to lines; more are not read. */
const maxRows = 400;

export interface RowText {
  readonly text: string;
  /** The row goes on in the next one: it is full, or the next one says that it is wrapped. */
  readonly goesOn: boolean;
}

/** Beyond its end a full buffer gives its first lines again. */
export function lineAt(buffer: IBuffer, row: number): IBufferLine | undefined {
  return row < 0 || row >= buffer.length ? undefined : buffer.getLine(row);
}

/** The text of a row between two columns, without cells at the end that nothing was written to. */
export function rowText(buffer: IBuffer, row: number, fromCol = 0, toCol = Number.POSITIVE_INFINITY): string {
  const line = lineAt(buffer, row);
  return line === undefined ? "" : line.translateToString(true, fromCol, Math.min(toCol, line.length));
}

/** True when nothing was written to the row. */
export function isBlank(buffer: IBuffer, row: number): boolean {
  return rowText(buffer, row).trim() === "";
}

/** Rows from (fromRow, fromCol) to `toRow`, each without a right prompt. */
export function readRows(buffer: IBuffer, fromRow: number, fromCol: number, toRow: number, right: string): RowText[] {
  const rows: RowText[] = [];
  for (let row = fromRow; row <= toRow && rows.length < maxRows; row++) {
    const first = row === fromRow;
    const line = lineAt(buffer, row);
    if (line === undefined) break;
    const cut = gapColumn(buffer, row, first ? fromCol : 0);
    const text = withoutRight(
      line.translateToString(true, first ? fromCol : 0, cut ?? line.length),
      first ? right : "",
    );
    const wraps = lineAt(buffer, row + 1)?.isWrapped === true && row < toRow;
    rows.push({ text, goesOn: wraps || (cut === undefined && isFull(buffer, row)) });
  }
  return rows;
}

/** True when the text of a row goes on in the next one. */
export function goesOn(buffer: IBuffer, row: number): boolean {
  return lineAt(buffer, row + 1) !== undefined && (lineAt(buffer, row + 1)?.isWrapped === true || isFull(buffer, row));
}

/** As one text: rows that go on are joined as they are, others by line feeds. Blank rows at the end are left out. */
export function joinRows(rows: readonly RowText[]): string {
  let end = rows.length;
  while (end > 0 && rows[end - 1]?.text.trim() === "") end--;
  let text = "";
  for (const [index, row] of rows.slice(0, end).entries()) {
    text += row.text;
    if (index < end - 1 && !row.goesOn) text += "\n";
  }
  return text;
}

function withoutRight(text: string, right: string): string {
  if (right === "" || !text.endsWith(right)) return text;
  const rest = text.slice(0, -right.length);
  return /\s$/.test(rest) || rest === "" ? rest.trimEnd() : text;
}

/** The last cell is written to, or left free by a wide character that did not fit. */
function isFull(buffer: IBuffer, row: number): boolean {
  const line = lineAt(buffer, row);
  if (line === undefined) return false;
  const last = line.getCell(line.length - 1);
  if (last === undefined) return false;
  if (last.getChars() !== "" || last.getWidth() === 0) return true;
  const before = line.getCell(line.length - 2);
  const next = lineAt(buffer, row + 1)?.getCell(0);
  return next?.getWidth() === 2 && before !== undefined && (before.getChars() !== "" || before.getWidth() === 0);
}

/** Where a gap begins that nothing was written to, when what follows it stands at the right edge; else undefined. */
function gapColumn(buffer: IBuffer, row: number, fromCol: number): number | undefined {
  const line = lineAt(buffer, row);
  if (line === undefined) return undefined;
  let cell: IBufferCell | undefined;
  let end = line.length;
  const empty = (col: number) => {
    cell = line.getCell(col, cell);
    return cell === undefined || (cell.getChars() === "" && cell.getWidth() !== 0);
  };
  while (end > fromCol && empty(end - 1)) end--;
  if (end < line.length - 2 || end <= fromCol) return undefined;
  let at = end;
  while (at > fromCol && !empty(at - 1)) at--;
  if (at === fromCol) return undefined;
  let gap = at;
  while (gap > fromCol && empty(gap - 1)) gap--;
  return at - gap >= 2 ? gap : undefined;
}
