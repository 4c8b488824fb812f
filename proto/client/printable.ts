/** Foreign text made fit for one line of a terminal: what a target or another user wrote must not drive the reader's. */

const unsafe = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/**
 * Control characters (C0, C1, DEL), line and paragraph separators and bidirectional marks become visible escapes; cut
 * at `maxLength` UTF-16 units with an ellipsis.
 */
export function printable(text: string, maxLength = 500): string {
  const safe = text.replace(unsafe, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
  return safe.length <= maxLength ? safe : `${safe.slice(0, maxLength - 1)}…`;
}
