/** One terminal as the bastion models it: fed in slices, resized, read out as a key frame. Knows no threads. */
import { clampCsiCounts } from "../../proto/client/csi-clamps.ts";
import type { TermSize } from "../events.ts";
import { fastForward, simpleEnd } from "./fast-forward.ts";
import { type CharsetNames, encodeKeyFrame } from "./key-frame.ts";
import { type Charset, type Core, coreOf, isIdle, limitPayloads } from "./xterm-internals.ts";

export interface ScreenModel extends Disposable {
  /** Parses at least one and about `sliceBytes` bytes from `from`; tells where to go on. Skips what cannot show. */
  feed(bytes: Uint8Array, from: number, sliceBytes: number): number;
  /** Clamped by the terminal to at least 2 columns. */
  resize(size: TermSize): void;
  keyFrame(): { readonly bytes: Uint8Array; readonly approximate: boolean };
  /** True while `fastForward` may be applied to what comes next. */
  readonly steady: boolean;
}

/** Makes a headless terminal without scrollback; called for each model. */
export type NewTerminal = (size: TermSize) => object & { dispose(): void };

/** Beyond this an unfinished sequence is cut short in the key frame, and the frame says that it is approximate. */
const maxTailBytes = 64 * 1024;
/** A terminal keeps a marker per link and line, and looks through all of them: links are hostile text too. */
const maxLinkMarkers = 1000;
const maxColourSpec = 64;

/** Asks a terminal which letter stands for which character set: xterm.js keeps the table, not the letter. */
export function charsetNames(newTerminal: NewTerminal): CharsetNames {
  const terminal = newTerminal({ cols: 2, rows: 1 });
  const core = coreOf(terminal);
  const names = new Map<Charset, string>();
  for (const name of "B0A4CRQKYEZH=") {
    core.writeSync(new TextEncoder().encode(`\x1b(${name}`));
    names.set(core._charsetService.charset, name);
  }
  terminal.dispose();
  return names;
}

/**
 * A model that starts from `from` (a key frame of this size, or any terminal bytes). `approximate` in is approximate out,
 * until output clears the screen (RIS, ED 2, ED 3), switches screens, or a resize makes the program draw again.
 */
export function createScreenModel(
  newTerminal: NewTerminal,
  names: CharsetNames,
  size: TermSize,
  from: { readonly bytes: Uint8Array; readonly approximate: boolean },
): ScreenModel {
  const terminal = newTerminal(size);
  const core = coreOf(terminal);
  clampCsiCounts(terminal);
  limitPayloads(core);
  const palette = new Map<number, string>();
  const dynamic = new Map<number, string>();
  watchColours(core, palette, dynamic);
  boundLinks(core);
  let approximate = false;
  watchClears(core, () => {
    approximate = false;
  });
  let tail: Uint8Array = new Uint8Array(0);
  let tailCut = false;
  /** Up to here the bytes at hand are known to be simple: no use in looking again. */
  let lookedTo = 0;

  const write = (bytes: Uint8Array) => {
    core.writeSync(bytes);
    if (isIdle(core)) {
      tail = tail.subarray(0, 0);
      tailCut = false;
      return;
    }
    const start = unfinishedFrom(core, bytes);
    const whole = start === undefined ? concat(tail, bytes, maxTailBytes) : bytes.slice(start);
    if (start !== undefined) tailCut = false;
    if (whole.length >= maxTailBytes) tailCut = true;
    tail = whole.length > maxTailBytes ? whole.slice(0, maxTailBytes) : whole;
  };

  if (from.bytes.length > 0) write(from.bytes);
  approximate = from.approximate;

  return {
    feed(bytes, from, sliceBytes) {
      if (from === 0) lookedTo = 0;
      if (from >= lookedTo && canSkip(core)) {
        lookedTo = simpleEnd(bytes, from);
        const skip = fastForward(bytes, from, lookedTo, core.rows);
        if (skip !== undefined) {
          write(skip.lead);
          return skip.resumeAt;
        }
      }
      const to = Math.min(bytes.length, from + sliceBytes);
      write(bytes.subarray(from, to));
      return to;
    },
    resize({ cols, rows }) {
      if (cols === core.cols && rows === core.rows) return;
      core.resize(cols, rows);
      approximate = false;
    },
    keyFrame: () => ({
      bytes: encodeKeyFrame(core, names, { palette, dynamic }, tail),
      approximate: approximate || tailCut,
    }),
    get steady() {
      return canSkip(core);
    },
    [Symbol.dispose]: () => terminal.dispose(),
  };
}

/** The conditions of fastForward, scrollback aside. */
export function canSkip(core: Core): boolean {
  const { active } = core.buffers;
  return (
    isIdle(core) &&
    active.scrollTop === 0 &&
    active.scrollBottom === core.rows - 1 &&
    !core.coreService.decPrivateModes.reverseWraparound &&
    core._inputHandler._curAttrData.extended.urlId === 0
  );
}

/**
 * Where in `bytes`, the last ones parsed, the unfinished sequence or character starts; undefined: before them. Every ESC
 * and every C1 introducer starts anew from any state of the parser, so the last one is it.
 */
function unfinishedFrom(core: Core, bytes: Uint8Array): number | undefined {
  if (core._inputHandler._parser.currentState === 0) {
    const { interim } = core._inputHandler._utf8Decoder;
    let size = 0;
    while (size < interim.length && interim[size] !== 0) size++;
    return size <= bytes.length ? bytes.length - size : undefined;
  }
  const escapeAt = bytes.lastIndexOf(0x1b);
  for (let at = bytes.lastIndexOf(0xc2); at > escapeAt; at = at === 0 ? -1 : bytes.lastIndexOf(0xc2, at - 1)) {
    const second = bytes[at + 1] ?? 0;
    if (second === 0x90 || second === 0x98 || (second >= 0x9b && second <= 0x9f && second !== 0x9c)) return at;
  }
  return escapeAt < 0 ? undefined : escapeAt;
}

function concat(a: Uint8Array, b: Uint8Array, limit: number): Uint8Array {
  const room = Math.max(0, limit - a.length);
  const part = b.length > room ? b.subarray(0, room) : b;
  const both = new Uint8Array(a.length + part.length);
  both.set(a);
  both.set(part, a.length);
  return both;
}

/** xterm.js hands colours to its renderer and forgets them: keep what was set. Queries ("?") are not colours. */
function watchColours(core: Core, palette: Map<number, string>, dynamic: Map<number, string>): void {
  const isColour = (spec: string) => spec !== "?" && spec.length <= maxColourSpec && /^[\w#:/.,-]+$/.test(spec);
  core.registerOscHandler(4, (data) => {
    const parts = data.split(";", 512);
    for (let i = 0; i + 1 < parts.length; i += 2) {
      const index = Number(parts[i]);
      const spec = parts[i + 1] ?? "";
      if (/^\d{1,3}$/.test(parts[i] ?? "") && index < 256 && isColour(spec)) palette.set(index, spec);
    }
    return false;
  });
  core.registerOscHandler(104, (data) => {
    if (data === "") palette.clear();
    else for (const part of data.split(";", 512)) palette.delete(Number(part));
    return false;
  });
  for (const first of [10, 11, 12]) {
    core.registerOscHandler(first, (data) => {
      // Further colours in one OSC 10 or 11 are for the next numbers.
      for (const [i, spec] of data.split(";", 3).entries()) {
        if (first + i <= 12 && isColour(spec)) dynamic.set(first + i, spec);
      }
      return false;
    });
    core.registerOscHandler(first + 100, () => {
      dynamic.delete(first);
      return false;
    });
  }
}

/** 50,000 links cost a second and 170 MB in xterm.js: beyond the bound text stays, links are dropped. */
function boundLinks(core: Core): void {
  core.registerOscHandler(8, (data) => {
    const closes = data.endsWith(";");
    return !closes && core.buffers.active.markers.length >= maxLinkMarkers;
  });
}

function watchClears(core: Core, cleared: () => void): void {
  core.registerEscHandler({ final: "c" }, () => {
    cleared();
    return false;
  });
  const erase = ({ params }: { readonly params: Int32Array }) => {
    if (params[0] === 2 || params[0] === 3) cleared();
    return false;
  };
  core.registerCsiHandler({ final: "J" }, erase);
  const screens = ({ params, length }: { readonly params: Int32Array; readonly length: number }) => {
    for (let i = 0; i < length; i++) {
      if (params[i] === 47 || params[i] === 1047 || params[i] === 1049) cleared();
    }
    return false;
  };
  core.registerCsiHandler({ prefix: "?", final: "h" }, screens);
  core.registerCsiHandler({ prefix: "?", final: "l" }, screens);
}
