/** Reads a headless terminal out as a plain object: two terminals with equal objects look and behave alike. */
import { coreOf } from "../../server/session/xterm-internals.ts";

const [mode, p16, p256, rgb] = [0x300_0000, 0x100_0000, 0x200_0000, 0x300_0000];
const [underline, extendedFlag] = [0x1000_0000, 0x1000_0000];

export interface TerminalState {
  readonly size: string;
  readonly screen: "normal" | "alternate";
  /** Row by row, cell by cell: text (or null for a blank), width and look. */
  readonly normal: readonly string[];
  readonly alternate: readonly string[];
  readonly wraps: string;
  /** Of the normal screen's cursor behind the alternate one: a resize keeps the rows around it. */
  readonly rowBehind: number | undefined;
  readonly cursor: string;
  /** Of both screens: the alternate one's outlives a visit to the normal one. */
  readonly saved: string;
  readonly pen: string;
  readonly charsets: string;
  readonly tabs: string;
  readonly region: string;
  readonly modes: Readonly<Record<string, unknown>>;
  readonly titles: string;
}

type Core = ReturnType<typeof coreOf>;
type Buffer = Core["buffers"]["active"];
type Line = NonNullable<ReturnType<Buffer["lines"]["get"]>>;

/** Of any xterm.js terminal; what has no effect is left out (stale colour bits, the wrap flag of an only row). */
export function stateOf(terminal: object): TerminalState {
  const core = coreOf(terminal);
  const { normal, alt, active } = core.buffers;
  const { decPrivateModes, modes, isCursorHidden } = core.coreService;
  const { convertEol, cursorBlink } = core.optionsService.rawOptions;
  const handler = core._inputHandler;
  const { charset, glevel, _charsets } = core._charsetService;
  const shown = active === alt ? [normal, alt] : [normal];
  const setName = (set: unknown) => (set === undefined ? "B" : JSON.stringify(set).slice(0, 60));
  const tabsOf = (buffer: Buffer) =>
    Array.from({ length: core.cols }, (_, x) => (buffer.tabs[x] === true ? "T" : ".")).join("");
  const pen = handler._curAttrData;
  const savedOf = (b: Buffer) =>
    `${Math.min(b.savedX, core.cols - 1)},${Math.max(0, b.savedY - b.ybase)} ${lookOf(b.savedCurAttrData.fg, b.savedCurAttrData.bg & ~extendedFlag, 0)} ${setName(b.savedCharset)}`;
  return {
    size: `${core.cols}x${core.rows}`,
    screen: active === alt ? "alternate" : "normal",
    normal: cellsOf(core, normal),
    alternate: active === alt ? cellsOf(core, alt) : [],
    wraps: shown.map((b) => wrapsOf(core, b)).join(" "),
    rowBehind: active === alt ? normal.y : undefined,
    cursor: `${Math.min(active.x, core.cols)},${active.y}${handler._parser.precedingJoinState === 0 ? "" : " printed"}`,
    saved: [normal, alt].map(savedOf).join(" | "),
    pen: `${lookOf(pen.fg, pen.bg, pen.extended._ext)} ${linkOf(core, pen.bg & extendedFlag ? pen.extended.urlId : 0)}`,
    charsets: `${glevel} ${setName(charset)} ${[0, 1, 2, 3].map((g) => setName(_charsets[g])).join(" ")}`,
    tabs: shown.map(tabsOf).join(" "),
    region: shown.map((b) => `${b.scrollTop}-${b.scrollBottom}`).join(" "),
    modes: {
      ...decPrivateModes,
      ...modes,
      isCursorHidden,
      convertEol,
      cursorBlinkOption: cursorBlink,
      mouse: core.coreMouseService.activeProtocol,
      mouseEncoding: core.coreMouseService.activeEncoding,
    },
    titles: `${handler._windowTitle} | ${handler._iconName}`,
  };
}

/** What a person sees: text, looks and cursor; for comparisons where invisible state may differ. */
export function visibleOf(terminal: object): unknown {
  const { normal, alternate, screen, cursor, modes } = stateOf(terminal);
  return { cells: screen === "normal" ? normal : alternate, cursor, hidden: modes.isCursorHidden };
}

function wrapsOf(core: Core, buffer: Buffer): string {
  let wraps = "";
  for (let y = 0; y < core.rows; y++)
    wraps += core.rows > 1 && buffer.lines.get(buffer.ybase + y)?.isWrapped ? "W" : ".";
  return wraps;
}

function cellsOf(core: Core, buffer: Buffer): string[] {
  return Array.from({ length: core.rows }, (_, y) => {
    const line = buffer.lines.get(buffer.ybase + y);
    return line === undefined ? "?" : rowOf(core, line);
  });
}

function rowOf(core: Core, line: Line): string {
  let row = "";
  let look = "";
  for (let x = 0; x < core.cols; x++) {
    const word = line._data[x * 3] ?? 0;
    const bg = line._data[x * 3 + 2] ?? 0;
    const extended = bg & extendedFlag ? line._extendedAttrs[x] : undefined;
    const now = `${lookOf(line._data[x * 3 + 1] ?? 0, bg, extended?._ext ?? 0)}${linkOf(core, extended?.urlId ?? 0)}`;
    if (now !== look) row += `{${now}}`;
    look = now;
    const text = line.getString(x);
    const width = word >>> 22;
    row += text === "" ? (width === 0 ? "" : "\u00b7") : width === 1 ? text : `${text}<${width}>`;
  }
  return row.replace(/\u00b7+$/, "");
}

function linkOf(core: Core, urlId: number): string {
  const data = urlId === 0 ? undefined : core._oscLinkService.getLinkData(urlId);
  return data === undefined ? "" : `link ${data.id ?? ""} ${data.uri}`;
}

function lookOf(fg: number, bg: number, ext: number): string {
  const flags = `${((fg & ~0x3ff_ffff) >>> 0).toString(16)}.${((bg & ~(0x3ff_ffff | extendedFlag)) >>> 0).toString(16)}`;
  const style = fg & underline ? Math.max(1, bg & extendedFlag ? (ext >>> 26) & 7 : 1) : 0;
  const lineColour = style !== 0 && bg & extendedFlag ? colourOf(ext) : "";
  const look = `${flags} ${colourOf(fg)}/${colourOf(bg)} u${style}${lineColour}`;
  return look === "0.0 / u0" ? "" : look;
}

function colourOf(word: number): string {
  switch (word & mode) {
    case p16:
      return `${word & 15}`;
    case p256:
      return `i${word & 255}`;
    case rgb:
      return `#${(word & 0xff_ffff).toString(16)}`;
    default:
      return "";
  }
}
