/** Prompts: what one looks like, and which this session has shown. */

/** Glyphs that prompts end with, and what may stand behind them. */
const promptEnd = /[$#%>❯➜λ»›⟩▶→❱\ue0b0](?:\s{0,3})$/u;
const question = /[:?]\s*$/;
/** bash's "> ", zsh's "quote> " and "for then> ", starship's "∙ ", and the like. */
const continuation =
  /^(?:>|[∙…·⋯▸]|\.\.\.|(?:(?:for|while|until|select|repeat|case|if|elif|then|else|quote|dquote|bquote|heredoc|heredocd|pipe|cmdand|cmdor|cmdsubst|function|subsh|cursh|array|brace|mathsubst|always|foreach|braceparam) ?)+>) ?$/u;
const maxKnown = 32;

export function looksLikePrompt(text: string): boolean {
  return promptEnd.test(text) && !question.test(text);
}

export function looksLikeContinuation(text: string): boolean {
  return continuation.test(text);
}

/** The row up to the first glyph that a prompt could end with. */
export function firstPrompt(row: string): string | undefined {
  return /^.*?[$#%>❯➜λ»›⟩▶→❱] /u.exec(row)?.[0];
}

/** A prompt's last row, up to where typing begins. */
export interface Prompt {
  readonly text: string;
  readonly wrapped: boolean;
}

/** The newest first; bounded. */
export class KnownPrompts {
  readonly #known: Prompt[] = [];
  readonly #counts = new Map<string, number>();

  add(prompt: Prompt): void {
    const at = this.#known.findIndex(({ text }) => text === prompt.text);
    if (at >= 0) this.#known.splice(at, 1);
    this.#known.unshift(prompt);
    this.#counts.set(prompt.text, (this.#counts.get(prompt.text) ?? 0) + 1);
    for (const old of this.#known.splice(maxKnown)) this.#counts.delete(old.text);
  }

  get all(): readonly Prompt[] {
    return this.#known;
  }

  timesSeen(text: string): number {
    return this.#counts.get(text) ?? 0;
  }

  /**
   * Where a known prompt ends in this row: at its beginning, or behind output that ended without a line feed. -1: none.
   * A prompt that differs in a path or a number only is known, too.
   */
  endIn(row: string): number {
    for (const { text } of this.#known) if (text.trim() !== "" && row.startsWith(text)) return text.length;
    for (const { text } of this.#known) {
      if (text.trim().length < 4) continue;
      const at = row.indexOf(text);
      if (at > 0) return at + text.length;
    }
    for (const { text } of this.#known) {
      const pattern = shape(text);
      const found = pattern === undefined ? null : pattern.exec(row);
      if (found !== null) return found[0].length;
    }
    return -1;
  }
}

/** The prompt with its path and its numbers left open; undefined for one that would then fit anything. */
function shape(text: string): RegExp | undefined {
  const glyph = /\S\s*$/.exec(text)?.[0];
  if (glyph === undefined || !looksLikePrompt(text)) return undefined;
  const open = text.replaceAll(/[~/][^\s\]):$#%>❯➜λ»]*|\d+/gu, "\0");
  // Each opening is a search within the row: two are enough, and many would be an attack.
  if (!open.includes("\0") || open.split("\0").length > 3 || open.replaceAll(/[\0\s]/g, "").length < 2)
    return undefined;
  const escaped = open.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&").replaceAll("\0", "[^\\s$#%>❯➜λ»]{0,200}?");
  return new RegExp(`^${escaped}`, "u");
}
