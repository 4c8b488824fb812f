import { expect, test } from "vitest";
import { en } from "../../web/messages/en.ts";
import { zh } from "../../web/messages/zh.ts";

/** Names and units that are the same in both languages, and what the user's own browser calls the languages. */
const sameInBoth = /^(LIVE|Esc|Tab|Ctrl|Alt|PgUp|PgDn|Home|End|English|SHA256|\d* ?(ms|[sdh]|min)|\d+ [×/] \d+)$/;

/** Every text by its path, functions called with plain arguments. */
function textsOf(messages: object, path = ""): [path: string, text: string][] {
  return Object.entries(messages).flatMap(([key, value]): [string, string][] => {
    const at = `${path}.${key}`;
    if (typeof value === "object" && value !== null) return textsOf(value, at);
    return [[at, String(typeof value === "function" ? value(2, 2) : value)]];
  });
}

test("the page says everything in both languages", () => {
  const english = textsOf(en);
  const chinese = textsOf(zh);
  expect(chinese.map(([path]) => path).sort()).toEqual(english.map(([path]) => path).sort());
  expect(english.length).toBeGreaterThan(200);
  expect([...english, ...chinese].filter(([, text]) => text.trim() === "")).toEqual([]);
  const untranslated = chinese.filter(([, text]) => !/\p{Script=Han}/u.test(text) && !sameInBoth.test(text));
  expect(untranslated).toEqual([]);
  expect(english.filter(([path, text]) => /\p{Script=Han}/u.test(text) && !path.includes("language"))).toEqual([]);
});
