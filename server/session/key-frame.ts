/** Turns the state of an xterm.js terminal into terminal bytes that bring any terminal to the same state: a key frame. */

import { createPen, type Pen, type Style, styleOf } from "./key-frame-pen.ts";
import { writeRows } from "./key-frame-rows.ts";
import {
  type Buffer,
  bgFlag,
  type Charset,
  type Core,
  content,
  fgFlag,
  joinStateOf,
  joinWidthOf,
  type Line,
} from "./xterm-internals.ts";

/** What xterm.js does not keep itself: collected by hooks, as strings that are safe inside an OSC. */
export interface Colours {
  /** OSC 4, by index. */
  readonly palette: ReadonlyMap<number, string>;
  /** OSC 10, 11 and 12 (foreground, background, cursor). */
  readonly dynamic: ReadonlyMap<number, string>;
}

/** The final letters of the character sets of xterm.js, by their table. */
export type CharsetNames = ReadonlyMap<Charset, string>;

// RIS first and in band (it also ends an unfinished sequence), then what xterm.js's RIS leaves as it was: newline mode,
// cursor visibility and blinking, colours. ECMA-48 8.3.105, xterm ctlseqs.
const head = "\x1bc\x1b[20l\x1b[?25h\x1b[?12l\x1b]104\x1b\\\x1b]110\x1b\\\x1b]111\x1b\\\x1b]112\x1b\\";
const titleLimit = 2048;

/** The key frame of a cleared terminal without a title. */
export function blankKeyFrame(): Uint8Array {
  return utf8(`${head}${titles("", "")}`);
}

/**
 * The viewport of both buffers and every mode that later output depends on. Contains nothing that a terminal answers
 * (setting 1004 makes a focused terminal send one report: clients are mute until the frame is parsed). `tail`: the
 * unfinished sequence or character at the cut. Not kept: titles beyond 2048 characters, and
 * what a resize has left outside the screen (a saved cursor, tab stops, cells of the alternate screen).
 */
export function encodeKeyFrame(core: Core, names: CharsetNames, colours: Colours, tail: Uint8Array): Uint8Array {
  const out: string[] = [head, titles(core._inputHandler._windowTitle, core._inputHandler._iconName)];
  for (const [index, spec] of colours.palette) out.push(`\x1b]4;${index};${spec}\x1b\\`);
  for (const [index, spec] of colours.dynamic) out.push(`\x1b]${index};${spec}\x1b\\`);
  const pen = createPen(core, out);
  const { normal, alt, active } = core.buffers;
  if (active !== alt && hasSaved(alt)) {
    // xterm.js clears all of a screen that is left, except for its saved cursor: DECRC finds it at the next visit.
    out.push("\x1b[?1047h");
    writeSaved(core, alt, names, pen, out);
    pen.reset();
    out.push("\x1b[?1047l\x1b[H");
  }
  writeBuffer(core, normal, names, pen, out);
  if (active === alt) {
    pen.reset();
    // A resize keeps the rows around the cursor of the screen behind, too.
    out.push(`\x1b[${normal.y + 1}H`);
    // 1047, not 1049: the normal screen's saved cursor is in place already. Some terminals do not clear it on entry.
    out.push("\x1b[?1047h\x1b[H\x1b[2J");
    writeBuffer(core, alt, names, pen, out);
  }
  writeModes(core, out);
  writeEnd(core, names, pen, out);
  const frame = utf8(out.join(""));
  return tail.length === 0 ? frame : joined(frame, tail);
}

function titles(title: string, icon: string): string {
  const safe = (text: string) => text.slice(0, titleLimit).replace(/[\x00-\x1f\x7f-\x9f]/g, "");
  return `\x1b]2;${safe(title)}\x1b\\\x1b]1;${safe(icon)}\x1b\\`;
}

/** Saved cursor, cells, tab stops and scroll region of one buffer, onto a blank one; leaves the cursor anywhere. */
function writeBuffer(core: Core, buffer: Buffer, names: CharsetNames, pen: Pen, out: string[]): void {
  if (hasSaved(buffer)) {
    writeSaved(core, buffer, names, pen, out);
    pen.reset();
    out.push("\x1b[H");
  }
  writeRows(core, buffer, pen, out);
  const stops: number[] = [];
  let usual = true;
  for (let x = 0; x < core.cols; x++) {
    if (buffer.tabs[x] === true) stops.push(x);
    if ((buffer.tabs[x] === true) !== (x % 8 === 0)) usual = false;
  }
  if (!usual) out.push("\x1b[3g", ...stops.map((x) => `\x1b[1;${x + 1}H\x1bH`));
  if (buffer.scrollTop !== 0 || buffer.scrollBottom !== core.rows - 1) {
    out.push(`\x1b[${buffer.scrollTop + 1};${buffer.scrollBottom + 1}r`);
  }
}

function hasSaved({ savedX, savedY, savedCurAttrData: { fg, bg }, savedCharset }: Buffer): boolean {
  return savedX !== 0 || savedY !== 0 || fg !== 0 || bg !== 0 || savedCharset !== undefined;
}

/** Expects a blank screen without a region, and leaves it blank; moves the cursor and the pen. */
function writeSaved(core: Core, buffer: Buffer, names: CharsetNames, pen: Pen, out: string[]): void {
  const { savedX, savedY, savedCurAttrData: saved, savedCharset } = buffer;
  const y = Math.min(Math.max(savedY - buffer.ybase, 0), core.rows - 1);
  const edge = core.cols - 1;
  const goTo = (x: number) => out.push(`\x1b[${y + 1};${x + 1}H`);
  goTo(Math.min(savedX, edge));
  pen.set({ fg: saved.fg, bg: saved.bg, ext: 0, urlId: 0 });
  // DECRC brings no link back, but whether one counts: without an underline only some link makes DECSC note that it does.
  const linked = (saved.bg & bgFlag.extended) !== 0 && (saved.fg & fgFlag.underline) === 0;
  if (linked) out.push("\x1b]8;;https://localhost/\x1b\\");
  // Saved past the last column: DECRC comes back to the last one, but in a wider terminal to this one.
  if (savedX > edge) out.push(" ");
  const name = names.get(savedCharset) ?? "B";
  out.push(name === "B" ? "\x1b7" : `\x1b(${name}\x1b7\x1b(B`);
  if (linked) out.push("\x1b]8;;\x1b\\");
  if (savedX > edge) {
    goTo(edge);
    pen.reset();
    out.push("\x1b[X");
  }
}

function writeModes(core: Core, out: string[]): void {
  const { modes, decPrivateModes: dec, isCursorHidden } = core.coreService;
  const { activeProtocol, activeEncoding } = core.coreMouseService;
  const { convertEol, cursorBlink } = core.optionsService.rawOptions;
  const when = (is: boolean, sequence: string) => {
    if (is) out.push(sequence);
  };
  when(dec.applicationCursorKeys, "\x1b[?1h");
  when(dec.applicationKeypad, "\x1b=");
  when(dec.bracketedPasteMode, "\x1b[?2004h");
  when(dec.sendFocus, "\x1b[?1004h");
  when(dec.reverseWraparound, "\x1b[?45h");
  const protocol = ({ X10: 9, VT200: 1000, DRAG: 1002, ANY: 1003 } as Record<string, number>)[activeProtocol];
  when(protocol !== undefined, `\x1b[?${protocol}h`);
  when(activeEncoding === "SGR", "\x1b[?1006h");
  when(activeEncoding === "SGR_PIXELS", "\x1b[?1016h");
  if (dec.cursorStyle !== undefined) {
    const steady = { block: 2, underline: 4, bar: 6 }[dec.cursorStyle];
    out.push(`\x1b[${dec.cursorBlink === true ? steady - 1 : steady} q`);
  }
  when(cursorBlink, "\x1b[?12h");
  when(isCursorHidden, "\x1b[?25l");
  // Before the cursor is placed: both move it home, and positions are relative to the region afterwards.
  when(dec.origin, "\x1b[?6h");
  when(modes.insertMode, "\x1b[4h");
  when(!dec.wraparound, "\x1b[?7l");
  when(convertEol, "\x1b[20h");
  when(dec.synchronizedOutput, "\x1b[?2026h");
}

/** Cursor, pen, character sets: last, because printing the glyph before the cursor again must end the frame. */
function writeEnd(core: Core, names: CharsetNames, pen: Pen, out: string[]): void {
  const buffer = core.buffers.active;
  const service = core._charsetService;
  const recalled = service.charset !== service._charsets[service.glevel];
  const charsets = () => {
    for (const [g, intermediate] of ["(", ")", "*", "+"].entries()) {
      const name = names.get(service._charsets[g]) ?? "B";
      if (name !== "B") out.push(`\x1b${intermediate}${name}`);
    }
    out.push(["", "\x0e", "\x1bn", "\x1bo"][service.glevel] ?? "");
    // DECRC brings a set back that no G holds.
    if (recalled) out.push("\x1b8");
  };
  const { origin } = core.coreService.decPrivateModes;
  const moveTo = (x: number) => out.push(`\x1b[${buffer.y - (origin ? buffer.scrollTop : 0) + 1};${x + 1}H`);
  const penNow = core._inputHandler._curAttrData;
  // DECRC brings back a pen without its link, yet xterm.js remembers the link until the next SGR: prints are without it.
  const urlId = (penNow.bg & bgFlag.extended) === 0 ? 0 : penNow.extended.urlId;
  const style: Style = { fg: penNow.fg, bg: penNow.bg, ext: penNow.extended._ext, urlId };
  const line = buffer.lines.get(buffer.ybase + buffer.y);
  const join = joinStateOf(core);
  const past = buffer.x >= core.cols;
  const start = line === undefined || (!past && join === 0) ? -1 : glyphBefore(line, Math.min(buffer.x, core.cols));
  if (line !== undefined && isSwallowed(core, line, buffer.x)) {
    charsets();
    moveTo(buffer.x);
    pen.set(style, "pen");
    out.push("\u4e00");
    return;
  }
  // After DECRC, or in another style, another glyph may stand there than the one printed last.
  if (line === undefined || start < 0 || (!past && !endsAt(line, start, buffer.x, style))) {
    charsets();
    moveTo(Math.min(buffer.x, core.cols - 1));
    pen.set(style, "pen");
    return;
  }
  // Only printing puts the cursor past the last column, and only printing lets a combining character join: print the
  // glyph before the cursor once more. After a print the pen is the glyph's own style, and nothing may follow.
  const text = line.getString(start).slice(0, 64) || (isBlank(line) ? " \x1b[1K" : " ");
  const width = (line._data[start * 3] ?? 0) >>> content.widthShift || 1;
  const print = () => out.push(core.coreService.modes.insertMode ? `\x1b[${width}P${text}` : text);
  if (join !== 0 || recalled) {
    charsets();
    moveTo(start);
    pen.set(style, "pen");
    print();
    if (join === 0) pen.set(style, "pen");
  } else {
    moveTo(start);
    pen.set(styleOf(line, start));
    print();
    charsets();
    pen.set(style, "pen");
  }
}

/** A wide character did not fit at the edge with autowrap off: nothing shows, but a combining character may follow it. */
function isSwallowed(core: Core, line: Line, x: number): boolean {
  if (core.coreService.decPrivateModes.wraparound || x !== core.cols - 1 || joinWidthOf(core) !== 2) return false;
  // Printing would take a wide neighbour apart; a whole one that ends here gives the same when printed again.
  return (line._data[(x - 1) * 3] ?? 0) >>> content.widthShift === 1;
}

/** Whether a glyph in this style stands at `x` and reaches to `end`. */
function endsAt(line: Line, x: number, end: number, style: Style): boolean {
  const word = line._data[x * 3] ?? 0;
  const { fg, bg } = styleOf(line, x);
  return (
    (word & content.any) !== 0 && x + (word >>> content.widthShift) === end && ((fg ^ style.fg) | (bg ^ style.bg)) === 0
  );
}

/** EL and ED leave the cursor past the last column of a row that is blank all over. */
function isBlank(line: Line): boolean {
  for (let x = 0; x < line.length; x++) {
    if (((line._data[x * 3] ?? 0) & content.any) !== 0 || line._data[x * 3 + 2] !== line._data[2]) return false;
  }
  return true;
}

/** Column of the glyph that ends before column `x`; a wide one starts two columns before. */
function glyphBefore(line: Line, x: number): number {
  const before = line._data[(x - 1) * 3] ?? 0;
  if (x >= 2 && before >>> content.widthShift === 0 && (before & content.any) === 0) return x - 2;
  return x - 1;
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
