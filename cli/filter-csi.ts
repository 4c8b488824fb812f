/** Which CSI sequences a watcher's terminal may see, and with which parameters. */

/** A terminal is at most this wide and high, so a larger count says no more and costs an emulator dearly. */
const mostCount = 1000;
/** REP: a screen full, for any screen that people use. */
const mostRepeats = 65_535;

/** Cursor, erase, insert, delete, scroll, tabs: finals whose parameters are counts or positions. */
const counted = new Set("@ABCDEFGHIJKLMPSXZ`adef");
/** Private modes that change what is shown: reverse video, origin, wrap, cursor, reverse wrap, alternate screens. */
const shownModes = new Set([5, 6, 7, 12, 25, 45, 47, 1047, 1048, 1049]);
/** ANSI modes: insert, and line feed as new line. */
const ansiModes = new Set([4, 20]);

/**
 * The sequence to emit for CSI `body` `final`, or "" to drop it. `body` has parameters and intermediates as they came.
 * Dropped: all questions (DA, DSR, DECRQM, window and colour reports), mouse, focus, paste and keyboard modes, window
 * manipulation, media copy, and whatever is not known here.
 */
export function allowedCsi(body: string, final: string): string {
  const [, prefix = "", parameters = "", between = ""] = /^([<-?]?)([0-9:;]*)([ -/]*)$/.exec(body) ?? [];
  if (prefix + parameters + between !== body) return "";
  if (between !== "") return prefix === "" ? withIntermediate(parameters, between, final) : "";
  if (prefix === "?") return privateCsi(parameters, final);
  if (prefix !== "") return "";
  if (final === "m") return `\x1b[${clamped(parameters, 65_535)}m`;
  if (parameters.includes(":")) return "";
  if (counted.has(final) || final === "r") return `\x1b[${clamped(parameters, mostCount)}${final}`;
  // With more parameters T is xterm's highlight tracking, which waits for an answer.
  if (final === "T") return parameters.includes(";") ? "" : `\x1b[${clamped(parameters, mostCount)}T`;
  if (final === "b") return `\x1b[${clamped(parameters, mostRepeats)}b`;
  if (final === "g") return `\x1b[${parameters}g`;
  // With parameters s sets margins and u is a keyboard protocol.
  if (final === "s" || final === "u") return parameters === "" ? `\x1b[${final}` : "";
  if (final === "h" || final === "l") return modes("", parameters, ansiModes, final);
  return "";
}

function privateCsi(parameters: string, final: string): string {
  if (final === "J" || final === "K") return /^[0-3]?$/.test(parameters) ? `\x1b[?${parameters}${final}` : "";
  if (final === "h" || final === "l") return modes("?", parameters, shownModes, final);
  return "";
}

function withIntermediate(parameters: string, between: string, final: string): string {
  if (between === "!" && final === "p") return "\x1b[!p"; // DECSTR
  if (between === '"' && final === "q") return /^[0-2]?$/.test(parameters) ? `\x1b[${parameters}"q` : ""; // DECSCA
  if (between === " " && final === "q") return /^[0-6]?$/.test(parameters) ? `\x1b[${parameters} q` : ""; // DECSCUSR
  const scrolls = between === " " && (final === "@" || final === "A"); // SL, SR
  const columns = between === "'" && (final === "}" || final === "~"); // DECIC, DECDC
  if ((scrolls || columns) && /^\d*$/.test(parameters)) {
    return `\x1b[${clamped(parameters, mostCount)}${between}${final}`;
  }
  return "";
}

function modes(prefix: string, parameters: string, allowed: ReadonlySet<number>, final: string): string {
  const kept = parameters.split(";").filter((each) => /^\d+$/.test(each) && allowed.has(Number(each)));
  return kept.length === 0 ? "" : `\x1b[${prefix}${kept.map(Number).join(";")}${final}`;
}

function clamped(parameters: string, most: number): string {
  return parameters.replace(/\d+/g, (digits) => (digits.length < 4 ? digits : String(Math.min(Number(digits), most))));
}
