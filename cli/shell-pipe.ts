/** A shell whose input comes from a pipe or a file: typed as it comes, then end of file; the output goes out exactly. */

import type { SessionClient } from "../proto/client/clients.ts";
import type { EndCause } from "../proto/client/events.ts";
import { isLostCall } from "../proto/client/faults.ts";
import { printable } from "../proto/client/printable.ts";
import { openShell, type Shell, type ShellOptions } from "../proto/client/shell.ts";
import type { Prompt } from "../proto/gen/bartizan/v1/session_pb.ts";
import { exitCodes, signalExitCode } from "./exit-codes.ts";
import type { Frame } from "./frame.ts";
import { askOnTerminal } from "./prompts.ts";
import type { ShellEnd } from "./shell.ts";
import { openTerminalKeys } from "./terminal-input.ts";
import { onSignals, windowSize } from "./tty.ts";
import { freezeWords } from "./words.ts";

/** How long an `ended` may take after the wish to hang up. */
const hangUpMs = 2_000;
/** A shell that prints nothing at all gets its input after this. */
const firstOutputMs = 1_000;
/** End of file is said again when nothing was heard for this long. */
const endAgainMs = 1_000;
const endOfFile = Uint8Array.of(0x04);
const lineEnd = Uint8Array.of(0x0a);

/**
 * Does not reconnect: input that was under way may or may not have arrived, and a script must not run half of it twice.
 * On every way out the session is hung up: nobody will come back to it. A reader of the output that has seen enough
 * ends it with 141, as SIGPIPE would. Throws the call's error, or that of the input or the output.
 */
export async function pipeShell(frame: Frame, client: SessionClient, open: ShellOptions["open"]): Promise<ShellEnd> {
  const life = new AbortController();
  let left: ShellEnd | undefined;
  let failure: unknown;
  let sessionId = "";
  let heardAtMs = 0;
  let heard = () => {};
  const firstOutput = new Promise<void>((resolve) => {
    heard = resolve;
  });
  await using shell = openShell(client, {
    open,
    size: windowSize(),
    acks: false,
    reconnect: false,
    signal: life.signal,
  });
  const hangUp = (exitCode: number) => {
    if (left !== undefined) return;
    left = { kind: "left", exitCode };
    shell.hangUp();
    setTimeout(() => life.abort(), hangUpMs).unref();
  };
  const fail = (error: unknown) => {
    const enough = (error as NodeJS.ErrnoException).code === "EPIPE";
    if (!enough) failure ??= error;
    hangUp(enough ? signalExitCode("PIPE") : exitCodes.connection);
  };
  using _signals = onSignals((signal) => hangUp(signalExitCode(signal.slice(3))));
  const quietMs = () => performance.now() - heardAtMs;
  let ended: EndCause | undefined;

  try {
    for await (const event of shell.events) {
      switch (event.kind) {
        case "started":
          sessionId = event.session.id;
          setTimeout(heard, firstOutputMs).unref();
          feed(shell, firstOutput, quietMs, life.signal).catch(fail);
          break;
        case "prompt":
          ask(frame, shell, event.prompt, life).catch(fail);
          break;
        case "output":
        case "key-frame":
          heardAtMs = performance.now();
          heard();
          // Leaving this loop would detach: the rest is read until the hang-up is answered.
          if (left === undefined) await frame.output.writeUnless(life.signal, event.bytes).catch(fail);
          break;
        case "notice":
          if (event.about !== "connecting") frame.tell(printable(event.text, 4000));
          break;
        case "freeze":
          frame.tell(`[${freezeWords(event)}]`);
          break;
        case "ended":
          ended = event.cause;
          break;
      }
    }
  } catch (error) {
    if (sessionId !== "" && isLostCall(error)) await hangUpAnew(client, sessionId);
    failure ??= error;
  } finally {
    life.abort();
  }
  if (failure !== undefined) throw failure;
  return left ?? (ended ? { kind: "ended", cause: ended } : { kind: "left", exitCode: exitCodes.connection });
}

/** The line is lost, and the shell would wait for its grace time: tried once, by a call of its own. */
async function hangUpAnew(client: SessionClient, sessionId: string): Promise<void> {
  const signal = AbortSignal.timeout(hangUpMs);
  await using shell = openShell(client, {
    open: { sessionId },
    size: windowSize(),
    acks: false,
    reconnect: false,
    signal,
  });
  try {
    // Asked for before the start, it would be the call that is given up.
    for await (const { kind } of shell.events) if (kind === "started") shell.hangUp();
  } catch {
    // The server is away, or the session is over.
  }
}

/**
 * A pty has no half-close: end of file is a key. A shell that is not yet, or no longer, reading lines takes that key
 * for something else, so it is pressed again while all is quiet.
 */
async function feed(shell: Shell, ready: Promise<void>, quietMs: () => number, signal: AbortSignal): Promise<void> {
  await ready;
  let last: number | undefined;
  for await (const chunk of process.stdin as AsyncIterable<Uint8Array>) {
    if (signal.aborted) return;
    last = chunk.at(-1);
    await shell.write(chunk);
  }
  if (last !== undefined && last !== 0x0a) await shell.write(lineEnd);
  await shell.write(endOfFile);
  const again = setInterval(() => {
    if (quietMs() >= endAgainMs) void shell.write(endOfFile);
  }, endAgainMs);
  signal.addEventListener("abort", () => clearInterval(again), { once: true });
}

/** Standard input is taken, so questions go to the controlling terminal, if there is one. */
async function ask(frame: Frame, shell: Shell, prompt: Prompt, life: AbortController): Promise<void> {
  await using keys = openTerminalKeys(
    () => "",
    () => life.abort(),
  );
  if (keys === undefined) {
    frame.tell("The login asks something, and there is no terminal to ask you on.");
    shell.answer({ promptId: prompt.id, accepted: false, answers: [] });
    return;
  }
  const say = (text: string) => void process.stderr.write(text);
  try {
    shell.answer(await askOnTerminal(prompt, keys, say, life.signal));
  } catch {
    shell.answer({ promptId: prompt.id, accepted: false, answers: [] });
  }
}
