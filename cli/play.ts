/** `bartizan play`: a recording on the terminal, with pauses and seeks; into a pipe as fast as it is read. */

import { Command } from "commander";
import {
  createPlayer,
  openReplay,
  type Player,
  printable,
  type ReplayEvent,
  type Size,
} from "../proto/client/index.ts";
import type { Recording } from "../proto/gen/bartizan/v1/recording_pb.ts";
import type { Api } from "./api.ts";
import { openCrop } from "./crop.ts";
import { exitCodes, signalExitCode } from "./exit-codes.ts";
import { createOutputFilter } from "./filter.ts";
import type { Frame } from "./frame.ts";
import { above0, playTime } from "./play-time.ts";
import { resolveRecording } from "./recording-id.ts";
import { openTerminalKeys } from "./terminal-input.ts";
import { onSignals, onWindowSize, stdoutIsTty, windowSize } from "./tty.ts";
import { endWords, timeWords } from "./words.ts";

interface PlayOptions {
  readonly speed: number;
  readonly idle?: number;
  readonly start: number;
}

const frameMs = 33; // 30 a second
const shortSeekMs = 5_000;
const longSeekMs = 60_000;

export function playCommand(frame: Frame, done: (code: number) => void): Command {
  return new Command("play")
    .summary("play a recording")
    .description(
      "Plays a recording in its own size: cut around the cursor where your window is smaller. Nothing in it can make your terminal answer. That you looked at it goes into the audit log.",
    )
    .argument("<recording>", "its id or its session's, or the beginning of one (`bartizan recordings`)")
    .option("--speed <number>", "so many times as fast", above0(1000), 1)
    .option("--idle <seconds>", "of longer times without output play only so much", above0(1_000_000))
    .option("--start <time>", "begin at 90 (seconds), 1:30 or 1:02:03", playTime, 0)
    .addHelpText(
      "after",
      `
Keys: space pauses and goes on, left and right seek 5 seconds, down and up a minute, q or Ctrl-C leaves.
With its output in a pipe or a file it writes the session's output there as fast as it is read, controls filtered.

Examples:
  bartizan play 7f3a --speed 2 --idle 2
  bartizan play n1-7f3a | grep -a denied`,
    )
    .action(async (recording: string, options: PlayOptions) => done(await play(frame, recording, options)));
}

async function play(frame: Frame, given: string, options: PlayOptions): Promise<number> {
  using api = frame.api();
  const id = await resolveRecording(api.clients, given);
  const life = new AbortController();
  let left: number = exitCodes.ok;
  using _ = onSignals((signal) => {
    if (signal !== "SIGINT") left = signalExitCode(signal.slice(3));
    life.abort();
  });
  if (stdoutIsTty()) await onTerminal(frame, api, id, options, life);
  else
    await toPipe(
      frame,
      openReplay(api.clients.recordings, { id, fromMs: options.start, signal: life.signal }),
      life.signal,
    );
  return left;
}

async function toPipe(frame: Frame, events: AsyncIterable<ReplayEvent>, signal: AbortSignal): Promise<void> {
  const filter = createOutputFilter({ forPipe: true });
  for await (const event of events) {
    if (event.kind === "output" || event.kind === "key-frame")
      await frame.output.writeUnless(signal, filter.feed(event.bytes));
  }
}

/** On the alternate screen, so that the window is afterwards as it was. */
async function onTerminal(
  frame: Frame,
  api: Api,
  id: string,
  options: PlayOptions,
  life: AbortController,
): Promise<void> {
  const encoder = new TextEncoder();
  let filter = createOutputFilter();
  using crop = openCrop({ cols: 80, rows: 24 });
  const leave = () => life.abort();
  await using keys = openTerminalKeys(() => "\x1b[m\x1b[?25h\x1b[?1049l", leave);
  await frame.output.write(encoder.encode("\x1b[?1049h\x1b[2J\x1b[H"));
  let recording: Recording | undefined;
  let end = "";
  let size: Size = { cols: 80, rows: 24 };
  let timer: ReturnType<typeof setTimeout> | undefined;

  const notice = (player: Player) => {
    const { is, atMs, speed } = player.state;
    const total = Math.max(Number(recording?.durationMs ?? 0n), atMs);
    const words = {
      waiting: "loading",
      playing: "",
      paused: "paused",
      ended: end,
      "live-edge": "live from here",
      failed: "failed",
    };
    const who = `${printable(recording?.target ?? "", 40)} by ${printable(recording?.operator?.name ?? "?", 40)}`;
    const parts = [`${timeWords(atMs)} / ${timeWords(total)}`, words[is], speed === 1 ? "" : `${speed}x`, who];
    return ` ${parts.filter((part) => part !== "").join(" | ")} | space, arrows, q `;
  };
  const draw = () => {
    timer = undefined;
    if (frame.output.busy) return schedule();
    const text = crop.draw(windowSize(), () => notice(player), player.state.is !== "playing");
    if (text !== "") frame.output.write(encoder.encode(text)).catch(leave);
  };
  const schedule = () => {
    timer ??= setTimeout(draw, frameMs);
  };

  const over = Promise.withResolvers<void>();
  const player = createPlayer({
    open: (fromMs, signal) => openReplay(api.clients.recordings, { id, fromMs, signal }),
    async show(event) {
      if (event.kind === "started") recording = event.recording;
      else if (event.kind === "key-frame" || event.kind === "resized") {
        size = event.size;
        crop.resize(size);
        if (event.kind === "key-frame") {
          filter = createOutputFilter();
          await crop.write(filter.feed(event.bytes));
        }
      } else if (event.kind === "output") await crop.write(filter.feed(event.bytes));
      else if (event.kind === "ended") end = endWords(event.cause);
      schedule();
    },
    clock: {
      nowMs: () => performance.now(),
      after(ms, call) {
        // Timers cannot wait longer; the player then looks again.
        const wait = setTimeout(call, Math.min(ms, 2 ** 31 - 1));
        return () => clearTimeout(wait);
      },
    },
    onState({ is, error }) {
      schedule();
      if (is === "failed") over.reject(error);
    },
    ...{ speed: options.speed, startMs: options.start },
    ...(options.idle === undefined ? {} : { idleMs: options.idle * 1000 }),
  });
  life.signal.addEventListener("abort", () => over.resolve(), { once: true });
  using _window = onWindowSize(() => {
    crop.forget();
    schedule();
  });
  // The time in the last line moves on also when nothing else does.
  const tick = setInterval(schedule, 1000);
  keys?.giveTo((bytes) => {
    act(Buffer.from(bytes).toString("latin1"), player, leave);
    return undefined;
  });
  try {
    await over.promise;
  } finally {
    clearInterval(tick);
    await player.stop();
    clearTimeout(timer);
    await Promise.race([frame.output.drained(), new Promise((resolve) => setTimeout(resolve, 500).unref())]);
  }
}

const seeks: Readonly<Record<string, number>> = {
  ...{ C: shortSeekMs, D: -shortSeekMs, A: longSeekMs, B: -longSeekMs },
};

/** Arrows come as CSI or, from a terminal in application mode, as SS3. */
function act(typed: string, player: Player, leave: () => void): void {
  for (const [key, arrow] of typed.matchAll(/\x1b[[O]([ABCD])|[\s\S]/g)) {
    if (arrow !== undefined) player.seek(player.state.atMs + (seeks[arrow] ?? 0));
    else if (key === "q" || key === "\x03") leave();
    else if (key === " ") {
      if (player.state.is === "paused") player.play();
      else if (player.state.is === "ended") player.seek(0);
      else player.pause();
    }
  }
}
