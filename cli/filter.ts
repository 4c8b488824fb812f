/**
 * The allow-list for a watched terminal's output: text, colours, cursor, erasing, scrolling and a few modes pass;
 * everything that makes a terminal answer, remember or change what its keys send is dropped.
 */

import { allowedCsi } from "./filter-csi.ts";

export interface OutputFilter {
  /** What may be shown of these bytes; sequences and characters may be split anywhere between two calls. */
  feed(bytes: Uint8Array): Uint8Array;
}

export interface OutputFilterOptions {
  /** Titles and the full reset go too: whoever shows the pipe's bytes has a screen and a title of his own. */
  readonly forPipe?: boolean;
}

const esc = 0x1b;
const fullReset = 0x63;
/** Longer sequences are no sequences that somebody needs; they are dropped to their end. */
const longestCsi = 256;
const longestTitle = 256;

type State = "text" | "escape" | "escape-more" | "csi" | "osc" | "string";

/** C0 controls that move the cursor, ring or switch character sets; ENQ (a question) and the rest are dropped. */
const allowedControls = new Set([0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f]);
/** DECSC, DECRC, IND, NEL, HTS, RI, RIS and the locking shifts. */
const allowedEscapes = new Set([..."78DEHMcno|}~"].map((char) => char.charCodeAt(0)));
/** Designate a character set: ESC, one of these, one final byte. */
const designators = new Set([..."()*+-./"].map((char) => char.charCodeAt(0)));

/**
 * Follows xterm.js in what it takes for a sequence, so that what passes shows the same screen there: control characters
 * inside of sequences act at once, CAN and SUB end any sequence, malformed UTF-8 is left out. C1 controls written as
 * UTF-8 are turned into their ESC form and judged as that.
 */
export function createOutputFilter({ forPipe = false }: OutputFilterOptions = {}): OutputFilter {
  let state: State = "text";
  let sequence: number[] = [];
  let tooLong = false;
  let character: number[] = [];
  let missing = 0;
  let lowest = 0;
  let out: number[] = [];

  const emit = (bytes: Iterable<number>) => {
    for (const byte of bytes) out.push(byte);
  };

  function enter(next: State) {
    state = next;
    sequence = [];
    tooLong = false;
  }

  function keep(byte: number, most: number) {
    if (sequence.length < most) sequence.push(byte);
    else tooLong = true;
  }

  /** A control character, in any state. True when it was one. */
  function control(byte: number): boolean {
    if (byte === esc) {
      if (state === "osc") title();
      enter("escape");
      return true;
    }
    if (byte === 0x18 || byte === 0x1a) {
      enter("text");
      return true;
    }
    if (byte >= 0x20 && byte !== 0x7f) return false;
    if (state === "osc" || state === "string") {
      if (state === "osc" && byte === 0x07) {
        title();
        enter("text");
      }
      return true;
    }
    if (allowedControls.has(byte)) out.push(byte);
    return true;
  }

  /** OSC 0 and 2 set a title: shown as plain text of a bounded length. All other OSC are dropped. */
  function title() {
    if (forPipe) return;
    const text = new TextDecoder().decode(Uint8Array.from(sequence));
    const match = /^[02];(.*)$/s.exec(text);
    if (match === null) return;
    const safe = (match[1] ?? "").replace(
      /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffd]/g,
      "",
    );
    emit(new TextEncoder().encode(`\x1b]2;${safe.slice(0, 100)}\x1b\\`));
  }

  function escapeFinal(byte: number) {
    if (byte === 0x5b) enter("csi");
    else if (byte === 0x5d) enter("osc");
    else if (byte === 0x50 || byte === 0x58 || byte === 0x5e || byte === 0x5f) enter("string");
    else if (byte >= 0x20 && byte <= 0x2f) {
      state = "escape-more";
      keep(byte, longestCsi);
    } else {
      if (allowedEscapes.has(byte) && !(forPipe && byte === fullReset)) emit([esc, byte]);
      enter("text");
    }
  }

  function escapeMore(byte: number) {
    if (byte >= 0x20 && byte <= 0x2f) {
      keep(byte, longestCsi);
      return;
    }
    const first = sequence[0] ?? 0;
    const charset = sequence.length === 1 && designators.has(first);
    const alignment = sequence.length === 1 && first === 0x23 && byte === 0x38; // DECALN
    if (byte < 0x7f && (charset || alignment)) emit([esc, first, byte]);
    enter("text");
  }

  /** A byte of 0x80 and above in text: only whole, shortest-form UTF-8 passes. */
  function multiByte(byte: number) {
    if (missing > 0 && (byte & 0xc0) === 0x80) {
      character.push(byte);
      missing -= 1;
      if (missing === 0) wholeCharacter();
      return;
    }
    missing = 0;
    character = [byte];
    if (byte >= 0xc2 && byte <= 0xdf) [missing, lowest] = [1, 0x80];
    else if (byte >= 0xe0 && byte <= 0xef) [missing, lowest] = [2, 0x800];
    else if (byte >= 0xf0 && byte <= 0xf4) [missing, lowest] = [3, 0x10000];
  }

  function wholeCharacter() {
    const [first = 0, ...rest] = character;
    const lead = rest.length === 1 ? first & 0x1f : rest.length === 2 ? first & 0x0f : first & 0x07;
    const code = rest.reduce((value, byte) => (value << 6) | (byte & 0x3f), lead);
    if (code < lowest || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return;
    if (code < 0xa0) {
      if (state === "osc") title();
      enter(code === 0x9c ? "text" : "escape");
      if (code !== 0x9c) step(code - 0x40);
    } else if (state === "osc") for (const byte of character) keep(byte, longestTitle);
    else if (state === "text") emit(character);
    else if (state !== "string") enter("text");
  }

  function step(byte: number) {
    if (byte >= 0x80) {
      multiByte(byte);
      return;
    }
    missing = 0;
    if (control(byte)) return;
    switch (state) {
      case "text":
        out.push(byte);
        return;
      case "escape":
        escapeFinal(byte);
        return;
      case "escape-more":
        escapeMore(byte);
        return;
      case "csi":
        if (byte < 0x40) keep(byte, longestCsi);
        else {
          const allowed = tooLong ? "" : allowedCsi(String.fromCharCode(...sequence), String.fromCharCode(byte));
          if (allowed !== "") for (let at = 0; at < allowed.length; at += 1) out.push(allowed.charCodeAt(at));
          enter("text");
        }
        return;
      case "osc":
        keep(byte, longestTitle);
        return;
      case "string":
        return;
    }
  }

  return {
    feed(bytes) {
      out = [];
      for (const byte of bytes) step(byte);
      return Uint8Array.from(out);
    },
  };
}
