/** Writes text attributes as absolute SGR sequences, only when they change, and OSC 8 links within a budget. */
import { bgFlag, type Core, colour, fgFlag, type Line } from "./xterm-internals.ts";

/** A cell's look in xterm.js's own words; `ext` is the word of underline style and colour, 0 when the cell has none. */
export interface Style {
  readonly fg: number;
  readonly bg: number;
  readonly ext: number;
  readonly urlId: number;
}

export interface Pen {
  /** Brings the terminal's pen to `style`. As "pen", an underline colour counts also where nothing is underlined. */
  set(style: Style, as?: "cell" | "pen"): void;
  /** Default pen, no link. */
  reset(): void;
  /** The next `set` writes its SGR in any case. */
  forget(): void;
}

/** A longer link is dropped (its underline stays); so are links beyond the budget: links are hostile text too. */
const linkLimit = 2048;
const linkBudget = 128 * 1024;
/** xterm.js removes cells' flags for "has more attributes" itself. */
const compared = ~bgFlag.extended;

export const defaultStyle: Style = { fg: 0, bg: 0, ext: 0, urlId: 0 };

export function styleOf(line: Line, x: number): Style {
  const fg = line._data[x * 3 + 1] ?? 0;
  const bg = line._data[x * 3 + 2] ?? 0;
  if ((bg & bgFlag.extended) === 0) return { fg, bg, ext: 0, urlId: 0 };
  const extended = line._extendedAttrs[x];
  return { fg, bg, ext: extended?._ext ?? 0, urlId: extended?.urlId ?? 0 };
}

/** `out` takes the sequences. The terminal's pen must be the default one now. */
export function createPen(core: Core, out: string[]): Pen {
  let now: Style | undefined = defaultStyle;
  let linked = "";
  let linkUnits = 0;
  const link = (urlId: number) => {
    const data = urlId === 0 ? undefined : core._oscLinkService.getLinkData(urlId);
    const units = data === undefined ? 0 : data.uri.length + (data.id?.length ?? 0);
    const fits = data !== undefined && units <= linkLimit && linkUnits + units <= linkBudget;
    const sequence = fits
      ? `\x1b]8;${data.id === undefined ? "" : `id=${data.id}`};${data.uri}\x1b\\`
      : "\x1b]8;;\x1b\\";
    if (sequence === linked || (!fits && linked === "")) return;
    linked = fits ? sequence : "";
    linkUnits += units;
    out.push(sequence);
  };
  const set = (style: Style, as: "cell" | "pen" = "cell") => {
    const same =
      now !== undefined &&
      now.fg === style.fg &&
      (now.bg & compared) === (style.bg & compared) &&
      now.ext === style.ext &&
      as === "cell";
    if (!same) {
      out.push(sgr(style, as));
      if ((style.bg & bgFlag.protected) !== 0) out.push('\x1b[1"q');
    }
    link(style.urlId);
    now = as === "cell" ? style : undefined;
  };
  return {
    set,
    reset: () => set(defaultStyle),
    forget: () => {
      now = undefined;
    },
  };
}

function sgr({ fg, bg, ext }: Style, as: "cell" | "pen"): string {
  const codes: string[] = [];
  if (fg & fgFlag.bold) codes.push("1");
  if (bg & bgFlag.dim) codes.push("2");
  if (bg & bgFlag.italic) codes.push("3");
  if (fg & fgFlag.underline) {
    const style = (bg & bgFlag.extended) === 0 ? 0 : (ext >>> 26) & 7;
    codes.push(style > 1 ? `4:${style}` : "4");
  }
  if (fg & fgFlag.blink) codes.push("5");
  if (fg & fgFlag.inverse) codes.push("7");
  if (fg & fgFlag.invisible) codes.push("8");
  if (fg & fgFlag.strikethrough) codes.push("9");
  if (bg & bgFlag.overline) codes.push("53");
  pushColour(codes, fg, 30);
  pushColour(codes, bg, 40);
  if (as === "pen" || (bg & bgFlag.extended) !== 0) {
    const value = ext & colour.value;
    if ((ext & colour.mode) === colour.rgb) {
      codes.push(`58:2::${value >>> 16}:${(value >>> 8) & 255}:${value & 255}`);
    } else if ((ext & colour.mode) !== 0) {
      codes.push(`58:5:${value & 255}`);
    }
  }
  return codes.length === 0 ? "\x1b[m" : `\x1b[0;${codes.join(";")}m`;
}

/** `base` is 30 for the foreground, 40 for the background. */
function pushColour(codes: string[], word: number, base: 30 | 40): void {
  const value = word & colour.value;
  switch (word & colour.mode) {
    case colour.p16:
      // Above the low byte stand remains of an earlier RGB colour.
      codes.push(String((value & 15) < 8 ? base + (value & 15) : base + 52 + (value & 15)));
      break;
    case colour.p256:
      codes.push(`${base + 8};5;${value & 255}`);
      break;
    case colour.rgb:
      codes.push(`${base + 8};2;${value >>> 16};${(value >>> 8) & 255};${value & 255}`);
      break;
  }
}
