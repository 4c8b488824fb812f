/** Foreign text made fit for one line of a log, an error or a prompt, or for several. */
import { printable } from "../../proto/client/printable.ts";

export { printable };

/** As `printable`, but keeps line breaks: for texts of several lines (banners, instructions). */
export function printableLines(text: string, maxLength = 4000): string {
  return text
    .slice(0, maxLength)
    .split(/\r\n|\n|\r/)
    .map((line) => printable(line, maxLength))
    .join("\n");
}
