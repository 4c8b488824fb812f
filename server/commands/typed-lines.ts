/** What the operator typed and nobody has answered yet, as lines; kept in memory alone, and only until it is answered. */

/** How a typed line ended: entered, given up with ^C, or not yet. */
export type LineEnd = "entered" | "interrupted" | undefined;

export interface TypedLine {
  /** As it would stand with plain keys alone. */
  text: string;
  /** Only printable keys, erasing at the end and pastes: the text is exact, if it was shown. */
  plain: boolean;
  end: LineEnd;
  /** Of its last key, ms since the session was opened. */
  atMs: number;
}

const maxLines = 200;
const maxTextLength = 16 * 1024;
const pasteEnd = "\x1b[201~";

export class TypedLines {
  #lines: TypedLine[] = [];
  /** Bytes of an unfinished character or sequence. */
  readonly #decoder = new TextDecoder();
  #sequence = "";
  #pasting = false;

  get lines(): readonly TypedLine[] {
    return this.#lines;
  }

  /** Nothing is typed that was not answered. */
  get empty(): boolean {
    return this.#lines.every(({ text, end, plain }) => text === "" && end === undefined && plain);
  }

  get entered(): boolean {
    return this.#lines.some(({ end }) => end === "entered");
  }

  /** The line that is being typed. */
  get open(): TypedLine | undefined {
    const last = this.#lines.at(-1);
    return last?.end === undefined ? last : undefined;
  }

  add(bytes: Uint8Array, atMs: number): void {
    for (const char of this.#decoder.decode(bytes, { stream: true })) this.#key(char, atMs);
  }

  /** Forgets the first `count` lines. */
  drop(count: number): void {
    this.#lines.splice(0, count);
  }

  clear(): void {
    this.#lines = [];
  }

  #key(char: string, atMs: number): void {
    if (this.#sequence !== "") this.#inSequence(char, atMs);
    else if (char === "\x1b") this.#sequence = char;
    else if (this.#pasting) this.#insert(char === "\r" ? "\n" : char, atMs);
    else if (char === "\r" || char === "\n" || char === "\x0f") this.#end("entered", atMs);
    else if (char === "\x03") this.#end("interrupted", atMs);
    else if (char === "\x7f" || char === "\b") this.#change(atMs, (text) => text.replace(/.$/su, ""));
    else if (char === "\x15") this.#change(atMs, () => "");
    else if (char === "\x17") this.#change(atMs, (text) => text.replace(/\S*\s*$/u, ""));
    else if (char === "\x0c" || char === "\x04") return;
    else if (char < " ") this.#strange(atMs);
    else this.#insert(char, atMs);
  }

  /** ESC, then CSI or SS3 up to its final byte, or one character with Alt. */
  #inSequence(char: string, atMs: number): void {
    this.#sequence += char;
    const sequence = this.#sequence;
    if (sequence.length === 2 && (char === "[" || char === "O")) return;
    if (sequence.startsWith("\x1b[") && !/[@-~]$/.test(sequence) && sequence.length < 64) return;
    this.#sequence = "";
    if (sequence === "\x1b[200~") this.#pasting = true;
    else if (sequence === pasteEnd) this.#pasting = false;
    else this.#strange(atMs);
  }

  #current(atMs: number): TypedLine {
    const open = this.open;
    if (open !== undefined) {
      open.atMs = atMs;
      return open;
    }
    const line: TypedLine = { text: "", plain: true, end: undefined, atMs };
    this.#lines.push(line);
    if (this.#lines.length > maxLines) this.#lines.shift();
    return line;
  }

  #insert(char: string, atMs: number): void {
    this.#change(atMs, (text) => text + char);
  }

  #change(atMs: number, how: (text: string) => string): void {
    const line = this.#current(atMs);
    if (!line.plain) return;
    line.text = how(line.text);
    if (line.text.length > maxTextLength) this.#strange(atMs);
  }

  /** A key whose effect only the far side knows: from here on the text says nothing. */
  #strange(atMs: number): void {
    const line = this.#current(atMs);
    line.plain = false;
    line.text = "";
  }

  #end(end: LineEnd, atMs: number): void {
    this.#current(atMs).end = end;
  }
}
