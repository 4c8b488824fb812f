/** How the events of a viewing reach a real emulator, and what comes back from it, with the headless half of xterm.js. */
import xterm from "@xterm/headless";
import { expect, test } from "vitest";
import type { AttachmentEvent, Size } from "../../proto/client/events.ts";
import { createFeed, type Feed, type FeedOptions } from "../../web/terminal-feed.ts";
import { listenToOperator, type OperatorInput } from "../../web/terminal-input.ts";
import { until } from "../support/until.ts";

interface Rig extends Disposable {
  readonly terminal: InstanceType<typeof xterm.Terminal>;
  readonly feed: Feed;
  readonly parsed: number[];
  row(at: number): string;
}

function open(options: Partial<FeedOptions> = {}): Rig {
  const terminal = new xterm.Terminal({ cols: 20, rows: 4, allowProposedApi: true, logLevel: "off" });
  const parsed: number[] = [];
  const feed = createFeed(terminal as never, {
    onParsed: (offset) => parsed.push(offset),
    onSize: (size: Size) => terminal.resize(size.cols, size.rows),
    onFrame: () => {},
    perFrame: false,
    inBackground: () => false,
    ...options,
  });
  return {
    terminal,
    feed,
    parsed,
    row: (at) => terminal.buffer.active.getLine(at)?.translateToString(true) ?? "",
    [Symbol.dispose]() {
      feed[Symbol.dispose]();
      terminal.dispose();
    },
  };
}

const bytes = (text: string) => new TextEncoder().encode(text);
const output = (offset: number, text: string): AttachmentEvent => ({
  ...{ kind: "output", offset, bytes: bytes(text), atMs: 0 },
});
const frame = (offset: number, size: Size, text: string): AttachmentEvent => ({
  ...{ kind: "key-frame", offset, size, bytes: bytes(`\x1bc${text}`), skippedBytes: 0, approximate: false, atMs: 0 },
});

test("a resize takes its place between the output before and after it", async () => {
  using rig = open();
  rig.feed.show(output(0, "0123456789abcdef"));
  rig.feed.show({ kind: "resized", offset: 16, size: { cols: 10, rows: 4 }, atMs: 0 });
  rig.feed.show(output(16, "\r\n0123456789abc"));
  expect(rig.terminal.cols, "nothing overtakes what waits").toBe(20);
  await until(() => rig.parsed.at(-1) === 31, "all is parsed");
  // At 20 columns the first line had room; the second was wrapped at 10.
  expect([0, 1, 2, 3].map(rig.row).join("|")).toContain("0123456789|abc");
});

test("offsets are acknowledged in order, and only when the emulator has parsed so far", async () => {
  using rig = open();
  for (let at = 0; at < 5; at += 1) rig.feed.show(output(at * 3, "abc"));
  expect(rig.parsed).toEqual([]);
  await until(() => rig.parsed.length === 5, "all is parsed");
  expect(rig.parsed).toEqual([3, 6, 9, 12, 15]);
});

test("a key frame replaces the screen in its own size, and the terminal is deaf while it is drawn", async () => {
  using rig = open();
  const heard: string[] = [];
  rig.terminal.onData((data) => heard.push(`${rig.feed.drawing() ? "deaf" : "open"} ${JSON.stringify(data)}`));
  rig.feed.show(output(0, "old text\x1b]2;unfinished"));
  rig.feed.show(frame(500, { cols: 30, rows: 5 }, "new\x1b[c"));
  expect(rig.feed.drawing(), "a frame that waits is not drawn yet").toBe(false);
  await until(() => rig.parsed.includes(500), "the frame is drawn");
  expect(rig.feed.drawing()).toBe(false);
  expect([rig.terminal.cols, rig.terminal.rows, rig.row(0)]).toEqual([30, 5, "new"]);
  rig.feed.show(output(500, "\x1b[c"));
  await until(() => heard.length === 2, "both questions were answered");
  expect(heard.map((each) => each.slice(0, 4))).toEqual(["deaf", "open"]);
});

/** What an operator's terminal sends; the headless half only lacks the keyboard, which `terminal.input` stands for. */
function listen({ terminal, feed }: Rig): OperatorInput & { readonly sent: string } {
  let sent = "";
  const keyboard = Object.assign(terminal, { attachCustomKeyEventHandler: () => {} });
  const input = listenToOperator(keyboard as never, new EventTarget() as never, feed.drawing, {
    onInput(typed) {
      sent += new TextDecoder().decode(typed);
    },
    onShortcut: () => {},
    onPaste: async () => true,
    onClipboard: () => {},
    onModifiersUsed: () => {},
  });
  return {
    ...input,
    get sent() {
      return sent;
    },
  };
}

test("what is typed while a key frame waits and is drawn is sent, and what the frame makes the terminal answer is not", async () => {
  using rig = open();
  using operator = listen(rig);
  let drawn = 0;
  // In the midst of the frame, between its questions for the attributes of the terminal and for the cursor.
  rig.terminal.parser.registerOscHandler(7777, () => {
    expect(rig.feed.drawing()).toBe(true);
    drawn += 1;
    rig.terminal.input("c");
    operator.press("up");
    return true;
  });
  rig.feed.show(frame(500, { cols: 30, rows: 5 }, "\x1b[c\x1b[6n\x1b]7777;\x07\x1b[6n\x1b[c"));
  rig.terminal.input("a");
  rig.terminal.input("b");
  await until(() => rig.parsed.includes(500), "the frame is drawn");
  expect([drawn, operator.sent]).toEqual([1, "abc\x1b[A"]);
});

test("no key is lost when a key frame comes after every key, and no answer to one is sent", async () => {
  using rig = open();
  using operator = listen(rig);
  const keys = "\x03ls -l\r";
  for (const [at, key] of [...keys].entries()) {
    // The write after a key is parsed at once: the frame's size is taken here, its bytes wait for a timer.
    rig.terminal.input(key);
    rig.feed.show(frame(at + 1, { cols: 20, rows: 4 }, "\x1b[6n"));
    rig.terminal.input(".");
    if (at % 2 === 0) await until(() => rig.parsed.at(-1) === at + 1, "the frame is drawn");
  }
  await until(() => rig.parsed.length === keys.length, "all frames are drawn");
  expect(operator.sent).toBe([...keys].map((key) => `${key}.`).join(""));
});

test("a question in the output before or after a key frame is answered", async () => {
  using rig = open();
  using operator = listen(rig);
  rig.feed.show(output(0, "abc\x1b[6n"));
  rig.feed.show(frame(500, { cols: 30, rows: 5 }, "\x1b[c"));
  rig.feed.show(output(500, "\x1b[5n"));
  await until(() => rig.parsed.at(-1) === 504, "all is parsed");
  expect(operator.sent).toBe("\x1b[1;4R\x1b[0n");
});

test("without the emulator's own mark of what was typed, an answer to a key frame is still not sent", async () => {
  using rig = open();
  const { _core: core } = rig.terminal as unknown as { _core: { coreService: { onUserInput: unknown } } };
  core.coreService.onUserInput = undefined;
  using operator = listen(rig);
  rig.feed.show(frame(500, { cols: 30, rows: 5 }, "\x1b[c"));
  await until(() => rig.parsed.includes(500), "the frame is drawn");
  rig.terminal.input("a");
  expect(operator.sent).toBe("a");
});

test("a reader faster than the emulator is held back, and let on", async () => {
  using rig = open();
  let at = 0;
  const much = "x".repeat(60_000);
  for (; at < 6; at += 1) rig.feed.show(output(at * much.length, much));
  const order: string[] = [];
  const ready = rig.feed.ready().then(() => order.push(`ready at ${rig.parsed.length}`));
  expect(rig.parsed).toEqual([]);
  await ready;
  expect(rig.parsed.length).toBeGreaterThan(0);
  expect(at * much.length - (rig.parsed.at(-1) ?? 0)).toBeLessThanOrEqual(262_144);
  await until(() => rig.parsed.length === at, "all is parsed");
});

test("in the background output is parsed without waiting for a timer, which browsers slow there", () => {
  using rig = open({ inBackground: () => true });
  rig.feed.show(output(0, "abc"));
  expect(rig.parsed).toEqual([3]);
});
