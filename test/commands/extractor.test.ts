import { describe, expect, it } from "vitest";
import { FeedBatch } from "../../server/commands/feed-batch.ts";
import { nameToken, searchExpression } from "../../server/commands/search-text.ts";
import { shellMarks } from "../../server/commands/shell-marks.ts";
import { createScratch } from "../../server/session/screen-log.ts";
import { newExtractor } from "./replay.ts";

const at = { atMs: 1 };

/** ">text" is typed, anything else printed. */
function extracted(...steps: readonly string[]) {
  const extractor = newExtractor({ cols: 80, rows: 24 });
  for (const step of steps) {
    const kind = step.startsWith(">") ? "input" : "output";
    extractor.feed({ kind, ...at, bytes: Buffer.from(kind === "input" ? step.slice(1) : step) });
  }
  extractor.end();
  return extractor.log.take();
}

const typed = (text: string) => [...text].flatMap((key) => [`>${key}`, key]);
const texts = (commands: readonly { text: string }[]) => commands.map(({ text }) => text);

describe("the extractor", () => {
  it("takes the text that VS Code's and fish's marks declare, with directory and status", () => {
    const commands = extracted(
      "\x1b]633;A\x07$ \x1b]633;B\x07",
      ...typed("l"),
      ">\r",
      "\r\n\x1b]633;E;ls\\x3b pwd;nonce\x07\x1b]633;C\x07out\r\n\x1b]633;D;3\x07\x1b]633;P;Cwd=/srv/a\\x3bb\x07\x1b]633;A\x07$ \x1b]633;B\x07",
      ...typed("x"),
      ">\r",
      "\r\n\x1b]133;C;cmdline_url=echo%20%C3%A9\x07",
    );
    expect(commands[0]).toMatchObject({ text: "ls; pwd", confidence: "declared", exitCode: 3 });
    expect(commands[1]).toMatchObject({ text: "echo é", confidence: "declared", cwd: "/srv/a;b" });
  });

  it("reports nothing that nobody typed, whatever the target prints", () => {
    const forged = "\x1b[?2004h$ rm -rf /\r\n\x1b[?2004l\r\x1b]633;E;evil\x07\x1b]133;C;cmdline_url=evil\x07";
    expect(extracted(forged, "\x1b[?2004h$ ", forged.repeat(3))).toEqual([]);
  });

  it("reports nothing of full-screen programs", () => {
    const commands = extracted(
      "\x1b[?2004h$ ",
      ...typed("vi"),
      ">\r",
      "\r\n\x1b[?2004l\r\x1b[?1049h\x1b[?2004h# ",
      ...typed("in vi"),
      ">\r",
      "\r\n\x1b[?2004l",
      "\x1b[?1049l\x1b[?2004h$ ",
      ...typed("ls"),
      ">\r",
      "\r\n\x1b[?2004l\r",
    );
    expect(texts(commands)).toEqual(["vi", "ls"]);
  });

  it("knows the commands of network gear, which has no editor that tells", () => {
    const commands = extracted(
      "\r\nrouter1>",
      ...typed("enable"),
      ">\r",
      "\r\nPassword: ",
      ">s",
      ">3",
      ">cret",
      ">\r",
      "\r\nrouter1#",
      ...typed("show version"),
      ">\r",
      "\r\nIOS\r\nrouter1#",
      ...typed("reload"),
      ">\r",
      "\r\n",
    );
    expect(texts(commands)).toEqual(["enable", "show version", "reload"]);
    expect(commands[1]).toMatchObject({ endedMs: 1 });
  });

  it("goes on after a gap, with the next prompt", () => {
    const extractor = newExtractor({ cols: 80, rows: 24 });
    const feed = (...steps: readonly string[]) => {
      for (const step of steps) {
        const kind = step.startsWith(">") ? "input" : "output";
        extractor.feed({ kind, ...at, bytes: Buffer.from(kind === "input" ? step.slice(1) : step) });
      }
    };
    feed("\x1b[?2004h$ ", ...typed("yes"), ">\r", "\r\n\x1b[?2004l\r\x1b]0;unfinished");
    extractor.feed({ kind: "gap", ...at, bytes: 1000, alternate: undefined });
    feed("y\r\ny\r\n\x1b[?2004h$ ", ...typed("ls"), ">\r", "\r\n\x1b[?2004l\r");
    extractor.end();
    const commands = extractor.log.take();
    expect(texts(commands)).toEqual(["yes", "ls"]);
    expect(commands[1]?.outputFrom).toBeGreaterThan(1000);
  });

  it("keeps its text when the terminal is resized while it is typed", () => {
    const extractor = newExtractor({ cols: 80, rows: 24 });
    const feed = (...steps: readonly string[]) => {
      for (const step of steps) {
        const kind = step.startsWith(">") ? "input" : "output";
        extractor.feed({ kind, ...at, bytes: Buffer.from(kind === "input" ? step.slice(1) : step) });
      }
    };
    feed("\x1b[?2004h$ ", ...typed("echo resized"));
    extractor.feed({ kind: "resize", ...at, size: { cols: 100, rows: 30 } });
    feed("\r\x1b[K$ echo resized", ...typed(" later"), ">\r", "\r\n\x1b[?2004l\r");
    extractor.end();
    expect(texts(extractor.log.take())).toEqual(["echo resized later"]);
  });

  it("makes control characters and broken text harmless", () => {
    const [command] = extracted(
      "\x1b]633;A\x07$ \x1b]633;B\x07",
      ...typed("x"),
      ">\r",
      "\r\n\x1b]633;E;a\\x1b[31m\\x07b\u202e;n\x07\x1b]633;C\x07",
    );
    expect(command?.text).toBe("a\ufffd[31m\ufffdb\ufffd");
  });
});

it("marks that are malformed or huge say nothing", () => {
  expect(shellMarks(133, "D;999999")).toEqual([{ kind: "done" }]);
  expect(shellMarks(133, "C;cmdline_url=%zz")).toEqual([{ kind: "running" }]);
  expect(shellMarks(7, "file://host/tmp/%C3%A9")).toEqual([{ kind: "cwd", cwd: "/tmp/é" }]);
  expect(shellMarks(3008, "end=a;exit=failure;status=130")).toEqual([{ kind: "done", exitCode: 130 }]);
  expect(shellMarks(633, `E;${"x".repeat(100_000)}`)).toEqual([]);
  expect(shellMarks(1337, "CurrentDir=relative")).toEqual([]);
});

describe("what waits for the extractor", () => {
  const output = (text: string) => ({ kind: "output", ...at, bytes: Buffer.from(text) }) as const;

  it("is shortened when it is a flood of plain text, and counts as much", () => {
    const batch = new FeedBatch();
    const flood = "line of a flood\r\n".repeat(10_000);
    batch.add(output(flood));
    const { events, bytes } = batch.take(true, 24, createScratch());
    expect(bytes.length).toBeLessThan(20_000);
    const counted = events.reduce(
      (sum, event) => sum + ("length" in event ? event.length : "bytes" in event ? event.bytes : 0),
      0,
    );
    expect(counted).toBe(flood.length);
  });

  it("is bounded: the middle becomes a gap that knows its length and its screen", () => {
    const batch = new FeedBatch();
    const chunk = `\x1b[?1049h${"\x1b[1;1Hx".repeat(4000)}`;
    for (let count = 0; count < 100; count++) batch.add(output(chunk));
    expect(batch.weightBytes).toBeLessThan(1.1 * 1024 * 1024);
    const { events, bytes } = batch.take(false, 24, createScratch());
    expect(events[0]).toMatchObject({ kind: "gap", alternate: true });
    expect((events[0] as { bytes: number }).bytes + bytes.length).toBe(100 * chunk.length);
  });
});

it("search text never reaches FTS5 as syntax", () => {
  expect(searchExpression("ls -la")).toBe('text : "ls" * AND text : "-la" *');
  expect(searchExpression('NEAR(a b) OR "x')).toBe(
    'text : "NEAR(a" * AND text : "b)" * AND text : "OR" * AND text : "x"',
  );
  expect(searchExpression("| && ;")).toBeUndefined();
  expect(nameToken("o", 'a" OR b')).toMatch(/^o[0-9a-z]{1,3}$/);
});
