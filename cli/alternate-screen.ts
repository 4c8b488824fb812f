/** Whether the output last switched to the alternate screen, as full-screen programs do; fast enough for every byte. */

export interface AlternateScreenWatch {
  readonly entered: boolean;
  feed(bytes: Uint8Array): void;
}

const switches = [Buffer.from("\x1b[?1049"), Buffer.from("\x1b[?1047"), Buffer.from("\x1b[?47")];
const longest = 9;

/** Looks only for the sequences as programs write them: one mode at a time. */
export function createAlternateScreenWatch(): AlternateScreenWatch {
  let entered = false;
  let tail = Buffer.alloc(0);
  return {
    get entered() {
      return entered;
    },
    feed(bytes) {
      const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      // A sequence split between two chunks lies within the last bytes of one and the first of the other.
      if (tail.includes(0x1b)) look(Buffer.concat([tail, chunk.subarray(0, longest)]));
      look(chunk);
      tail = Buffer.from(
        chunk.length >= longest ? chunk.subarray(-longest) : Buffer.concat([tail, chunk]).subarray(-longest),
      );
    },
  };

  function look(bytes: Buffer) {
    let last = -1;
    for (const begin of switches) {
      const at = bytes.lastIndexOf(begin);
      const end = bytes[at + begin.length];
      if (at <= last || (end !== 0x68 && end !== 0x6c)) continue;
      last = at;
      entered = end === 0x68;
    }
  }
}
