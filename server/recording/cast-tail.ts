/** Where an unfinished recording stands, told from its last lines: what the next start needs to seal it. */
import { type CastState, emptyCast } from "./cast-writer.ts";
import type { RecordedCause } from "./recording.ts";

export interface CastTail {
  /** After the last whole event: what follows was never shown. */
  readonly state: CastState;
  /** The newest time that the lines tell. */
  readonly atMs: number;
  /** Of the `end` line, when there is one. */
  readonly cause: RecordedCause | undefined;
  /** The hash of the final seal, when there is one. */
  readonly seal: string | undefined;
}

const cutting = /^# bartizan (link|seal) (\{.*\})( [A-Za-z0-9+/=]+)?$/s;

/**
 * `window`: the bytes of the file from `first` to its end. undefined: it holds no cutting line, and does not begin at the
 * start of the file either; a larger one is needed. The file is believed, not verified. Throws SyntaxError for nonsense.
 */
export function readTail(window: Buffer, first: number): CastTail | undefined {
  const lines = wholeLines(window, first);
  const from = lines.findLastIndex(({ text }) => cutting.test(text));
  if (from < 0 && first > 0) return undefined;
  let state = emptyCast;
  let atMs = 0;
  let cause: RecordedCause | undefined;
  let seal: string | undefined;
  // `bytes` and `screen` belong to the event behind them, and a `tail` to what it follows.
  let held: { readonly kind: "bytes" | "screen"; readonly length: number } | undefined;
  for (const { text, at, end } of lines.slice(Math.max(0, from))) {
    const cut = cutting.exec(text);
    const word = /^# bartizan (\w+) /.exec(text)?.[1];
    const content = () => JSON.parse(text.slice(text.indexOf("{"))) as Record<string, unknown>;
    let { outputBytes, carry } = state;
    if (cut !== null) {
      const said = JSON.parse(cut[2] ?? "") as {
        n: number;
        out: number;
        ms: number;
        hash: string;
        final?: RecordedCause;
      };
      state = { ...state, cuts: said.n, hash: said.hash, chunkStart: at };
      ({ out: outputBytes, ms: atMs } = said);
      if (said.final !== undefined) [cause, seal] = [said.final, said.hash];
    } else if (word === "bytes" || word === "screen") {
      held = { kind: word, length: Buffer.from(text.slice(text.lastIndexOf(" ") + 1), "base64").length };
      continue;
    } else if (word === "tail") {
      const next = Buffer.from(text.slice(text.lastIndexOf(" ") + 1), "base64");
      outputBytes += next.length - carry.length;
      carry = next;
    } else if (word === "gap") outputBytes = Number(content().to);
    else if (word === "end") cause = content().cause as RecordedCause;
    else if (text.startsWith("[")) {
      const [seconds, code, said] = JSON.parse(text) as [number, string, string];
      atMs += Math.round(seconds * 1000);
      if (code === "o" && held?.kind !== "screen") {
        outputBytes += (held?.length ?? Buffer.byteLength(said)) - carry.length;
        carry = emptyCast.carry;
      }
      held = undefined;
    }
    state = { ...state, outputBytes, carry, position: end };
  }
  return { state, atMs, cause, seal };
}

/** Without the first one, which the window may have cut, unless it begins with the file. */
function wholeLines(window: Buffer, first: number): { text: string; at: number; end: number }[] {
  const lines: { text: string; at: number; end: number }[] = [];
  for (let at = first === 0 ? 0 : window.indexOf(0x0a) + 1; at < window.length; ) {
    const end = window.indexOf(0x0a, at) + 1;
    if (end === 0) break;
    lines.push({ text: window.toString("utf8", at, end - 1), at: first + at, end: first + end });
    at = end;
  }
  return lines;
}
