/** The little of shell syntax that tells whether more lines belong to a command. A guess, for POSIX shells and fish. */

const opens: Readonly<Record<string, number>> = {
  ...{ do: 1, done: -1, if: 1, fi: -1, case: 1, esac: -1, "{": 1, "}": -1 },
};

/** True when a POSIX shell would ask for more after this. */
export function isIncomplete(text: string): boolean {
  const { bare, open } = withoutQuotes(text);
  if (open || /(^|[^\\])(\\\\)*\\$/.test(text)) return true;
  if (/(\||&&|\|\|)\s*$/.test(bare)) return true;
  const marker = /<<-?\s*\\?["']?(\w+)["']?/.exec(text)?.[1];
  if (marker !== undefined && !/<<</.test(text)) {
    return !text
      .split("\n")
      .slice(1)
      .some((line) => line.trim() === marker);
  }
  let depth = 0;
  for (const [word] of bare.matchAll(/(?<![^\s;&|()])(do|done|if|fi|case|esac|\{|\})(?![^\s;&|()])/g)) {
    depth += opens[word] ?? 0;
  }
  const round = (bare.match(/\(/g)?.length ?? 0) - (bare.match(/\)/g)?.length ?? 0);
  return depth > 0 || (round > 0 && !/\bcase\b/.test(bare));
}

/** Lines that bash was given at once, as the commands that it makes of them. */
export function pastedCommands(text: string): string[] {
  const commands: string[] = [];
  for (const line of text.split("\n")) {
    const last = commands.at(-1);
    if (last !== undefined && isIncomplete(last)) commands[commands.length - 1] = `${last}\n${line}`;
    else commands.push(line);
  }
  return commands;
}

/** True when bash or zsh would expand history in it, and print what they made of it. */
export function hasHistorySigns(text: string): boolean {
  return /^\^[^^]+\^/.test(text) || /(^|[^\\$[{(=])!(?=[!$*^:?\w-])(?!=)/.test(text.replaceAll(/'[^']*'/g, "''"));
}

/**
 * Whether `line` can be what history made of `text`: what stands before and after the signs is the same. A word of the
 * text is needed, or a sign that stands for all of it.
 */
export function isExpansionOf(line: string, text: string): boolean {
  if (line === text || line === "") return false;
  if (text.startsWith("^")) {
    const after = /^\^[^^]+\^([^^]*)/.exec(text)?.[1] ?? "";
    return line.includes(after.trim());
  }
  const at = text.search(/![!$*^:?\w-]/);
  const before = text.slice(0, at);
  const after = /![!$*^:?\w-]*(.*)$/s.exec(text.slice(at))?.[1] ?? "";
  return line.startsWith(before) && line.endsWith(after.trimEnd()) && line.length > before.length;
}

function withoutQuotes(text: string): { bare: string; open: boolean } {
  let bare = "";
  let quote = "";
  for (let at = 0; at < text.length; at++) {
    const char = text[at] ?? "";
    if (quote === "") {
      if (char === "\\") at++;
      else if (char === "'" || char === '"' || char === "`") quote = char;
      else if (char === "#" && /(^|\s)$/.test(bare)) {
        const end = text.indexOf("\n", at);
        at = end < 0 ? text.length : end - 1;
      } else bare += char;
    } else if (char === "\\" && quote !== "'") at++;
    else if (char === quote) quote = "";
  }
  return { bare, open: quote !== "" };
}
