/** What bash and zsh print when history signs were in a line: the line as it runs. */
import type { IBuffer } from "@xterm/headless";
import type { Row } from "./line-finder.ts";
import { joinRows, readRows } from "./region.ts";
import { isExpansionOf } from "./shell-syntax.ts";

export interface Expanding {
  /** Where the expanded line would stand. */
  readonly row: Row;
  /** As it was entered. */
  readonly text: string;
}

/** The expanded line once the rows above `row` are there; "": the output is something else. Undefined: not there yet. */
export function expandedLine(buffer: IBuffer, { row: marker, text }: Expanding, row: number): string | undefined {
  if (marker.line < 0) return "";
  if (row <= marker.line) return undefined;
  const rows = readRows(buffer, marker.line, 0, row - 1, "");
  let end = 1;
  while (rows[end - 1]?.goesOn && end < rows.length) end++;
  if (end === rows.length && rows[end - 1]?.goesOn) return undefined;
  const line = joinRows(rows.slice(0, end));
  return isExpansionOf(line, text) ? line : "";
}
