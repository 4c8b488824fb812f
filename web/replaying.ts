/** A recording played in one box: the player's events into a mute terminal, and what is worth saying about them. */

import {
  createPlayer,
  type EndCause,
  openReplay,
  type PlayerState,
  type RecordingClient,
  type ReplayEvent,
  type Size,
} from "../proto/client/index.ts";
import type { Recording } from "../proto/gen/bartizan/v1/recording_pb.ts";
import { openTerminal } from "./terminal.ts";
import type { TerminalSettings } from "./terminal-settings.ts";
import type { ColourScheme } from "./terminal-theme.ts";

export interface ReplayingState {
  /** "waiting": for the screen of the time that was asked for. */
  readonly is: PlayerState["is"];
  /** Whether it goes on by itself as soon as it can. */
  readonly playing: boolean;
  readonly speed: number;
  readonly skipIdle: boolean;
  /** As it was when it was last asked for; undefined until the first answer. */
  readonly recording?: Recording;
  /** Of the recorded terminal now. */
  readonly size?: Size;
  /** The last moment that is known of, in milliseconds since the session was opened. */
  readonly endMs: number;
  /** Only with "ended". */
  readonly cause?: EndCause;
  /** From the last seek to its screen, in milliseconds. */
  readonly seekMs?: number;
  /** Only with "failed". */
  readonly error?: unknown;
}

/** Times are milliseconds since the session was opened. */
export interface Replaying extends Disposable {
  readonly state: ReplayingState;
  /** Called after every change but that of the time. */
  subscribe(listener: () => void): () => void;
  /** Where it is now, or will be when a seek is done. */
  atMs(): number;
  /** At the end: from the start again; at the edge of a session that runs: what came since. */
  play(): void;
  pause(): void;
  /** Many at once are one: the last. */
  seek(atMs: number): void;
  setSpeed(speed: number): void;
  setSkipIdle(skip: boolean): void;
  change(settings: TerminalSettings, scheme: ColourScheme): void;
}

export interface ReplayingOptions {
  readonly client: RecordingClient;
  /** The recording's id, or its session's. */
  readonly id: string;
  readonly settings: TerminalSettings;
  readonly scheme: ColourScheme;
  /** What a screen reader calls the terminal. */
  readonly label: string;
  readonly startMs?: number;
  readonly paused?: boolean;
  readonly speed?: number;
  readonly skipIdle?: boolean;
}

export const speeds = [0.5, 1, 1.5, 2, 4, 8, 16] as const;

/** Of a time without output longer than this, so much is played. */
const idleMs = 1000;
/** A seek that has not come to its screen yet is given so long before the next one ends it. */
const patienceMs = 200;

/** Runs until disposed. The box stays the caller's. Nothing that is played can reach anybody but the eye. */
export function openReplaying(box: HTMLElement, options: ReplayingOptions): Replaying {
  const listeners = new Set<() => void>();
  const { startMs = 0, paused = false, speed = 1, skipIdle = false } = options;
  const view = openTerminal(box, {
    role: { watcher: {} },
    settings: options.settings,
    scheme: options.scheme,
    label: options.label,
    perFrame: true,
  });
  let state: ReplayingState = { is: "waiting", playing: !paused, speed, skipIdle, endMs: startMs };
  let disposed = false;
  let soughtMs = performance.now();
  /** The seek that waits for the one before it. */
  let next: { readonly toMs: number; readonly timer: ReturnType<typeof setTimeout> } | undefined;

  const become = (changes: Partial<ReplayingState>) => {
    if (disposed) return;
    state = { ...state, ...changes };
    for (const listener of listeners) listener();
  };

  function show(event: ReplayEvent): Promise<void> | undefined {
    if (disposed) return;
    switch (event.kind) {
      case "started":
        become({ recording: event.recording, endMs: Math.max(state.endMs, Number(event.recording.durationMs)) });
        return;
      case "live-edge":
        become({ endMs: Math.max(state.endMs, event.atMs) });
        return;
      case "ended":
        become({ cause: event.cause, endMs: Math.max(state.endMs, event.atMs) });
        return;
      case "key-frame":
      case "resized":
        if (event.size.cols !== state.size?.cols || event.size.rows !== state.size.rows) become({ size: event.size });
        break;
      default:
    }
    if (event.atMs > state.endMs) become({ endMs: event.atMs });
    view.show(event);
    return view.ready();
  }

  const player = createPlayer({
    open: (fromMs, signal) => openReplay(options.client, { id: options.id, fromMs, signal }),
    show,
    clock: {
      nowMs: () => performance.now(),
      after(ms, call) {
        const timer = setTimeout(call, ms);
        return () => clearTimeout(timer);
      },
    },
    onState({ is, error }) {
      const arrived = state.is === "waiting" && is !== "waiting";
      become({
        is,
        ...(error === undefined ? {} : { error }),
        ...(arrived ? { seekMs: performance.now() - soughtMs } : {}),
      });
      if (is !== "waiting" && next !== undefined) queueMicrotask(seekNext);
    },
    ...{ startMs, speed, idleMs: skipIdle ? idleMs : undefined },
  });
  if (paused) player.pause();

  function seekNow(toMs: number): void {
    clearTimeout(next?.timer);
    next = undefined;
    soughtMs = performance.now();
    player.seek(toMs);
  }
  function seekNext(): void {
    if (!disposed && next !== undefined) seekNow(next.toMs);
  }
  function seek(to: number): void {
    const toMs = Math.max(0, Math.round(to));
    const leftMs = patienceMs - (performance.now() - soughtMs);
    // Each is a call of its own: a pointer that is dragged asks for more than anybody could draw.
    clearTimeout(next?.timer);
    if (state.is !== "waiting" || leftMs <= 0) seekNow(toMs);
    else next = { toMs, timer: setTimeout(seekNext, leftMs) };
  }

  return {
    get state() {
      return state;
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    atMs: () => next?.toMs ?? player.state.atMs,
    play() {
      become({ playing: true });
      player.play();
      if (state.is === "ended") seek(0);
      else if (state.is === "live-edge" || state.is === "failed") seek(player.state.atMs);
    },
    pause() {
      become({ playing: false });
      player.pause();
    },
    seek,
    setSpeed(to) {
      become({ speed: to });
      player.setSpeed(to);
    },
    setSkipIdle(skip) {
      become({ skipIdle: skip });
      player.setIdleLimit(skip ? idleMs : undefined);
    },
    change: (settings, scheme) => view.change(settings, scheme),
    [Symbol.dispose]() {
      disposed = true;
      clearTimeout(next?.timer);
      listeners.clear();
      void player.stop();
      view[Symbol.dispose]();
    },
  };
}
