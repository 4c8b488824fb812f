import xterm from "@xterm/headless";
import { describe, expect, it } from "vitest";
import { openCrop } from "../../cli/crop.ts";
import type { Size } from "../../proto/client/events.ts";

const encode = (text: string) => new TextEncoder().encode(text);

/** What a person sees in a window that gets these bytes. */
async function seen(window: Size, ...texts: string[]): Promise<string[]> {
  const terminal = new xterm.Terminal({ ...window, allowProposedApi: true });
  for (const text of texts) await new Promise<void>((resolve) => terminal.write(text, resolve));
  const buffer = terminal.buffer.active;
  const lines = Array.from({ length: window.rows }, (_, y) =>
    buffer.getLine(buffer.baseY + y)?.translateToString(true),
  );
  terminal.dispose();
  return lines.map((line) => line ?? "");
}

const notice = (cropped: boolean) => (cropped ? "cropped" : "whole");

describe("a watched screen in a window", () => {
  it("of the same size is shown whole, without a notice", async () => {
    using crop = openCrop({ cols: 10, rows: 3 });
    await crop.write(encode("one\r\ntwo\r\n\x1b[31mthree"));
    expect(await seen({ cols: 10, rows: 3 }, crop.draw({ cols: 10, rows: 3 }, notice))).toEqual([
      "one",
      "two",
      "three",
    ]);
  });

  it("of the same size gives its last line to an urgent notice, and takes it back", async () => {
    using crop = openCrop({ cols: 10, rows: 3 });
    await crop.write(encode("one\r\ntwo\r\nthree"));
    const window = { cols: 10, rows: 3 };
    const urgent = crop.draw(window, notice, true);
    expect(await seen(window, urgent)).toEqual(["one", "two", "whole"]);
    expect(await seen(window, urgent, crop.draw(window, notice))).toEqual(["one", "two", "three"]);
  });

  it("that is larger stands in its corner, with the notice in the last line", async () => {
    using crop = openCrop({ cols: 10, rows: 2 });
    await crop.write(encode("one\r\ntwo"));
    const lines = await seen({ cols: 20, rows: 5 }, crop.draw({ cols: 20, rows: 5 }, notice));
    expect(lines).toEqual(["one", "two", "", "", "whole"]);
  });

  it("that is smaller shows the part around the cursor and says so", async () => {
    using crop = openCrop({ cols: 20, rows: 6 });
    await crop.write(encode("a\r\nb\r\nc\r\nd\r\ne\r\n0123456789abcdefgh"));
    const lines = await seen({ cols: 10, rows: 3 }, crop.draw({ cols: 10, rows: 3 }, notice));
    expect(lines).toEqual(["", "9abcdefgh", "cropped"]);
  });

  it("keeps colours, wide characters at the edge and the cursor in their place", async () => {
    using crop = openCrop({ cols: 10, rows: 2 });
    await crop.write(encode("\x1b[1;38;2;1;2;3;44mab\x1b[m漢字\x1b[1;2H"));
    const drawn = crop.draw({ cols: 5, rows: 3 }, notice);
    expect(drawn).toContain("\x1b[0;1;38;2;1;2;3;44mab");
    expect(drawn.endsWith("\x1b[1;2H\x1b[?25h")).toBe(true);
    expect((await seen({ cols: 5, rows: 3 }, drawn))[0]).toBe("ab漢");
  });

  it("draws only what changed", async () => {
    using crop = openCrop({ cols: 10, rows: 3 });
    await crop.write(encode("one\r\ntwo"));
    const window = { cols: 10, rows: 3 };
    const first = crop.draw(window, notice);
    expect(crop.draw(window, notice)).toBe("");
    await crop.write(encode("\r\nx"));
    const second = crop.draw(window, notice);
    expect(second).not.toContain("one");
    expect(await seen(window, first, second)).toEqual(["one", "two", "x"]);
    crop.forget();
    expect(crop.draw(window, notice)).toContain("one");
  });

  it("follows the operator's resize and hides the cursor as he does", async () => {
    using crop = openCrop({ cols: 10, rows: 3 });
    crop.resize({ cols: 4, rows: 2 });
    await crop.write(encode("\x1b[?25labcdef"));
    const drawn = crop.draw({ cols: 10, rows: 2 }, notice);
    expect(drawn.endsWith("\x1b[?25l")).toBe(true);
    expect(await seen({ cols: 10, rows: 2 }, drawn)).toEqual(["abcd", "ef"]);
  });
});
