/** One cell of a terminal model as bytes for another terminal: its colours and attributes, and its text made safe. */

/** What is read of a cell; xterm.js's IBufferCell has it. */
export interface StyledCell {
  getChars(): string;
  getFgColor(): number;
  getBgColor(): number;
  isFgRGB(): boolean;
  isBgRGB(): boolean;
  isFgPalette(): boolean;
  isBgPalette(): boolean;
  isAttributeDefault(): boolean;
  isBold(): number;
  isDim(): number;
  isItalic(): number;
  isUnderline(): number;
  isBlink(): number;
  isInverse(): number;
  isInvisible(): number;
  isStrikethrough(): number;
  isOverline(): number;
}

export const plainStyle = "\x1b[m";

/** A complete SGR: it begins with a reset, so it does not depend on the cell before. */
export function cellStyle(cell: StyledCell): string {
  if (cell.isAttributeDefault()) return plainStyle;
  const codes = ["0"];
  if (cell.isBold()) codes.push("1");
  if (cell.isDim()) codes.push("2");
  if (cell.isItalic()) codes.push("3");
  if (cell.isUnderline()) codes.push("4");
  if (cell.isBlink()) codes.push("5");
  if (cell.isInverse()) codes.push("7");
  if (cell.isInvisible()) codes.push("8");
  if (cell.isStrikethrough()) codes.push("9");
  if (cell.isOverline()) codes.push("53");
  if (cell.isFgRGB()) codes.push(rgb(38, cell.getFgColor()));
  else if (cell.isFgPalette()) codes.push(palette(30, cell.getFgColor()));
  if (cell.isBgRGB()) codes.push(rgb(48, cell.getBgColor()));
  else if (cell.isBgPalette()) codes.push(palette(40, cell.getBgColor()));
  return `\x1b[${codes.join(";")}m`;
}

/** An empty cell is a blank; characters that turn the writing direction, or are no text, are left out. */
export function cellText(cell: StyledCell): string {
  const chars = cell.getChars();
  if (chars === "") return " ";
  return chars.replace(/[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g, "") || " ";
}

function rgb(base: number, colour: number): string {
  return `${base};2;${(colour >> 16) & 255};${(colour >> 8) & 255};${colour & 255}`;
}

function palette(base: number, colour: number): string {
  if (colour < 8) return String(base + colour);
  return colour < 16 ? String(base + 60 + colour - 8) : `${base + 8};5;${colour}`;
}
