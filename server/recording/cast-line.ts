/** One line of a recording, taken apart: docs/recording.md, "Lines". Pure; bears anything. */
import { isUtf8 } from "node:buffer";
import type { TermSize } from "../events.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

/** Comment lines that hold JSON. */
export type CastWord = "start" | "joined" | "left" | "notice" | "gap" | "end";

export type CastLine =
  | { readonly kind: "output"; readonly afterMs: number; readonly text: string }
  | { readonly kind: "resize"; readonly afterMs: number; readonly size: TermSize }
  | { readonly kind: "marker"; readonly afterMs: number; readonly text: string }
  /** Any other event: it only takes time. */
  | { readonly kind: "other"; readonly afterMs: number }
  /** In base64. */
  | { readonly kind: "bytes" | "tail" | "screen"; readonly bytes: Buffer }
  | { readonly kind: CastWord; readonly json: JsonObject }
  | { readonly kind: "link"; readonly json: JsonObject }
  | { readonly kind: "seal"; readonly json: JsonObject; readonly signed: string; readonly signature: Buffer }
  | { readonly kind: "comment" };

const prefix = "# bartizan ";
/** JSON of a recording nests 2 deep; a parser of another language may end its program at some thousands. */
const maxDepth = 64;
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)$/;
const words = new Set<string>(["start", "joined", "left", "notice", "gap", "end", "link"] satisfies (
  | CastWord
  | "link"
)[]);

/** `line`: without its line feed. undefined: neither an event nor a comment, or a line of ours that does not parse. */
export function parseCastLine(line: Buffer): CastLine | undefined {
  if (!isUtf8(line)) return undefined;
  const text = line.toString("utf8");
  if (!text.startsWith("#")) return parseEvent(text);
  if (!text.startsWith(prefix)) return { kind: "comment" };
  const end = text.indexOf(" ", prefix.length);
  const word = text.slice(prefix.length, end < 0 ? undefined : end);
  const rest = end < 0 ? "" : text.slice(end + 1);
  if (word === "bytes" || word === "tail" || word === "screen")
    return base64.test(rest) ? { kind: word, bytes: Buffer.from(rest, "base64") } : undefined;
  if (word === "seal") return parseSeal(rest);
  if (!words.has(word)) return { kind: "comment" };
  const json = parseObject(rest);
  return json === undefined ? undefined : { kind: word as CastWord | "link", json };
}

function parseSeal(rest: string): CastLine | undefined {
  const at = rest.lastIndexOf(" ");
  const [signed, signature] = [rest.slice(0, Math.max(0, at)), rest.slice(at + 1)];
  const json = parseObject(signed);
  if (json === undefined || !base64.test(signature)) return undefined;
  return { kind: "seal", json, signed, signature: Buffer.from(signature, "base64") };
}

function parseEvent(text: string): CastLine | undefined {
  const event = parseJson(text);
  if (!Array.isArray(event)) return undefined;
  const [after, code, data] = event as readonly unknown[];
  if (typeof after !== "number" || !(after >= 0) || !Number.isFinite(after)) return undefined;
  if (typeof code !== "string" || typeof data !== "string") return undefined;
  const afterMs = Math.round(after * 1000);
  if (code === "o") return { kind: "output", afterMs, text: data };
  if (code === "m") return { kind: "marker", afterMs, text: data };
  const size = code === "r" ? parseSize(data) : undefined;
  return size === undefined ? { kind: "other", afterMs } : { kind: "resize", afterMs, size };
}

function parseSize(text: string): TermSize | undefined {
  const found = /^(\d{1,4})x(\d{1,4})$/.exec(text);
  return found === null ? undefined : sizeOf(Number(found[1]), Number(found[2]));
}

/** undefined for what is no size from 1 to 1000. */
export function sizeOf(cols: unknown, rows: unknown): TermSize | undefined {
  const fits = (value: unknown): value is number =>
    typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= 1000;
  return fits(cols) && fits(rows) ? { cols, rows } : undefined;
}

/** undefined for what is no object of JSON. */
export function parseObject(text: string): JsonObject | undefined {
  const value = parseJson(text);
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
}

function parseJson(text: string): unknown {
  try {
    return tooDeep(text) ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Counts brackets in strings, too, only where there are many of them. */
function tooDeep(text: string): boolean {
  let opened = 0;
  for (let at = 0; at < text.length && opened <= maxDepth; at += 1) {
    const code = text.charCodeAt(at);
    if (code === 0x5b || code === 0x7b) opened += 1;
  }
  if (opened <= maxDepth) return false;
  let depth = 0;
  let inString = false;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === 0x22) inString = !inString;
    else if (code === 0x5c && inString) at += 1;
    else if (inString) continue;
    else if (code === 0x5b || code === 0x7b) {
      depth += 1;
      if (depth > maxDepth) return true;
    } else if (code === 0x5d || code === 0x7d) depth -= 1;
  }
  return false;
}
