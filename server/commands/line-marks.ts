/** The rows of a terminal that the search for a typed line goes by; each is a marker that moves with its line. */
import type { Expanding } from "./history-expansion.ts";
import type { Anchor, Row } from "./line-finder.ts";

export type MarkName = "prompt" | "anchor" | "entered" | "expanding";

const gone: Row = { line: -1, dispose: () => {} };

export class LineMarks {
  /** Where the prompt of the line editor began. */
  promptFrom: Row | undefined;
  promptCol = 0;
  anchor: Anchor | undefined;
  /** The row in which the last line was entered. */
  entered: Row | undefined;
  /** The next line of output may be what history made of the command. */
  expanding: Expanding | undefined;

  dropAnchor(): void {
    this.anchor?.row.dispose();
    this.anchor = undefined;
  }

  /** A prompt in this row may ask for more of the line entered before. */
  asksOn(row: number): boolean {
    const line = this.entered?.line ?? -1;
    return line >= 0 && row - line <= 1;
  }

  /** Above this row nothing of a line that ends in `toRow` can stand. `editing`: a line editor reads. */
  lowest(toRow: number, editing: boolean): number {
    const prompt = this.promptFrom?.line ?? -1;
    if (editing && prompt >= 0 && prompt <= toRow) return prompt;
    const entered = this.entered?.line ?? -1;
    return entered >= 0 && entered < toRow ? entered + 1 : 0;
  }

  /** Those that are set. */
  get rows(): ReadonlyMap<MarkName, Row> {
    const { promptFrom, anchor, entered, expanding } = this;
    const all: readonly [MarkName, Row | undefined][] = [
      ["prompt", promptFrom],
      ["anchor", anchor?.row],
      ["entered", entered],
      ["expanding", expanding?.row],
    ];
    return new Map(all.filter((each): each is [MarkName, Row] => each[1] !== undefined));
  }

  /** Their terminal is gone: what else is known of them stays, until `moveTo`. */
  leave(): void {
    this.promptFrom = undefined;
    this.entered = undefined;
    this.anchor = this.anchor && { ...this.anchor, row: gone };
    this.expanding = this.expanding && { ...this.expanding, row: gone };
  }

  /** The same rows of another terminal; what is not among them is forgotten. */
  moveTo(rows: ReadonlyMap<MarkName, Row | undefined>): void {
    const [anchor, expanding] = [rows.get("anchor"), rows.get("expanding")];
    this.promptFrom = rows.get("prompt");
    this.entered = rows.get("entered");
    this.anchor = this.anchor && anchor && { ...this.anchor, row: anchor };
    this.expanding = this.expanding && expanding && { ...this.expanding, row: expanding };
  }
}
