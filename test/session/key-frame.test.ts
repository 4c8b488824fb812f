/** Key frames: real programs cut anywhere, one probe for each kind of state, and what hostile output does to them. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { charsetNames, createScreenModel, type ScreenModel } from "../../server/session/screen-model.ts";
import { feed, newTerminal, screenText, type TestTerminal } from "../support/new-terminal.ts";
import { randomFrom } from "../support/random.ts";
import { stateOf, visibleOf } from "../support/terminal-state.ts";

const names = charsetNames(newTerminal);
const nothing = { bytes: new Uint8Array(0), approximate: false };

function feedModel(model: ScreenModel, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at = model.feed(bytes, at, 32 * 1024);
}

function frameAfter(bytes: Uint8Array, size: { cols: number; rows: number }): Uint8Array {
  using model = createScreenModel(newTerminal, names, size, nothing);
  feedModel(model, bytes);
  return model.keyFrame().bytes;
}

function terminalFrom(bytes: Uint8Array, size: { cols: number; rows: number }): TestTerminal {
  const terminal = newTerminal(size);
  feed(terminal, bytes);
  return terminal;
}

const folder = new URL("../fixtures/terminal/", import.meta.url);
const captures = readdirSync(folder)
  .filter((name) => name.endsWith(".bin"))
  .map((name) => {
    const [, program = "", cols = "", rows = ""] = /^(\w+)-(\d+)x(\d+)\.bin$/.exec(name) ?? [];
    return { program, size: { cols: Number(cols), rows: Number(rows) }, bytes: readFileSync(new URL(name, folder)) };
  });

describe("programs cut at random bytes", () => {
  test("there is a capture of each program", () => {
    expect(captures.map(({ program }) => program).sort()).toEqual(["bash", "htop", "less", "mc", "tmux", "vim", "zsh"]);
  });
  for (const { program, size, bytes } of captures) {
    test(`${program}: a key frame shows and behaves as the uninterrupted terminal`, () => {
      const seed = Math.floor(Math.random() * 2 ** 31);
      const random = randomFrom(seed);
      const dirty =
        "half \x1b]2;a title \x1b(0\x1b[?25l\x1b[5;9r\x1b[?6h\x1b[20h\x1b[4mlqqk\x1b[?1049h and unfinished \x1b]0;";
      for (let cut = 0; cut < 60; cut++) {
        const at = random.below(bytes.length + 1);
        const soon = Math.min(bytes.length, at + 1 + random.below(2048));
        const whole = terminalFrom(bytes.subarray(0, at), size);
        const cutOne = terminalFrom(new TextEncoder().encode(dirty), size);
        feed(cutOne, frameAfter(bytes.subarray(0, at), size));
        const where = `${program}, seed ${seed}, cut at ${at}`;
        expect(stateOf(cutOne), where).toEqual(stateOf(whole));
        for (const [from, to] of [
          [at, soon],
          [soon, bytes.length],
        ] as const) {
          feed(whole, bytes.subarray(from, to));
          feed(cutOne, bytes.subarray(from, to));
          expect(visibleOf(cutOne), `${where}, then at ${to}`).toEqual(visibleOf(whole));
        }
        expect(stateOf(cutOne).modes, where).toEqual(stateOf(whole).modes);
      }
    });
  }
});

const size = { cols: 20, rows: 6 };
const probes: Record<string, string> = {
  "text, 16, 256 and true colours":
    "a\x1b[31;42mb\x1b[38;5;200;48;5;17mc\x1b[38;2;1;2;3;48;2;4;5;6md\x1b[91;103me\x1b[m f",
  "every attribute":
    "\x1b[1ma\x1b[2mb\x1b[22;3mc\x1b[4md\x1b[5me\x1b[7mf\x1b[8mg\x1b[9mh\x1b[53mi\x1b[m\x1b[2;1mj\x1b[22;1mk",
  "colours after true colours": "\x1b[38;2;200;100;50ma\x1b[31mb\x1b[48;2;9;9;9m\x1b[44mc\x1b[Kd",
  "wrap flags": "0123456789".repeat(4),
  "a wide character that wraps early": "\x1b[45m0123456789012345678漢字\x1b[m",
  "wide characters cut in half": "漢字漢字\x1b[1;2Hx\x1b[1;7H\x1b[41my\x1b[1;19H漢\x1b[1;19Hz",
  "a coloured half at the edge": "\x1b[7;31m\x1b[3;19H漢\x1b[3;19H \x1b[m",
  "combining characters": "e\u0301a\u0308x\u0301\u0302 \x1b[m\u0301z",
  "the alternate screen and the normal one behind it": "normal\x1b[2;3Htext\x1b[?1049h\x1b[44malt\x1b[2J\x1b[3;3Hshown",
  "the saved cursor of 1049": "one\r\ntwo\x1b[?1049h\x1b[5;5Halt",
  "the cursor that a program saved on the alternate screen and will find there again":
    "one\x1b[?1047h\x1b[4;7H\x1b[32m\x1b(0\x1b7\x1b(B\x1b[m\x1b[?1047ltwo\x1b[2;5H",
  pen: "\x1b[1;4;38;5;9;48;2;1;2;3m",
  "pending wrap": "01234567890123456789",
  "pending wrap after a change of colour": "0123456789012345678\x1b[41m9\x1b[m",
  "pending wrap before a character set": "0123456789012345678q\x1b(0",
  "the last cell without pending wrap": "01234567890123456789\x1b[1;20H",
  "backgrounds of blank rows": "\x1b[44m\x1b[2J\x1b[m\x1b[2;1H\x1b[42m\x1b[K\x1b[m\x1b[3;5H\x1b[41m\x1b[4X",
  "application cursor keys, keypad, paste, focus": "\x1b[?1h\x1b=\x1b[?2004h\x1b[?1004h",
  "insert mode": "abc\x1b[1;2H\x1b[4h",
  "insert mode after a print": "abc\x1b[1;2H\x1b[4hx",
  "autowrap off": "\x1b[?7l0123456789012345678901",
  "reverse wraparound": "\x1b[?45h0123456789012345678901\x1b[2;1H",
  "origin mode in a scroll region": "\x1b[2;4r\x1b[?6h\x1b[2;3Hx",
  "scroll region": "a\r\nb\r\nc\x1b[2;4r\x1b[3;3Hx",
  "saved cursor with its pen and character set": "\x1b[3;4H\x1b[1;33m\x1b(0\x1b7\x1b(B\x1b[m\x1b[Hx",
  "a character set that only the saved cursor holds": "\x1b(0\x1b7\x1b(B\x1b8",
  "tab stops": "\x1b[3g\x1b[1;4H\x1bH\x1b[1;11H\x1bH\x1b[2;2H",
  "character sets G0 to G3 and the shift": "\x1b(A\x1b)0\x1b*4\x1b+K\x0e",
  "single line drawing": "\x1b(0lqqk\x1b(B",
  "newline mode": "\x1b[20hx",
  "mouse mode 1000": "\x1b[?1000h",
  "mouse modes 1002, 1006": "\x1b[?1002h\x1b[?1006h",
  "mouse modes 1003, 1016": "\x1b[?1003h\x1b[?1016h",
  "invisible cursor": "\x1b[?25l",
  "cursor style": "\x1b[5 q",
  "cursor blinking": "\x1b[?12h",
  "title and icon name": "\x1b]2;a title\x07\x1b]1;an icon\x07",
  hyperlinks:
    "\x1b]8;id=1;http://example.org/?a=1;2\x1b\\li\x1b[1mnk\x1b]8;;\x1b\\ x \x1b]8;;http://example.com/\x1b\\on",
  "underline style and colour": "\x1b[4:3;58:2::1:2:3mcurly\x1b[58:5:9;4:2mdouble\x1b[59;4:1mx",
  "protected cells": '\x1b[1"qkeep\x1b[0"qlose\x1b[?2K',
  "synchronised output": "\x1b[?2026hx",
  "unfinished CSI": "x\x1b[3;3",
  "unfinished OSC": "x\x1b]2;half a ti",
  "unfinished DCS": "x\x1bP$q",
  "unfinished escape": "x\x1b",
  "unfinished C1": "x\u009b3",
  "unfinished designation": "x\x1b(",
};

describe("each kind of state survives", () => {
  for (const [name, output] of Object.entries(probes)) {
    test(name, () => {
      const bytes = new TextEncoder().encode(output);
      const whole = terminalFrom(bytes, size);
      const restored = terminalFrom(frameAfter(bytes, size), size);
      expect(stateOf(restored)).toEqual(stateOf(whole));
      const later =
        "0m q\u0301\x1b[2b\x1b\\\x1b8x\t.\r\n\x1b[?1049l\x1b8 漢\x08\x08\x1b[K\x1b[3;3Hlast\r\nlqk\n\n\n\n\n.";
      feed(whole, later);
      feed(restored, later);
      expect(visibleOf(restored)).toEqual(visibleOf(whole));
    });
  }

  // Minimal cases of what random floods found: output before the key frame, output after it.
  const returns: Record<string, readonly [string, string]> = {
    "the alternate screen's saved cursor, for the next visit": [
      "\x1b[?1049h\x1b[3;9H\x1b7\x1b[?1049l",
      "\x1b[?1049h\x1b8x",
    ],
    "the alternate screen's saved pen and character set, for the next visit": [
      "\x1b[?1049h\x1b[31;42m\x1b(0\x1b7\x1b(B\x1b[m\x1b[?1049lleft",
      "\x1b[?1047h\x1b8q\r\n\n\n\n\n\n",
    ],
    "both saved cursors, each on its own screen": [
      "\x1b[?1047h\x1b[5;5H\x1b7\x1b[?1047l\x1b[2;2H\x1b7\x1b[H",
      "\x1b8n\x1b[?1047h\x1b8a",
    ],
    "that a link counts for a saved pen": [
      "\x1b]8;;http://e.org/\x1b\\\x1b7\x1b]8;;\x1b\\",
      "\x1b]8;;http://e.org/2\x1b\\\x1b8link",
    ],
    "the wrap flag of the first row, for a row scrolled in above": [
      "\x1b[5;1H0123456789012345678901\r\n\n\n\n\n",
      "\x1b[H\x1bM",
    ],
    "the wrap flag of a row that EL 1 left blank": ["0123456789012345678901234567890123456789\x1b[1K", "x"],
    "two coloured halves at the edge": ["\x1b[31m\x1b[3;19H漢\x1b[3;20H漢", "x"],
    "a wide character that autowrap off has swallowed": ["\x1b[?7l\x1b[3;20H漢", "\u0301x"],
  };
  for (const [name, [before, after]] of Object.entries(returns)) {
    test(name, () => {
      const whole = terminalFrom(new TextEncoder().encode(before), size);
      const restored = terminalFrom(frameAfter(new TextEncoder().encode(before), size), size);
      expect(stateOf(restored)).toEqual(stateOf(whole));
      feed(whole, after);
      feed(restored, after);
      expect(stateOf(restored)).toEqual(stateOf(whole));
    });
  }

  const resized: Record<string, readonly [string, { cols: number; rows: number }, string]> = {
    "the row of the cursor behind the alternate screen, for a smaller terminal": [
      "1\r\n2\r\n3\r\n4\x1b[2;1H\x1b[?1047h\x1b[6;1H",
      { cols: 20, rows: 3 },
      "\x1b[?1047l",
    ],
    "a cursor saved past the last column, for a wider terminal": [
      "01234567890123456789\x1b7\x1b[H",
      { cols: 30, rows: 6 },
      "\x1b8x",
    ],
  };
  for (const [name, [before, to, after]] of Object.entries(resized)) {
    test(name, () => {
      const whole = terminalFrom(new TextEncoder().encode(before), size);
      const restored = terminalFrom(frameAfter(new TextEncoder().encode(before), size), size);
      for (const each of [whole, restored]) {
        each.resize(to.cols, to.rows);
        feed(each, after);
      }
      expect(stateOf(restored)).toEqual(stateOf(whole));
    });
  }

  test("an unfinished character", () => {
    const bytes = new TextEncoder().encode("漢字").subarray(0, 5);
    const restored = terminalFrom(frameAfter(bytes, size), size);
    feed(restored, new TextEncoder().encode("字").subarray(2));
    expect(screenText(restored)).toBe("漢字");
  });

  test("colours set by OSC 4, 10, 11 and 12, until they are taken back", () => {
    const text = (output: string) => new TextDecoder().decode(frameAfter(new TextEncoder().encode(output), size));
    const set = "\x1b]4;1;#ff0000;2;?\x07\x1b]10;white;black\x07\x1b]12;?\x07";
    expect(text(set)).toContain("\x1b]4;1;#ff0000\x1b\\\x1b]10;white\x1b\\\x1b]11;black\x1b\\");
    expect(text(set)).not.toContain("?\x1b\\");
    expect(text(`${set}\x1b]104;1\x07\x1b]110\x07\x1b]111\x07`)).toBe(text(""));
  });

  test("a key frame of a key frame is the same key frame", () => {
    for (const output of Object.values(probes)) {
      const frame = frameAfter(new TextEncoder().encode(output), size);
      expect(new TextDecoder().decode(frameAfter(frame, size))).toBe(new TextDecoder().decode(frame));
    }
  });
});

test("no key frame makes a terminal answer", () => {
  for (const { bytes, size } of captures) {
    const terminal = newTerminal(size);
    const answers: string[] = [];
    terminal.onData((answer) => answers.push(answer));
    for (let at = 0; at <= bytes.length; at += Math.ceil(bytes.length / 20)) {
      feed(terminal, frameAfter(bytes.subarray(0, at), size));
    }
    expect(answers).toEqual([]);
  }
});
