/** Plain aligned tables for people; every cell is made printable first. */

import { printable } from "../proto/client/printable.ts";

export interface Column<Row> {
  readonly head: string;
  readonly cell: (row: Row) => string;
  /** Numbers stand on the right. */
  readonly right?: boolean;
  /** Longer cells are cut. Default 60. */
  readonly most?: number;
}

export interface Paint {
  readonly head: (text: string) => string;
}

export const plain: Paint = { head: (text) => text };
export const coloured: Paint = { head: (text) => `\x1b[1m${text}\x1b[22m` };

/** Lines of columns two spaces apart, head first, each line ended; no trailing blanks. */
export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[], paint: Paint = plain): string {
  const cells = rows.map((row) => columns.map((column) => printable(column.cell(row), column.most ?? 60)));
  const widths = columns.map((column, at) => Math.max(width(column.head), ...cells.map((row) => width(row[at] ?? ""))));
  const line = (texts: readonly string[]) =>
    texts
      .map((text, at) => {
        const pad = " ".repeat(Math.max(0, (widths[at] ?? 0) - width(text)));
        return columns[at]?.right ? pad + text : text + pad;
      })
      .join("  ")
      .trimEnd();
  return [paint.head(line(columns.map((column) => column.head))), ...cells.map(line)]
    .map((each) => `${each}\n`)
    .join("");
}

/** In terminal cells, near enough: East Asian wide characters and emoji take two. */
function width(text: string): number {
  let cells = 0;
  for (const char of text) {
    if (/\p{Mn}/u.test(char)) continue;
    const code = char.codePointAt(0) ?? 0;
    const wide =
      (code >= 0x1100 && code <= 0x115f) ||
      (code >= 0x2e80 && code <= 0xa4cf) ||
      (code >= 0xac00 && code <= 0xd7a3) ||
      (code >= 0xf900 && code <= 0xfaff) ||
      (code >= 0xfe30 && code <= 0xfe6f) ||
      (code >= 0xff00 && code <= 0xff60) ||
      (code >= 0x1f300 && code <= 0x1faff);
    cells += wide ? 2 : 1;
  }
  return cells;
}
