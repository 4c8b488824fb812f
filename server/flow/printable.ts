/** Foreign text made fit for one line of a log, an error or a prompt. */

/**
 * Control characters (C0, C1, DEL), line and paragraph separators and bidirectional marks become visible escapes;
 * cut at `maxLength` UTF-16 units with an ellipsis.
 */
export function printable(text: string, maxLength = 500): string {
  const safe = text.replace(
    /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return safe.length <= maxLength ? safe : `${safe.slice(0, maxLength - 1)}…`;
}

/** As `printable`, but keeps line breaks: for texts of several lines (banners, instructions). */
export function printableLines(text: string, maxLength = 4000): string {
  return text
    .slice(0, maxLength)
    .split(/\r\n|\n|\r/)
    .map((line) => printable(line, maxLength))
    .join("\n");
}
