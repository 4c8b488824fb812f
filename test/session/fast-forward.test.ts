/** Skipping what scrolls off gives the very state that parsing it gives. */
import { describe, expect, test } from "vitest";
import { fastForward, simpleEnd } from "../../server/session/fast-forward.ts";
import { charsetNames, createScreenModel } from "../../server/session/screen-model.ts";
import { feed, newTerminal } from "../support/new-terminal.ts";
import { type Random, randomFrom } from "../support/random.ts";
import { stateOf } from "../support/terminal-state.ts";

const names = charsetNames(newTerminal);
const blank = { bytes: new Uint8Array(0), approximate: false };
const bytesOf = (text: string) => new TextEncoder().encode(text);

/** Each writes one piece of a flood. */
const plain: Record<string, (r: Random) => string> = {
  log: (r) => `2026-01-01 12:00:0${r.below(10)} something happened to ${"x".repeat(r.below(60))}\r\n`,
  coloured: (r) =>
    `\x1b[0m\x1b[01;3${r.below(8)}mname${r.below(999)}\x1b[0m  \x1b[4${r.below(8)}m${"y".repeat(r.below(9))}\r\n`,
  background: (r) => `\x1b[4${r.below(8)};1mtext\r\n\r\n`,
  noReset: (r) => `\x1b[${r.pick(["1", "3", "4", "7", "22", "38;5;9", "48;2;1;2;3", "4:3", "58:5:7", "39"])}mx\r\n`,
  cjk: (r) => `${"漢字かな".repeat(r.below(30))}\r\n`,
  combining: (r) => `${"e\u0301a\u0308".repeat(r.below(40))}\r\n`,
  long: (r) => `${"0123456789".repeat(r.below(40))}\r\n`,
  tabs: (r) => `a\tb\t${"c".repeat(r.below(20))}\t\td\r\n`,
  backspaces: (r) => `abc${"\b".repeat(r.below(6))}\x07def\b \b\r\n`,
  returns: (r) => `progress ${r.below(100)}%\r\x1b[Kprogress done\r\n`,
  bareFeeds: (r) => `stairs${"\n".repeat(r.below(4))}down\x0b\x0c`,
  blankLines: (r) => "\r\n".repeat(r.below(5)),
  latin: () => "caf\u00e9 50\u00b0 \u00a7 \u00e0\r\n",
  broken: () => "\x7f\x00 odd\r\n",
};
/** What a flood may meet: it must end the skipping, not be skipped. */
const special: readonly string[] = [
  "\x1b[2J",
  "\x1b[5;3H",
  "\x1b[?1049h",
  "\x1b[?1049l",
  "\x1b[2;4r",
  "\x1b[r",
  "\x1b[?7l",
  "\x1b[?7h",
  "\x1b[20h",
  "\x1b[20l",
  "\x1b[4h",
  "\x1b[4l",
  "\x1b(0",
  "\x1b(B",
  "\x0e",
  "\x0f",
  "\x1b7",
  "\x1b8",
  "\x1b[3g",
  "\x1b[1;5H\x1bH",
  "\x1b[?6h",
  "\x1b[?6l",
  "\x1b[?45h",
  "\x1b[?45l",
  "\x1b]0;title\x07",
  "\x1b]8;;http://example.org/\x1b\\",
  "\x1b]8;;\x1b\\",
  "\u0085",
  "\u009b7m",
  "\x1bc",
  "\x1bM",
  "\x1bP$q\x1b\\",
  '\x1b[1"q',
  "\x1b[!p",
];
const endings = ["", "\x1b", "\x1b[3", "\x1b]0;half", "\u00e9", "x", "\r", "\r\n", "\x1b[31m", "漢"];

describe("a terminal that is fast-forwarded", () => {
  test("has the state of one that parsed everything, for random floods", () => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    const random = randomFrom(seed);
    let skipped = 0;
    let total = 0;
    for (let run = 0; run < 150; run++) {
      const size = { cols: 2 + random.below(90), rows: 1 + random.below(30) };
      const kinds = Array.from({ length: 1 + random.below(4) }, () => random.pick(Object.values(plain)));
      let text = "";
      const length = 5000 + random.below(40_000);
      const rarely = random.pick([0, 0, 200, 1000]);
      for (let i = random.below(4); i > 0; i--) text += random.pick(special);
      while (text.length < length) {
        text += random.pick(kinds)(random);
        if (rarely > 0 && random.below(rarely) === 0) text += random.pick(special);
      }
      text += random.pick(endings);
      // Wide characters without autowrap: what xterm.js 6 does there depends on how the bytes were split.
      if (text.includes("\x1b[?7l")) text = text.replace(/[^\x00-\u2fff]/g, "w");
      let bytes = bytesOf(text);
      if (random.below(3) === 0) bytes = bytes.subarray(0, bytes.length - random.below(3));
      const parsed = newTerminal(size);
      const start = bytesOf(random.pick(["", "left over ", "\x1b[41mred", "\x1b[3;3H", "\x1b[?1049h\x1b[4m"]));
      feed(parsed, start);
      feed(parsed, bytes);
      // Through a model, in jobs and slices as the worker feeds it, and back out through its key frame.
      using model = createScreenModel(newTerminal, names, size, { ...blank, bytes: start });
      const cut = random.below(2) === 0 ? bytes.length : random.below(bytes.length);
      for (const job of [bytes.subarray(0, cut), bytes.subarray(cut)]) {
        for (let at = 0; at < job.length; ) {
          const to = model.feed(job, at, 2048);
          if (to - at > 2048) skipped += to - at;
          at = to;
        }
      }
      total += bytes.length;
      const restored = newTerminal(size);
      feed(restored, model.keyFrame().bytes);
      const message = `seed ${seed}, run ${run}, ${size.cols}x${size.rows}`;
      const { pen: _pen, ...expected } = stateOf(parsed);
      const { pen: _same, ...got } = stateOf(restored);
      expect(got, message).toEqual(expected);
    }
    expect(skipped, "the test would prove nothing without skips").toBeGreaterThan(total / 4);
  });

  test("has the pen of one that parsed everything", () => {
    for (const pens of [
      "\x1b[1;41m",
      "\x1b[31m\x1b[0;4m\x1b[58:5:1m",
      "\x1b[7m\x1b[0m\x1b[K",
      "\x1b[00;32mx\x1b[;1m",
    ]) {
      const bytes = bytesOf(`${pens}${"line\r\n".repeat(3000)}`);
      const skip = fastForward(bytes, 0, simpleEnd(bytes, 0), 24);
      if (skip === undefined) throw new Error("nothing was skipped");
      const parsed = newTerminal({ cols: 80, rows: 24 });
      feed(parsed, bytes);
      const forwarded = newTerminal({ cols: 80, rows: 24 });
      feed(forwarded, skip.lead);
      feed(forwarded, bytes.subarray(skip.resumeAt));
      expect(stateOf(forwarded)).toEqual(stateOf(parsed));
    }
  });
});

describe("simple content ends", () => {
  const cases: Record<string, readonly [string, number]> = {
    "nowhere in text, colours and erased line ends": ["ab\x1b[1;31m\x1b[K\x07\t\b漢\r\n", 20],
    "at another sequence": ["ab\x1b[2Jcd", 2],
    "at an unfinished sequence": ["ab\x1b[3", 2],
    "at a shift": ["abc\x0ed", 3],
    "at a C1 control, not at a Latin letter": ["\u00a7ab\u009bc", 4],
    "at a private SGR": ["ab\x1b[>4m", 2],
  };
  for (const [name, [text, end]] of Object.entries(cases)) {
    test(name, () => expect(simpleEnd(bytesOf(text), 0)).toBe(end));
  }
});
