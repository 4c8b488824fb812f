/** Output as asciicast text, byte for byte: what is valid UTF-8 as it is, the rest beside it. See docs/recording.md. */
import { isAscii, isUtf8 } from "node:buffer";
import type { LineBuffer } from "./line-buffer.ts";

/** Puts an output event, and before it the exact bytes when its text cannot hold them. `head`: up to the text. */
export function putOutput(lines: LineBuffer, head: string, bytes: Buffer): void {
  if (isAscii(bytes)) lines.putAscii(`${head}${JSON.stringify(bytes.toString("latin1"))}]\n`);
  else {
    if (!isUtf8(bytes)) lines.putAscii(`# bartizan bytes ${bytes.toString("base64")}\n`);
    lines.putText(`${head}${JSON.stringify(bytes.toString("utf8"))}]\n`);
  }
}

/**
 * How many bytes at the end (0 to 3) are the beginning of a character whose rest may still come. All before them being
 * valid or not is another question.
 */
export function unfinishedBytes(bytes: Uint8Array): number {
  for (let back = 1; back <= 3 && back <= bytes.length; back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) return 0;
    // RFC 3629 section 3: C2..DF begin two bytes, E0..EF three, F0..F4 four; 80..BF go on.
    if (byte >= 0xc0)
      return (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) > back && byte >= 0xc2 && byte <= 0xf4 ? back : 0;
  }
  return 0;
}
