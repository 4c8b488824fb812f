/** Text that comes out of a terminal or goes into one, made safe: titles, links, pastes, clipboard writes. Pure. */

const controls = /[\u0000-\u001f\u007f-\u009f]+/g;
/** Marks that turn the direction of text, or that nobody sees. */
const invisible = /[\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\u{e0000}/gu;

/** One line of plain text out of foreign words: no controls, no bidirectional or invisible marks, cut with an ellipsis. */
export function plainLine(text: string, maxLength = 80): string {
  const line = text.replace(controls, " ").replace(invisible, "").replace(/\s+/g, " ").trim();
  const chars = [...line];
  return chars.length <= maxLength ? line : `${chars.slice(0, maxLength - 1).join("")}…`;
}

/** The real address of a link if it is one that may be opened, http or https without a login in it; else undefined. */
export function openableLink(text: string): string | undefined {
  if (text.length > 2048) return undefined;
  try {
    const url = new URL(text);
    const web = url.protocol === "http:" || url.protocol === "https:";
    // "https://bank.example@evil.example" shows one host and opens another.
    return web && url.username === "" && url.password === "" && url.hostname !== "" ? url.href : undefined;
  } catch {
    return undefined;
  }
}

/** Above this a paste is refused: files go another way. */
export const maxPasteBytes = 1_048_576; // 1 MiB

export interface Paste {
  /** What would be typed; line ends are line feeds. */
  readonly text: string;
  readonly bytes: number;
  readonly lines: number;
  /** Control characters were in it, and were taken out. */
  readonly cleaned: boolean;
}

/** Clipboard text as it may be typed: control characters but tab and line ends are gone, the escape of a bracketed paste too. */
export function preparePaste(clipboard: string): Paste {
  const unified = clipboard.replace(/\r\n?/g, "\n");
  const text = unified.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, "");
  const lines = text.split("\n").length;
  return { text, bytes: new TextEncoder().encode(text).length, lines, cleaned: text.length !== unified.length };
}

/** What an OSC 52 sequence wants on the clipboard; undefined for a question, for rubbish and above 64 KiB. */
export function clipboardWrite(payload: string): string | undefined {
  const data = payload.slice(payload.indexOf(";") + 1);
  if (!payload.includes(";") || data === "" || data === "?" || data.length > 87_384) return undefined;
  try {
    const bytes = Uint8Array.from(atob(data), (char) => char.charCodeAt(0));
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
