/** A shell on the local terminal: keys in, output out, questions, escapes, and a line when the connection goes and comes. */

import type { SessionClient } from "../proto/client/clients.ts";
import type { CallFault } from "../proto/client/faults.ts";
import { printable } from "../proto/client/printable.ts";
import { openShell, type ShellOptions } from "../proto/client/shell.ts";
import { createAlternateScreenWatch } from "./alternate-screen.ts";
import { goneComplaint } from "./complaint.ts";
import { createEscapeFilter, type EscapeAction, escapeHelp } from "./escapes.ts";
import { exitCodes, signalExitCode } from "./exit-codes.ts";
import type { Frame } from "./frame.ts";
import { askOnTerminal } from "./prompts.ts";
import type { ShellEnd } from "./shell.ts";
import { openTerminalKeys } from "./terminal-input.ts";
import { calmModes, onSignals, onWindowSize, windowSize } from "./tty.ts";
import { awayWords, freezeWords } from "./words.ts";

/** How long an `ended` may take after the wish to hang up. */
const hangUpMs = 2_000;
/** A loss that is over before this is not worth a line that disturbs the screen. */
const quietLossMs = 1_000;
/** Windows are dragged: the last of a burst of sizes is sent. */
const resizeMs = 50;

/** Restores the terminal before it returns or throws. Throws the call's error when there is no way (back) to the shell. */
export async function terminalShell(
  frame: Frame,
  client: SessionClient,
  open: ShellOptions["open"],
  follow?: ShellOptions["follow"],
): Promise<ShellEnd> {
  const encoder = new TextEncoder();
  const life = new AbortController();
  const alternate = createAlternateScreenWatch();
  let left: ShellEnd | undefined;
  let line: "opening" | "up" | "away" = "opening";
  let sessionId = "";

  const leave = (end: ShellEnd) => {
    left ??= end;
    life.abort();
  };
  const hangUp = (exitCode: number) => {
    left ??= { kind: "left", exitCode };
    if (line === "up") shell.hangUp();
    else return leave(left);
    setTimeout(() => life.abort(), hangUpMs).unref();
  };

  await using keys = openTerminalKeys(
    () => calmModes + (alternate.entered ? "\x1b[?1049l" : ""),
    () => hangUp(signalExitCode("HUP")),
  );
  await using shell = openShell(client, {
    ...{ open, follow, knocks: 5 },
    size: windowSize(),
    acks: true,
    signal: life.signal,
    wholeScreen: () => alternate.entered,
  });
  const say = (text: string) => void frame.output.write(encoder.encode(text)).catch(() => {});
  const status = (text: string) => say(`\r\n[bartizan: ${text}]\r\n`);

  let resizing: ReturnType<typeof setTimeout> | undefined;
  using _window = onWindowSize((size) => {
    clearTimeout(resizing);
    resizing = setTimeout(() => shell.resize(size), resizeMs);
  });
  using _signals = onSignals((signal) => hangUp(signalExitCode(signal.slice(3))));

  let lostAtMs = 0;
  /** What was said of this loss; "" before anything was. */
  let told = "";
  let why: CallFault | undefined;
  /** Left in the middle of a line, so the local prompt needs one of its own. */
  let stepped = false;
  const tellLoss = () => {
    const words = awayWords(why, sessionId);
    if (line !== "away" || words === told) return;
    status(
      told === "" ? `${words}; trying again. What you type is not sent. Enter ~. leaves` : `${words}; trying again`,
    );
    told = words;
  };

  const act = (action: EscapeAction) => {
    stepped = action !== "help";
    if (action === "help") say(`\r\n${escapeHelp.join("\r\n")}\r\n`);
    else if (action === "hang-up") hangUp(exitCodes.connection);
    else {
      const known = line === "away" ? "may go on" : "goes on";
      const words = `[session ${sessionId} ${known}; \`bartizan shell --session ${sessionId}\` takes it up again]`;
      leave({ kind: "left", exitCode: exitCodes.ok, words });
    }
  };
  const escapes = createEscapeFilter();
  const type = (bytes: Uint8Array) => {
    let sent: Promise<boolean> | undefined;
    for (const part of escapes.feed(bytes)) {
      if (typeof part === "string") act(part);
      else sent = shell.write(part);
    }
    return sent?.then((taken) => {
      if (!taken) tellLoss();
    });
  };
  const typeAhead = (bytes: Uint8Array) => {
    if (bytes.includes(0x03)) leave({ kind: "left", exitCode: signalExitCode("INT") });
    else return type(bytes);
  };
  const show = (bytes: Uint8Array, end: number) => {
    alternate.feed(bytes);
    frame.output.write(bytes).then(
      () => shell.ack(end),
      (error) => hangUp(signalExitCode((error as NodeJS.ErrnoException).code === "EPIPE" ? "PIPE" : "HUP")),
    );
  };

  keys?.giveTo(typeAhead);
  let question = new AbortController();
  try {
    for await (const event of shell.events) {
      switch (event.kind) {
        case "started":
          question.abort();
          line = "up";
          sessionId = printable(event.session.id);
          keys?.giveTo(type);
          break;
        case "prompt": {
          question.abort();
          question = new AbortController();
          if (keys === undefined) break;
          askOnTerminal(event.prompt, keys, say, AbortSignal.any([question.signal, life.signal])).then(
            (answer) => {
              keys.giveTo(typeAhead);
              shell.answer(answer);
            },
            (error) => {
              if (error instanceof Error && error.name === "GivenUp") {
                leave({ kind: "left", exitCode: signalExitCode("INT") });
              }
            },
          );
          break;
        }
        case "output":
          show(event.bytes, event.offset + event.bytes.length);
          break;
        case "key-frame":
          show(event.bytes, event.offset);
          break;
        case "notice":
          // The target's banner belongs on the screen; that a connection is being made does not.
          if (event.about === "banner" || event.about === "monitored")
            say(
              `${event.text
                .split("\n")
                .map((each) => printable(each))
                .join("\r\n")}\r\n`,
            );
          else if (event.about !== "connecting") status(printable(event.text));
          break;
        case "freeze":
          status(freezeWords(event));
          break;
        case "reconnecting":
          if (line === "up") lostAtMs = performance.now();
          line = "away";
          why = event.fault;
          if (performance.now() - lostAtMs >= quietLossMs) tellLoss();
          break;
        case "reconnected":
          line = "up";
          if (told !== "") status("connected again");
          if (event.discardedBytes > 0) status(`${event.discardedBytes} bytes that you typed meanwhile were not sent`);
          told = "";
          break;
        case "ended":
          return left ?? { kind: "ended", cause: event.cause };
      }
    }
  } catch (error) {
    throw sessionId === "" ? error : (goneComplaint(error) ?? error);
  } finally {
    clearTimeout(resizing);
    question.abort();
    if (stepped && !alternate.entered) say("\r\n");
    await Promise.race([frame.output.drained(), new Promise((resolve) => setTimeout(resolve, hangUpMs).unref())]);
  }
  return left ?? { kind: "left", exitCode: exitCodes.connection };
}
