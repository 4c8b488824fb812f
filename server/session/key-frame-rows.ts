/** Writes the cells of a buffer: text, blanks with a background, wrap flags, half characters; onto a cleared screen. */
import { defaultStyle, type Pen, styleOf } from "./key-frame-pen.ts";
import { type Buffer, type Core, colour, content, type Line } from "./xterm-internals.ts";

const coloursOnly = colour.mode | colour.value;
/** Hostile output stacks millions of combining characters on one cell. */
const glyphLimit = 64;

/** Expects autowrap on, no insert mode, no region, a blank screen and pen. Leaves the cursor anywhere. */
export function writeRows(core: Core, buffer: Buffer, pen: Pen, out: string[]): void {
  const { cols, rows } = core;
  let x = 0;
  let y = 0;
  const moveTo = (column: number, row: number) => {
    if (y !== row || x > column || x >= cols) out.push(`\x1b[${row + 1};${column + 1}H`);
    else if (x < column) out.push(x + 1 === column ? "\x1b[C" : `\x1b[${column - x}C`);
    x = column;
    y = row;
  };
  const lineAt = (row: number) => buffer.lines.get(buffer.ybase + row);
  if (rows > 1 && lineAt(0)?.isWrapped) {
    // Nobody sees this flag here, but it counts when a row is scrolled in above. SU takes away the row that wrapped.
    out.push(`\x1b[${cols}G  \x1b[S\x1b[H\x1b[X`);
  }
  const forced: number[] = [];
  for (let row = 1; row < rows; row++) {
    const line = lineAt(row);
    const above = lineAt(row - 1);
    if (!line?.isWrapped || above === undefined) continue;
    // A styled blank at the edge is made first, away from the flow.
    if (isStyledBlank(line, cols - 1) || !wrapsByItself(above, line)) forced.push(row);
  }
  for (const row of forced) {
    // Two blanks over the edge set the flag of the second row; ECH takes them away again and leaves the flag.
    out.push(`\x1b[${row};${cols}H  \x1b[${row};${cols}H\x1b[X\x1b[${row + 1}H\x1b[X`);
    y = -1;
  }
  for (let row = 0; row < rows; row++) {
    const line = lineAt(row);
    if (line === undefined) continue;
    const edge = cols - 1;
    let drawnFrom = cols;
    while (drawnFrom > 1 && isStyledBlank(line, drawnFrom - 1)) {
      drawnFrom--;
      // The right half of a wide character becomes blank, in the pen's style, when its left half is overwritten.
      pen.set(styleOf(line, drawnFrom));
      out.push(`\x1b[${row + 1};${drawnFrom}H一\x1b[${row + 1};${drawnFrom}H `);
    }
    if (drawnFrom < cols) {
      pen.set(defaultStyle);
      out.push(`\x1b[${row + 1};${drawnFrom}H\x1b[X`);
      y = -1;
    }
    for (let column = 0; column < drawnFrom; ) {
      const word = line._data[column * 3] ?? 0;
      const width = word >>> content.widthShift;
      if ((word & content.any) !== 0) {
        const flows = column === 0 && x >= cols && y === row - 1 && line.isWrapped && width > 0;
        if (!flows) moveTo(column, row);
        // A zero-width character that owns a cell was not joined to its neighbour: any sequence between keeps it so.
        if (width === 0) pen.forget();
        pen.set(styleOf(line, column));
        out.push(
          (word & content.combined) === 0 ? String.fromCodePoint(word & content.codePoint) : glyph(line, column),
        );
        x = column + Math.max(width, 1);
        y = row;
        column = x;
        continue;
      }
      const style = styleOf(line, column);
      const run = blankRun(line, column, drawnFrom);
      if (style.fg !== 0 || (style.bg & ~coloursOnly) !== 0) {
        if (column < edge) {
          moveTo(column, row);
          pen.set(style);
          out.push(`一\x1b[${row + 1};${column + 2}H `);
          pen.set(defaultStyle);
          out.push(`\x1b[${row + 1};${column + 2}H\x1b[X`);
          x = column + 1;
          y = row;
        }
        column++;
        continue;
      }
      if ((style.bg & colour.mode) !== 0) {
        moveTo(column, row);
        pen.set(style);
        out.push(`\x1b[${run}X`);
      }
      column += run;
    }
  }
  pen.reset();
}

function glyph(line: Line, column: number): string {
  return line.getString(column).slice(0, glyphLimit);
}

/** Printing both rows in one go sets the flag: the first one is full, the second one starts with a character. */
function wrapsByItself(above: Line, line: Line): boolean {
  const first = line._data[0] ?? 0;
  if ((first & content.any) === 0 || first >>> content.widthShift === 0) return false;
  const last = above._data[(above.length - 1) * 3] ?? 0;
  if ((last & content.any) !== 0) return true;
  return last >>> content.widthShift === 0 && (above._data[(above.length - 2) * 3] ?? 0) >>> content.widthShift === 2;
}

/** Blank, but with more than a background: such a cell is the half of a wide character whose other half was hit. */
function isStyledBlank(line: Line, column: number): boolean {
  const word = line._data[column * 3] ?? 0;
  if ((word & content.any) !== 0 || word >>> content.widthShift !== 1) return false;
  const { fg, bg } = styleOf(line, column);
  return fg !== 0 || (bg & ~coloursOnly) !== 0;
}

/** How many blanks of one style start at `column`. */
function blankRun(line: Line, column: number, cols: number): number {
  const fg = line._data[column * 3 + 1];
  const bg = line._data[column * 3 + 2];
  let end = column + 1;
  while (
    end < cols &&
    ((line._data[end * 3] ?? 0) & content.any) === 0 &&
    line._data[end * 3 + 1] === fg &&
    line._data[end * 3 + 2] === bg
  ) {
    end++;
  }
  return end - column;
}
