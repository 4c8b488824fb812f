/** Keys that an on-screen bar presses: their bytes, and the modifiers that stick until the next key. Pure. */

export type BarKey = "escape" | "tab" | "up" | "down" | "left" | "right" | "home" | "end" | "page-up" | "page-down";

export interface Modifiers {
  readonly ctrl: boolean;
  readonly alt: boolean;
}

export const noModifiers: Modifiers = { ctrl: false, alt: false };

const arrows: Partial<Record<BarKey, string>> = { up: "A", down: "B", right: "C", left: "D", home: "H", end: "F" };

/** What xterm sends for the key; `application`: the program asked for application cursor keys (DECCKM). */
export function keySequence(key: BarKey, { ctrl, alt }: Modifiers, application: boolean): string {
  const meta = alt ? "\x1b" : "";
  if (key === "escape") return `${meta}\x1b`;
  if (key === "tab") return `${meta}\t`;
  const held = 1 + (alt ? 2 : 0) + (ctrl ? 4 : 0);
  if (key === "page-up" || key === "page-down") {
    const number = key === "page-up" ? 5 : 6;
    return held === 1 ? `\x1b[${number}~` : `\x1b[${number};${held}~`;
  }
  const letter = arrows[key] ?? "";
  if (held > 1) return `\x1b[1;${held}${letter}`;
  return application ? `\x1bO${letter}` : `\x1b[${letter}`;
}

/** Typed text with the sticking modifiers put to its first character; what has no control form stays as it is. */
export function withModifiers(typed: string, { ctrl, alt }: Modifiers): string {
  const [first = "", ...rest] = typed;
  let key = first;
  if (ctrl) {
    const code = first.toUpperCase().charCodeAt(0);
    if (code >= 0x40 && code <= 0x5f) key = String.fromCharCode(code & 0x1f);
    else if (first === " ") key = "\0";
    else if (first === "?") key = "\x7f";
  }
  return `${alt && first !== "" ? "\x1b" : ""}${key}${rest.join("")}`;
}
