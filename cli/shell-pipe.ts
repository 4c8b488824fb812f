/** A shell whose input comes from a pipe or a file: typed as it comes, then end of file; the output goes out exactly. */

import type { SessionClient } from "../proto/client/clients.ts";
import { printable } from "../proto/client/printable.ts";
import { openShell, type Shell, type ShellOptions } from "../proto/client/shell.ts";
import type { Prompt } from "../proto/gen/bartizan/v1/session_pb.ts";
import { exitCodes, signalExitCode } from "./exit-codes.ts";
import type { Frame } from "./frame.ts";
import { askOnTerminal } from "./prompts.ts";
import type { ShellEnd } from "./shell.ts";
import { openTerminalKeys } from "./terminal-input.ts";
import { onSignals, windowSize } from "./tty.ts";

const hangUpMs = 2_000;
/** A shell that prints nothing at all gets its input after this. */
const firstOutputMs = 1_000;
/** End of file is said again when nothing was heard for this long. */
const endAgainMs = 1_000;
const endOfFile = Uint8Array.of(0x04);
const lineEnd = Uint8Array.of(0x0a);

/**
 * Does not reconnect: input that was under way may or may not have arrived, and a script must not run half of it twice.
 * Throws the call's error.
 */
export async function pipeShell(frame: Frame, client: SessionClient, open: ShellOptions["open"]): Promise<ShellEnd> {
  const life = new AbortController();
  let left: ShellEnd | undefined;
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
  using _signals = onSignals((signal) => {
    left ??= { kind: "left", exitCode: signalExitCode(signal.slice(3)) };
    shell.hangUp();
    setTimeout(() => life.abort(), hangUpMs).unref();
  });
  const quietMs = () => performance.now() - heardAtMs;

  for await (const event of shell.events) {
    switch (event.kind) {
      case "started":
        setTimeout(heard, firstOutputMs).unref();
        feed(shell, firstOutput, quietMs, life.signal).catch(() => life.abort());
        break;
      case "prompt":
        ask(frame, shell, event.prompt, life);
        break;
      case "output":
      case "key-frame":
        heardAtMs = performance.now();
        heard();
        await frame.output.writeUnless(life.signal, event.bytes);
        break;
      case "notice":
        if (event.about !== "connecting") frame.tell(printable(event.text, 4000));
        break;
      case "ended":
        life.abort();
        return left ?? { kind: "ended", cause: event.cause };
    }
  }
  return left ?? { kind: "left", exitCode: exitCodes.connection };
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
