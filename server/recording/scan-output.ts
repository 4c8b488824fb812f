/** Reads over a plain output line without decoding it: nearly all of a recording is such lines. */

/** What `scanOutput` found; one object for a whole file, or each line would cost one. */
export interface ScannedOutput {
  /** How long the text is in UTF-8. */
  textBytes: number;
  /** In whole milliseconds. */
  afterMs: number;
  /** Where the next line begins. */
  next: number;
}

/** Hexadecimal digits by their code; 255 for others. */
const hex = new Uint8Array(256).fill(255);
for (const [value, digit] of [..."0123456789abcdef"].entries()) {
  hex[digit.charCodeAt(0)] = value;
  hex[digit.toUpperCase().charCodeAt(0)] = value;
}
/** Bytes of a string that stand for themselves. */
const plain = new Uint8Array(256).fill(1, 0x20);
plain[0x22] = 0;
plain[0x5c] = 0;
/** What may follow a backslash, but u. */
const shortEscape = new Uint8Array(256);
for (const letter of '"\\/bfnrt') shortEscape[letter.charCodeAt(0)] = 1;

/** `, "o", "` behind the time. */
const middle = Buffer.from(', "o", "');

/**
 * True when at `at` stands a whole line in exactly the form that the format shows, `[0.012, "o", "text"]`; `into` then
 * has what it is. False for every other line, which may still be an event. The bytes must be valid UTF-8.
 */
export function scanOutput(bytes: Uint8Array, at: number, into: ScannedOutput): boolean {
  if (bytes[at] !== 0x5b) return false;
  let i = at + 1;
  let seconds = 0;
  const first = i;
  for (; i < first + 9; i += 1) {
    const digit = (bytes[i] as number) - 0x30;
    if (!(digit >= 0 && digit <= 9)) break;
    seconds = seconds * 10 + digit;
  }
  // JSON has no leading zeros.
  if (i === first || bytes[i] !== 0x2e || (bytes[first] === 0x30 && i > first + 1)) return false;
  let fraction = 0;
  for (let digits = 1; digits <= 3; digits += 1) {
    const digit = (bytes[i + digits] as number) - 0x30;
    if (!(digit >= 0 && digit <= 9)) return false;
    fraction = fraction * 10 + digit;
  }
  i += 4;
  for (let k = 0; k < middle.length; k += 1) if (bytes[i + k] !== middle[k]) return false;
  i += middle.length;
  const text = i;
  let saved = 0;
  for (;;) {
    while (plain[bytes[i] as number] === 1) i += 1;
    if (bytes[i] !== 0x5c) break;
    const letter = bytes[i + 1] as number;
    if (shortEscape[letter] === 1) {
      saved += 1;
      i += 2;
    } else if (letter === 0x75) {
      const code = codeAt(bytes, i + 2);
      if (code < 0) return false;
      i += 6;
      saved += 6 - (code < 0x80 ? 1 : code < 0x800 ? 2 : 3);
      // A pair is one character of 4 bytes.
      if (code >= 0xd800 && code < 0xdc00 && bytes[i] === 0x5c && bytes[i + 1] === 0x75) {
        const low = codeAt(bytes, i + 2);
        if (low >= 0xdc00 && low < 0xe000) {
          i += 6;
          saved += 5;
        }
      }
    } else return false;
  }
  if (bytes[i] !== 0x22 || bytes[i + 1] !== 0x5d || bytes[i + 2] !== 0x0a) return false;
  into.textBytes = i - text - saved;
  into.afterMs = seconds * 1000 + fraction;
  into.next = i + 3;
  return true;
}

/** Four hexadecimal digits; -1 when they are not. */
function codeAt(bytes: Uint8Array, at: number): number {
  const a = hex[bytes[at] as number] as number;
  const b = hex[bytes[at + 1] as number] as number;
  const c = hex[bytes[at + 2] as number] as number;
  const d = hex[bytes[at + 3] as number] as number;
  return (a | b | c | d) === 255 || a > 15 || b > 15 || c > 15 || d > 15 ? -1 : (a << 12) | (b << 8) | (c << 4) | d;
}
