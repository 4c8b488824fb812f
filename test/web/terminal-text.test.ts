/** Foreign text, links, pastes and keys around the page's terminal. */
import { expect, test } from "vitest";
import { keySequence, noModifiers, withModifiers } from "../../web/terminal-keys.ts";
import { clipboardWrite, openableLink, plainLine, preparePaste } from "../../web/terminal-text.ts";

test("a title is one short line without control, direction and invisible characters", () => {
  expect(plainLine("root@web1:\u202e~\u2066/a\u200bb\u0007\n x")).toBe("root@web1:~/ab x");
  expect(plainLine("<b>x</b>")).toBe("<b>x</b>");
  expect([...plainLine("😀".repeat(200))]).toHaveLength(80);
  expect(plainLine(" \u0000\u001b ")).toBe("");
});

test("only web addresses that show where they lead may be opened", () => {
  expect(openableLink("https://example.com/a?b#c")).toBe("https://example.com/a?b#c");
  expect(openableLink("HTTP://EXAMPLE.com")).toBe("http://example.com/");
  for (const bad of [
    "javascript:alert(1)",
    "file:///etc/passwd",
    "data:text/html,x",
    "https://bank.example@evil.example/",
    "//example.com",
    "example.com",
    `https://example.com/${"x".repeat(3000)}`,
  ])
    expect(openableLink(bad), bad).toBeUndefined();
  // Letters that only look Latin are shown as what they are.
  expect(openableLink("https://ex\u0430mple.com/")).toContain("xn--");
});

test("a paste carries no control characters, so it cannot leave its brackets", () => {
  const paste = preparePaste("one\r\ntwo\u001b[201~rm -rf\u0003\tend\r");
  expect(paste).toEqual({ text: "one\ntwo[201~rm -rf\tend\n", bytes: 23, lines: 3, cleaned: true });
  expect(preparePaste("é").bytes).toBe(2);
  expect(preparePaste("plain\n").cleaned).toBe(false);
});

test("the target may offer text for the clipboard, and never ask for what is on it", () => {
  const wire = (text: string) => `c;${Buffer.from(text).toString("base64")}`;
  expect(clipboardWrite(wire("héllo"))).toBe("héllo");
  for (const bad of ["c;?", "c;", "nothing", "c;***", "c;//8=", wire("x".repeat(70_000))])
    expect(clipboardWrite(bad), bad.slice(0, 20)).toBeUndefined();
});

test("keys of the bar are what a keyboard sends, with modifiers and in both cursor modes", () => {
  expect(keySequence("up", noModifiers, false)).toBe("\x1b[A");
  expect(keySequence("up", noModifiers, true)).toBe("\x1bOA");
  expect(keySequence("left", { ctrl: true, alt: false }, true)).toBe("\x1b[1;5D");
  expect(keySequence("page-down", noModifiers, false)).toBe("\x1b[6~");
  expect(keySequence("page-up", { ctrl: false, alt: true }, false)).toBe("\x1b[5;3~");
  expect(keySequence("tab", { ctrl: false, alt: true }, false)).toBe("\x1b\t");
});

test("a sticking modifier changes the next character and no more", () => {
  expect(withModifiers("c", { ctrl: true, alt: false })).toBe("\x03");
  expect(withModifiers("[", { ctrl: true, alt: false })).toBe("\x1b");
  expect(withModifiers("cat", { ctrl: true, alt: false })).toBe("\x03at");
  expect(withModifiers("b", { ctrl: false, alt: true })).toBe("\x1bb");
  expect(withModifiers("中", { ctrl: true, alt: false })).toBe("中");
});
