import { describe, expect, it } from "vitest";
import { createOutputFilter } from "../../cli/filter.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) => new TextDecoder("utf-8", { fatal: true }).decode(bytes);

function filtered(...chunks: (string | Uint8Array)[]): string {
  const filter = createOutputFilter();
  const out = chunks.map((chunk) => filter.feed(typeof chunk === "string" ? encode(chunk) : chunk));
  return decode(Buffer.concat(out));
}

const same = (name: string, text: string): [string, string, string] => [name, text, text];
const dropped = (name: string, text: string): [string, string, string] => [name, `a${text}b`, "ab"];

const table: [name: string, input: string, output: string][] = [
  same("text and line breaks", "hello\r\n\tworld\b\x07"),
  same("characters of two, three and four bytes", "é 漢 🙂"),
  same("colours", "\x1b[1;31;48;5;200mX\x1b[38:2::1:2:3mY\x1b[m"),
  same("cursor moves", "\x1b[10;20H\x1b[A\x1b[2B\x1b[3C\x1b[4D\x1b[5E\x1b[6F\x1b[7G\x1b[8d\x1b[s\x1b[u\x1b7\x1b8"),
  same("erasing, inserting, deleting", "\x1b[2J\x1b[K\x1b[?1K\x1b[4X\x1b[2@\x1b[2P\x1b[2L\x1b[2M"),
  same("scrolling and its region", "\x1b[2;20r\x1b[3S\x1b[2T\x1bD\x1bM\x1bE"),
  same("tabs", "\x1bH\x1b[3g\x1b[2I\x1b[2Z"),
  same("line drawing", "\x1b(0lqk\x1b(B\x0e\x0f"),
  same("the alternate screen, wrap, origin, cursor", "\x1b[?1049h\x1b[?7l\x1b[?6h\x1b[?25l\x1b[?25h\x1b[?1049l"),
  same("resets", "\x1bc\x1b[!p"),
  same("cursor shape, alignment test", "\x1b[2 q\x1b#8"),
  same("insert mode", "\x1b[4h\x1b[4l"),
  dropped("DA1", "\x1b[c"),
  dropped("DA2", "\x1b[>c"),
  dropped("DA3", "\x1b[=c"),
  dropped("DSR", "\x1b[6n"),
  dropped("private DSR", "\x1b[?6n"),
  dropped("XTVERSION", "\x1b[>q"),
  dropped("DECRQM", "\x1b[?2004$p"),
  dropped("window reports", "\x1b[14t\x1b[21t"),
  dropped("window resize", "\x1b[8;10;10t"),
  dropped("DECREQTPARM", "\x1b[x"),
  dropped("media copy", "\x1b[5i"),
  dropped("mouse", "\x1b[?1000h\x1b[?1002h\x1b[?1003;1006h\x1b[?9h"),
  dropped("focus and paste reports", "\x1b[?1004h\x1b[?2004h"),
  dropped("the kitty keyboard", "\x1b[>1u\x1b[=1u\x1b[?u"),
  dropped("modifyOtherKeys", "\x1b[>4;2m"),
  dropped("highlight tracking", "\x1b[1;2;3;4;5T"),
  dropped("application cursor keys", "\x1b[?1h"),
  dropped("DECID and the keypad", "\x1bZ\x1b=\x1b>"),
  dropped("answerback", "\x05"),
  dropped("other controls", "\x00\x01\x11\x13\x7f"),
  dropped("the clipboard", "\x1b]52;c;aGk=\x07"),
  dropped("colour queries", "\x1b]4;1;?\x1b\\\x1b]10;?\x07"),
  dropped("links", "\x1b]8;;http://x\x1b\\\x1b]8;;\x1b\\"),
  dropped("shell marks and notifications", "\x1b]133;A\x07\x1b]9;hi\x07\x1b]777;notify;a;b\x07"),
  dropped("DCS", "\x1bP$qm\x1b\\"),
  dropped("APC, PM, SOS", "\x1b_Ga=q;\x1b\\\x1b^x\x1b\\\x1bXy\x1b\\"),
  dropped("a string over several lines", "\x1bPq\r\n\x07#0\n\x1b\\"),
  ["a title, without what could mislead", "\x1b]0;my\u202etitle\x07", "\x1b]2;mytitle\x1b\\"],
  ["a long title", `\x1b]2;${"x".repeat(5000)}\x07`, `\x1b]2;${"x".repeat(100)}\x1b\\`],
  ["mixed modes: only those that show", "\x1b[?1049;1000;25h", "\x1b[?1049;25h"],
  ["counts that take an emulator hours", "\x1b[2147483647S\x1b[99999L", "\x1b[1000S\x1b[1000L"],
  ["repeats", "x\x1b[2147483647b", "x\x1b[65535b"],
  ["C1 controls written as UTF-8", "\u009b31mX\u009b6n\u0090q\u009cY", "\x1b[31mXY"],
  ["a control character inside a sequence acts at once", "\x1b[3\n1mX", "\n\x1b[31mX"],
  ["CAN and SUB end a sequence", "\x1b[3\x181mX\x1b]0;t\x1aY", "1mXY"],
  ["ESC begins anew inside a sequence", "\x1b[3\x1b[1mX", "\x1b[1mX"],
  ["an endless sequence", `\x1b[${"1;".repeat(4000)}HX`, "X"],
];

describe("the filter of watch", () => {
  it.each(table)("%s", (_name, input, output) => {
    expect(filtered(input)).toBe(output);
  });

  it("leaves titles and the full reset out of a pipe, however they are written, and nothing else", () => {
    const filter = createOutputFilter({ forPipe: true });
    const fed = "a\x1b]0;t\x07b\x1b]2;t\x1b\\c\u009d2;t\u009cd\x1bce\x1b[!p\x1b[1mf";
    expect(decode(filter.feed(encode(fed)))).toBe("abcde\x1b[!p\x1b[1mf");
  });

  it("says the same wherever the bytes are split", () => {
    const whole = encode(
      table
        .slice(0, -1)
        .map(([, input]) => input.slice(0, 300))
        .join(""),
    );
    const expected = filtered(whole);
    for (let at = 1; at < whole.length; at += 1) {
      expect(filtered(whole.subarray(0, at), whole.subarray(at))).toBe(expected);
    }
    expect(filtered(...Array.from(whole, (byte) => Uint8Array.of(byte)))).toBe(expected);
  });

  it("lets only well-formed UTF-8 through", () => {
    const bad = [0x61, 0x9b, 0x80, 0xc3, 0x62, 0xff, 0xc0, 0x9b, 0xe0, 0x80, 0x9b, 0xed, 0xa0, 0x80, 0xf5, 0x63, 0xe6];
    expect(filtered(Uint8Array.from(bad), Uint8Array.of(0xbc, 0xa2))).toBe("abc漢");
  });

  it("never lets a question or a string through, whatever random bytes come", () => {
    let seed = 1;
    const random = () => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return seed / 2_147_483_648;
    };
    const pieces = [
      "\x1b",
      "[",
      "]",
      "P",
      "?",
      ">",
      "6n",
      "c",
      "1000h",
      ";",
      "5",
      "\x07",
      "\x1b\\",
      "\u009b",
      "$p",
      "x",
      "\x9b",
    ];
    for (let round = 0; round < 300; round += 1) {
      const input = Array.from({ length: 40 }, () => pieces[Math.floor(random() * pieces.length)]).join("");
      const output = filtered(input);
      expect(output).not.toMatch(
        /\x1b\[[0-9;?>=]*[cnx]|\x1b\[\?1000h|\x1bP|\x1b\](?!2;)|[\u0080-\u009f]|\x1b\[[^@-~]*\$p/,
      );
    }
  });
});
