/** The clamps: nothing freezes or breaks a terminal with scrollback, as the page has one, and honest counts work as before. */
import xterm from "@xterm/headless";
import { expect, test } from "vitest";
import { clampCsiCounts } from "../../proto/client/csi-clamps.ts";
import { feed } from "../support/new-terminal.ts";
import { stateOf } from "../support/terminal-state.ts";

function terminal() {
  return new xterm.Terminal({ cols: 80, rows: 24, scrollback: 1000, allowProposedApi: true, logLevel: "off" });
}

const finals = ["S", "T", "L", "M", "b", "I", "Z"];

test("a count of 2^31 does what a screen full does, at once", () => {
  for (const final of finals) {
    const [clamped, plain] = [terminal(), terminal()];
    clampCsiCounts(clamped);
    const full = final === "b" ? 80 * 24 : final === "I" || final === "Z" ? 80 : 24;
    const start = "\x1b[44mone\r\ntwo\tthree\x1b[3;9Hx";
    feed(clamped, `${start}\x1b[2147483647${final}`);
    feed(plain, `${start}\x1b[${full}${final}`);
    expect(stateOf(clamped), final).toEqual(stateOf(plain));
  }
});

test("honest counts work as before", () => {
  for (const final of [...finals, "J", "?J"]) {
    for (const count of ["", "0", "1", "2", "5"]) {
      const [clamped, plain] = [terminal(), terminal()];
      clampCsiCounts(clamped);
      const sequence = final === "?J" ? `\x1b[?${count}J` : `\x1b[${count}${final}`;
      for (const each of [clamped, plain]) feed(each, `\x1b[41ma line\r\nanother\tx\x1b[2;12Hy${sequence}z`);
      expect(stateOf(clamped), sequence).toEqual(stateOf(plain));
    }
  }
});

test("erasing up to the last cell clears the screen instead of throwing for good", () => {
  for (const sequence of ["\x1b[1J", "\x1b[?1J"]) {
    const guarded = terminal();
    clampCsiCounts(guarded);
    feed(guarded, `text\x1b[24;80H${sequence}`);
    expect(stateOf(guarded)).toMatchObject({ normal: Array(24).fill(""), cursor: "79,23" });
    // The reason for the guard; when this no longer throws, xterm.js has been mended.
    expect(() => feed(terminal(), `\x1b[24;80H${sequence}`)).toThrow();
  }
});

test("taking the guards off leaves the terminal as it was", () => {
  const guarded = terminal();
  clampCsiCounts(guarded)[Symbol.dispose]();
  expect(() => feed(guarded, "\x1b[24;80H\x1b[1J")).toThrow();
});

test("something that is no xterm.js terminal is refused", () => {
  expect(() => clampCsiCounts({})).toThrow("no xterm.js 6");
});
