/** Reads the lines of ssh_config(5) into directives with their conditions. Executes nothing, opens nothing. */
import { matchesPattern } from "./host-keys.ts";

/** When a directive counts: always, never, or for hosts that match the patterns of a Host line. */
export type Condition =
  | { readonly kind: "always" | "never" }
  | { readonly kind: "host"; readonly patterns: readonly string[] };

export interface Directive {
  /** Lower case. */
  readonly keyword: string;
  readonly args: readonly string[];
  /** All must hold: a file included inside a Host block is bound by both. */
  readonly conditions: readonly Condition[];
}

/**
 * Directives in order, `outer` being the conditions of the place of inclusion. Host and Match lines are kept as
 * directives too, for the names in them.
 */
export function parseSshConfig(text: string, outer: readonly Condition[] = []): Directive[] {
  const found: Directive[] = [];
  let block: Condition = { kind: "always" };
  for (const line of text.split(/\r?\n/)) {
    const parts = /^\s*([A-Za-z][A-Za-z0-9]*)(?:\s*=\s*|\s+)(.*)$/.exec(line);
    if (parts === null) continue;
    const keyword = (parts[1] ?? "").toLowerCase();
    const args = splitArgs(parts[2] ?? "");
    if (args.length === 0) continue;
    // Conditions of Match would mean running commands or knowing the connection: such blocks never count.
    if (keyword === "host") block = { kind: "host", patterns: args };
    else if (keyword === "match")
      block = { kind: args.length === 1 && args[0]?.toLowerCase() === "all" ? "always" : "never" };
    found.push({ keyword, args, conditions: [...outer, block] });
  }
  return found;
}

/** Words apart by blanks; quotes of both kinds, a backslash before a quote, a blank or itself; # begins a comment. */
export function splitArgs(text: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = "";
  for (let at = 0; at < text.length; at++) {
    const char = text[at] ?? "";
    const next = text[at + 1] ?? "";
    if (char === "\\" && (next === "\\" || next === '"' || next === "'" || (next === " " && quote === ""))) {
      word = (word ?? "") + next;
      at++;
    } else if (quote !== "") {
      if (char === quote) quote = "";
      else word += char;
    } else if (char === '"' || char === "'") {
      quote = char;
      word ??= "";
    } else if (char === " " || char === "\t") {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (char === "#" && word === undefined) {
      break;
    } else {
      word = (word ?? "") + char;
    }
  }
  if (word !== undefined) words.push(word);
  return words;
}

/** Whether all conditions hold for the host as typed. */
export function holdFor(conditions: readonly Condition[], name: string): boolean {
  return conditions.every((condition) => {
    if (condition.kind !== "host") return condition.kind === "always";
    let matched = false;
    for (const pattern of condition.patterns) {
      if (pattern.startsWith("!")) {
        if (matchesPattern(pattern.slice(1), name)) return false;
      } else if (matchesPattern(pattern, name)) {
        matched = true;
      }
    }
    return matched;
  });
}

/** Names that a Host line states in full, in order of first appearance. */
export function concreteHosts(directives: readonly Directive[]): string[] {
  const names = new Set<string>();
  for (const { keyword, args, conditions } of directives) {
    if (keyword !== "host") continue;
    for (const name of args) {
      if (!/[*?!]/.test(name) && holdFor(conditions, name)) names.add(name);
    }
  }
  return [...names];
}
