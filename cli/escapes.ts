/** The tilde escapes of `shell`, as ssh has them: recognised only right after a line break, and at the start. */

export type EscapeAction = "hang-up" | "detach" | "help";

export interface EscapeFilter {
  /** What to send of these typed bytes, and what the user asked for, in order. */
  feed(bytes: Uint8Array): readonly (Uint8Array | EscapeAction)[];
}

const tilde = 0x7e;
const actions: Readonly<Record<string, EscapeAction>> = { ".": "hang-up", d: "detach", "?": "help" };

export const escapeHelp = [
  "~.   end the session",
  "~d   leave, and keep the session for its grace time (`bartizan shell --session ID` takes it up again)",
  "~~   send one ~",
  "~?   this help",
  "(only right after Enter)",
];

/** A tilde is held back until the next key tells what it is; any other key sends both. */
export function createEscapeFilter(): EscapeFilter {
  let lineStart = true;
  let held = false;
  return {
    feed(bytes) {
      const out: (Uint8Array | EscapeAction)[] = [];
      let keep: number[] = [];
      const flush = () => {
        if (keep.length > 0) out.push(Uint8Array.from(keep));
        keep = [];
      };
      // The usual case, and every paste: nothing to look at byte by byte.
      if (!held && !bytes.includes(tilde)) {
        const last = bytes.at(-1);
        if (last !== undefined) lineStart = last === 0x0d || last === 0x0a;
        return bytes.length === 0 ? [] : [bytes];
      }
      for (const byte of bytes) {
        if (held) {
          held = false;
          const action = actions[String.fromCharCode(byte)];
          if (action !== undefined) {
            flush();
            out.push(action);
            lineStart = true;
            continue;
          }
          if (byte !== tilde) keep.push(tilde);
        } else if (lineStart && byte === tilde) {
          held = true;
          continue;
        }
        keep.push(byte);
        lineStart = byte === 0x0d || byte === 0x0a;
      }
      flush();
      return out;
    },
  };
}
