/** Which typed line the screen has just answered, and which of the two texts is right. */
import type { RowText } from "./region.ts";
import type { TypedLine } from "./typed-lines.ts";

export type Answer = { readonly drop: number } /** The exact text as typed: the screen shows all of it. */ & (
  | { readonly kind: "typed"; readonly text: string; readonly lines: number }
  /** The text as the screen shows it. */
  | { readonly kind: "shown"; readonly text: string; readonly lines: number }
  | { readonly kind: "given-up" }
  /** Nobody entered a line: whatever this was, it was not typed. */
  | { readonly kind: "nobody" }
);

const maxJoined = 60;

/** `shown`: the rows behind the prompt as one text. Typed text wins only where all of it stands on the screen. */
export function answerTo(lines: readonly TypedLine[], rows: readonly RowText[], shown: string): Answer {
  const first = lines.findIndex(({ end }) => end !== undefined);
  if (first < 0) return { kind: "nobody", drop: 0 };
  const wanted = bare(shown);
  if (wanted !== "") {
    const exact = matching(lines, wanted);
    if (exact !== undefined) return exact;
  }
  const interrupted = lines[first]?.end === "interrupted";
  if (interrupted && (shown.endsWith("^C") || !lines.slice(0, first + 1).some(({ end }) => end === "entered")))
    return { kind: "given-up", drop: first + 1 };
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at];
    if (line?.end === "entered" && line.plain && isMixedIn(line.text, rows))
      return { kind: "typed", text: line.text, lines: 1, drop: at + 1 };
  }
  // An edited line is the likeliest; those before it went to some program.
  const edited = lines.findIndex(({ end, plain }) => end === "entered" && !plain);
  return { kind: "shown", text: shown, lines: 0, drop: (wanted !== "" && edited >= 0 ? edited : first) + 1 };
}

/** One typed line, or several that stand on the screen as one command. */
function matching(lines: readonly TypedLine[], wanted: string): Answer | undefined {
  for (let from = 0; from < lines.length; from++) {
    if (bare(lines[from]?.text ?? "") === "") continue;
    const texts: string[] = [];
    for (let at = from; at < Math.min(lines.length, from + maxJoined); at++) {
      const line = lines[at];
      if (line?.end !== "entered" || !line.plain) break;
      texts.push(line.text);
      const joined = bare(texts.join(""));
      if (joined === wanted) return { kind: "typed", text: texts.join("\n"), lines: texts.length, drop: at + 1 };
      if (!wanted.startsWith(joined)) break;
    }
  }
  return undefined;
}

/** Other output came in between: the text begins behind the prompt, goes on at the start of later rows and ends the last one. */
function isMixedIn(text: string, rows: readonly RowText[]): boolean {
  const [head, ...rest] = rows;
  if (head === undefined || rest.length === 0 || text.length < 3) return false;
  let done = commonStart(head.text, text);
  if (done === 0) return false;
  const last = rest.findLast((row) => row.text.trim() !== "");
  for (const row of rest) {
    const here = row.text.trimStart();
    const left = text.slice(done).trimStart();
    if (row === last) return left !== "" && here.trimEnd() === left.trimEnd();
    const common = commonStart(here, left);
    if (common === here.length) done += text.slice(done).length - left.length + common;
  }
  return false;
}

function commonStart(one: string, other: string): number {
  let at = 0;
  while (at < one.length && at < other.length && one[at] === other[at]) at++;
  return at;
}

function bare(text: string): string {
  return text.replaceAll(/\s+/gu, "");
}
