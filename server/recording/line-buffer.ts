/** Where the lines of recordings are composed: one piece of memory, used again and again. */

/** Holds what was put since the last `clear`. One for all recorders: each empties it in the turn in which it fills it. */
export class LineBuffer {
  #buffer: Buffer;
  #length = 0;

  constructor(firstBytes = 512 * 1024) {
    this.#buffer = Buffer.allocUnsafeSlow(firstBytes);
  }

  get length(): number {
    return this.#length;
  }

  /** What was put from `start` on; valid until the next call that puts or clears. */
  since(start: number): Buffer {
    return this.#buffer.subarray(start, this.#length);
  }

  /** The caller knows that every character is below U+0080. */
  putAscii(text: string): void {
    this.#need(text.length);
    this.#length += this.#buffer.write(text, this.#length, "latin1");
  }

  putText(text: string): void {
    this.#need(text.length * 3);
    this.#length += this.#buffer.write(text, this.#length, "utf8");
  }

  clear(): void {
    this.#length = 0;
  }

  #need(bytes: number): void {
    if (this.#length + bytes <= this.#buffer.length) return;
    const bigger = Buffer.allocUnsafeSlow(2 * (this.#length + bytes));
    this.#buffer.copy(bigger, 0, 0, this.#length);
    this.#buffer = bigger;
  }
}
