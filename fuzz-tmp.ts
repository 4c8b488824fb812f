import { charsetNames, createScreenModel } from "./server/session/screen-model.ts";
import { feed, newTerminal } from "./test/support/new-terminal.ts";
import { randomFrom } from "./test/support/random.ts";
import { stateOf, visibleOf } from "./test/support/terminal-state.ts";
import { isDeepStrictEqual } from "node:util";
const names = charsetNames(newTerminal);
const seed = Number(process.argv[2] ?? 1); const r = randomFrom(seed);
const n = () => r.below(12);
const pieces: (() => string)[] = [
 () => "abc", () => "漢字", () => "e\u0301", () => "\u0301", () => "0123456789012345", () => "\r\n", () => "\n", () => "\r", () => "\b", () => "\t",
 () => `\x1b[${n()};${n()*2}H`, () => `\x1b[${n()}${r.pick([..."ABCDEFGJKLMPSTX@`adefbIZ"])}`, () => `\x1b[${r.below(3)}J`, () => `\x1b[${r.below(3)}K`,
 () => `\x1b[${r.pick(["0","1","2","3","4","7","9","22","24","27","31","44","38;5;9","48;2;1;2;3","4:3","58:5:3","53","21","8","5"])}m`, () => "\x1b[m",
 () => "\x1b7", () => "\x1b8", () => "\x1bM", () => "\x1bD", () => "\x1bE", () => `\x1b[${n()};${n()}r`, () => "\x1b[r",
 () => `\x1b[?${r.pick(["1","6","7","25","45","47","1047","1049","1000","1002","1006","1016","2004","1004","12","1048"])}${r.pick(["h","l"])}`, () => `\x1b[${r.pick(["4","20"])}${r.pick(["h","l"])}`,
 () => `\x1b${r.pick(["(", ")", "*", "+"])}${r.pick(["0","B","A","K"])}`, () => r.pick(["\x0e","\x0f","\x1bn","\x1bo"]), () => "\x1bH", () => `\x1b[${r.pick(["0","3"])}g`,
 () => `\x1b[${r.below(7)} q`, () => "\x1b=", () => "\x1b>", () => "\x1b]0;ti\x07", () => "\x1b]8;;http://x\x1b\\", () => "\x1b]8;;\x1b\\", () => '\x1b[1"q', () => '\x1b[0"q', () => "\x1b[?2K", () => "\x1b#8", () => "\x1b[!p", () => `\x1b[${n()}'}`, () => `\x1b[${n()} @`,
];
const drop = process.argv[3] ? process.argv[3].split(",").map(Number) : [];
let bad = 0; const kinds: Record<string, number> = {};
for (let run = 0; run < 20000; run++) {
  const size = { cols: 2 + r.below(20), rows: 1 + r.below(8) };
  let text = ""; for (let i = r.below(60); i >= 0; i--) text += r.pick(pieces)();
  let later = ""; for (let i = r.below(30); i >= 0; i--) later += r.pick(pieces)();
  const bytes = new TextEncoder().encode(text);
  const whole = newTerminal(size); feed(whole, bytes);
  using model = createScreenModel(newTerminal, names, size, { bytes, approximate: false });
  const restored = newTerminal(size); feed(restored, model.keyFrame().bytes);
  const a = stateOf(whole) as any, b = stateOf(restored) as any;
  let what = "";
  for (const k of Object.keys(a)) if (!isDeepStrictEqual(a[k], b[k])) { what = k; break; }
  if (!what) { feed(whole, later); feed(restored, later); if (!isDeepStrictEqual(visibleOf(whole), visibleOf(restored))) what = "later"; }
  if (what) { bad++; kinds[what] = (kinds[what] ?? 0) + 1; if ((kinds[what] ?? 0) <= 2) { console.log(what, JSON.stringify(size), JSON.stringify(text), what==="later"?JSON.stringify(later):"", "\n  exp", JSON.stringify(a[what]), "\n  got", JSON.stringify(b[what])); if(what==="later") console.log(JSON.stringify(visibleOf(whole)), "\n", JSON.stringify(visibleOf(restored))); } }
}
console.log(bad, kinds);
