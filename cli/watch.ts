/** `bartizan watch`: a live session as its operator sees it, without a way to touch it. */

import { Command } from "commander";
import { type AttachmentEvent, openWatch, printable, type SessionInfo, type Size } from "../proto/client/index.ts";
import { goneComplaint } from "./complaint.ts";
import { openCrop } from "./crop.ts";
import { exitCodes, signalExitCode, watchExitCode } from "./exit-codes.ts";
import { createOutputFilter } from "./filter.ts";
import type { Frame } from "./frame.ts";
import { resolveSession } from "./session-id.ts";
import { openTerminalKeys } from "./terminal-input.ts";
import { onSignals, onWindowSize, stdoutIsTty, windowSize } from "./tty.ts";
import { endWords, fitBetween } from "./words.ts";

const frameMs = 33; // 30 a second
/** How long a screen without a free line says how to leave, unless output comes before. */
const greetingMs = 3_000;

export function watchCommand(frame: Frame, done: (code: number) => void): Command {
  return new Command("watch")
    .summary("see a live session, without touching it")
    .description(
      "Shows a live session from the exact screen of this moment, in its operator's size: cut around the cursor, with a notice, where your window is smaller. Nothing that you type is sent, and nothing that the target sends can make your terminal answer. The operator sees who watches.",
    )
    .argument("<session>", "its id, or the beginning of it (`bartizan sessions`)")
    .addHelpText(
      "after",
      `
q or Ctrl-C leaves. Exits with 0 when the session ends or you leave, 254 when it was kicked, 255 when the connection
is lost for good. With its output in a pipe or a file it writes the session's output there, controls filtered.

Examples:
  bartizan watch n1-7f3a
  bartizan watch n1-7f3a | tee seen.txt`,
    )
    .action(async (session: string) => done(await watch(frame, session)));
}

async function watch(frame: Frame, given: string): Promise<number> {
  using api = frame.api();
  const sessionId = await resolveSession(api.clients, given);
  const life = new AbortController();
  let left: number = exitCodes.ok;
  using _ = onSignals((signal) => {
    if (signal !== "SIGINT") left = signalExitCode(signal.slice(3));
    life.abort();
  });
  const events = untilGone(openWatch(api.clients.sessions, { sessionId, signal: life.signal }));
  const ended = stdoutIsTty()
    ? await onTerminal(frame, events, () => life.abort())
    : await toPipe(frame, events, life.signal);
  if (ended === undefined) return left;
  frame.tell(`[session ${printable(sessionId)} ${endWords(ended.cause)}]`);
  return watchExitCode(ended.cause);
}

/** Says of a session that was there and is not, what may have become of it. */
async function* untilGone(events: AsyncIterable<AttachmentEvent>): AsyncGenerator<AttachmentEvent, void, void> {
  let started = false;
  try {
    for await (const event of events) {
      started ||= event.kind === "started";
      yield event;
    }
  } catch (error) {
    throw started ? (goneComplaint(error) ?? error) : error;
  }
}

type EndedEvent = Extract<AttachmentEvent, { kind: "ended" }>;

/** For a pipe: the output's bytes, without what could drive a terminal that shows them later. */
async function toPipe(
  frame: Frame,
  events: AsyncIterable<AttachmentEvent>,
  signal: AbortSignal,
): Promise<EndedEvent | undefined> {
  const filter = createOutputFilter({ forPipe: true });
  for await (const event of events) {
    if (event.kind === "output" || event.kind === "key-frame") {
      await frame.output.writeUnless(signal, filter.feed(event.bytes));
    } else if (event.kind === "ended") return event;
    else if (event.kind === "reconnecting" && event.attempt === 1) frame.tell("[connection lost; trying again]");
    else if (event.kind === "reconnected") frame.tell("[connected again]");
    else if (event.kind === "freeze")
      frame.tell(event.frozen === undefined ? "[no longer frozen]" : `[frozen by ${printable(event.frozen.by, 40)}]`);
    else if (event.kind === "reach") frame.tell(`[${reachWords(event)}]`);
  }
  return undefined;
}

function frozenWords({ frozen }: SessionInfo): string {
  return frozen === undefined ? "" : `frozen by ${printable(frozen.by?.name ?? "", 40)}`;
}

function reachWords({ reach, text }: Extract<AttachmentEvent, { kind: "reach" }>): string {
  return reach === "live" ? "the session's node is heard again" : printable(text) || "the session's node is not heard";
}

/** On the alternate screen, so that the window is afterwards as it was. */
async function onTerminal(
  frame: Frame,
  events: AsyncIterable<AttachmentEvent>,
  leave: () => void,
): Promise<EndedEvent | undefined> {
  const encoder = new TextEncoder();
  const filter = createOutputFilter();
  using crop = openCrop({ cols: 80, rows: 24 });
  await using keys = openTerminalKeys(() => "\x1b[m\x1b[?25h\x1b[?1049l", leave);
  // Whatever is typed goes nowhere, except these two.
  keys?.giveTo((bytes) => {
    if (bytes.includes(0x03) || bytes.includes(0x71)) leave();
  });
  await frame.output.write(encoder.encode("\x1b[?1049h\x1b[2J\x1b[H"));

  let title = "connecting";
  let size: Size = { cols: 80, rows: 24 };
  let state = "";
  let greeting = true;
  const notice = (cropped: boolean, cols: number) => {
    const what = `${title} ${size.cols}x${size.rows}${cropped ? ", cropped to your window" : ""}`;
    return fitBetween(" ", state || what, " | q leaves ", cols);
  };
  let timer: ReturnType<typeof setTimeout> | undefined;
  let dirty = false;
  const draw = () => {
    timer = undefined;
    // A window that takes nothing gets the newest screen when it does again, not all those between.
    if (frame.output.busy) {
      timer = setTimeout(draw, frameMs);
      return;
    }
    dirty = false;
    const text = crop.draw(windowSize(), notice, greeting || state !== "");
    if (text !== "") frame.output.write(encoder.encode(text)).catch(leave);
    timer = setTimeout(() => {
      timer = undefined;
      if (dirty) draw();
    }, frameMs);
  };
  const schedule = () => {
    dirty = true;
    if (timer === undefined) timer = setTimeout(draw, 0);
  };
  using _window = onWindowSize(() => {
    crop.forget();
    schedule();
  });
  const greet = setTimeout(() => {
    greeting = false;
    schedule();
  }, greetingMs);

  try {
    for await (const event of events) {
      switch (event.kind) {
        case "started":
        case "reconnected":
          title = `${printable(event.session.target, 40)} by ${printable(event.session.operator?.name ?? "?", 40)}`;
          state = frozenWords(event.session);
          break;
        case "key-frame":
          size = event.size;
          crop.resize(size);
          await crop.write(filter.feed(event.bytes));
          break;
        case "resized":
          size = event.size;
          crop.resize(size);
          break;
        case "output":
          greeting = false;
          await crop.write(filter.feed(event.bytes));
          break;
        case "freeze":
          state = event.frozen === undefined ? "" : `frozen by ${printable(event.frozen.by, 40)}`;
          break;
        case "reconnecting":
          state = "connection lost, trying again";
          break;
        case "reach":
          state = event.reach === "live" ? "" : reachWords(event);
          break;
        case "ended":
          // Seen where a terminal has no alternate screen to leave.
          state = endWords(event.cause);
          clearTimeout(timer);
          draw();
          return event;
      }
      schedule();
    }
    return undefined;
  } finally {
    clearTimeout(greet);
    clearTimeout(timer);
    await Promise.race([frame.output.drained(), new Promise((resolve) => setTimeout(resolve, 500).unref())]);
  }
}
