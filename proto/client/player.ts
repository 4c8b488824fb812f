/** Keeps the time of a replay: speed, pauses, seeks, and idle times cut short. Pure: its clock and its screen are given. */

import type { ReplayEvent } from "./replay.ts";

export interface PlayerClock {
  /** Monotonic, in milliseconds. */
  nowMs(): number;
  /** Calls once after `ms`; gives back what cancels that. */
  after(ms: number, call: () => void): () => void;
}

export interface PlayerState {
  /** "waiting": for the server. "ended" and "live-edge" are where the recording stops; "failed": see `error`. */
  readonly is: "waiting" | "playing" | "paused" | "ended" | "live-edge" | "failed";
  /** Where it is, in milliseconds since the session was opened. */
  readonly atMs: number;
  readonly speed: number;
  readonly error?: unknown;
}

export interface PlayerOptions {
  /** Begins a replay at a time, as `openReplay` does; the signal ends it. */
  readonly open: (fromMs: number, signal: AbortSignal) => AsyncIterable<ReplayEvent>;
  /** Shows one event; the player goes on when it resolves, and counts that as no time. */
  readonly show: (event: ReplayEvent) => Promise<void> | undefined;
  readonly clock: PlayerClock;
  /** Called after each change but that of the time, which `state` tells when it is asked. */
  readonly onState?: (state: PlayerState) => void;
  readonly startMs?: number;
  /** 1: as it was. Default 1. */
  readonly speed?: number;
  /** Longer than this nothing happens for; of what is longer, so much is played. Default: no limit. */
  readonly idleMs?: number | undefined;
}

export interface Player {
  readonly state: PlayerState;
  play(): void;
  pause(): void;
  /** Shows the screen of this time, and goes on as it was: playing, or paused there. Before 0 is 0. */
  seek(atMs: number): void;
  /** Above 0. */
  setSpeed(speed: number): void;
  setIdleLimit(idleMs: number | undefined): void;
  /** Ends the replay; resolves when nothing is shown any more. */
  stop(): Promise<void>;
}

const slackMs = 250;

/** Begins to play at once. One replay is open at a time; a seek opens another. */
export function createPlayer({ open, show, clock, onState, ...options }: PlayerOptions): Player {
  let speed = checkedSpeed(options.speed ?? 1);
  let idleMs = options.idleMs;
  let wanted: "playing" | "paused" = "playing";
  let is: PlayerState["is"] = "waiting";
  let error: unknown;
  /** The position at `sinceMs` of the clock; it moves on from there only while `moving`. */
  let baseMs = Math.max(0, options.startMs ?? 0);
  let sinceMs = clock.nowMs();
  let moving = false;
  let limitMs = Number.POSITIVE_INFINITY;
  let run = new AbortController();
  let over: Promise<void> = Promise.resolve();
  let stopped = false;
  let wake = () => {};

  const runMs = () => (moving ? baseMs + (clock.nowMs() - sinceMs) * speed : baseMs);
  /** Never beyond what comes next: the network may be slow. */
  const atMs = () => Math.min(limitMs, runMs());
  const settle = (next = atMs()) => {
    baseMs = next;
    sinceMs = clock.nowMs();
  };
  const tell = (next: PlayerState["is"]) => {
    is = next;
    onState?.(state());
  };
  const state = (): PlayerState => ({ is, atMs: atMs(), speed, ...(error === undefined ? {} : { error }) });

  /** Resolves when it is the event's time, as the player now stands; the wait is looked at anew at each change. */
  const until = async (eventMs: number, signal: AbortSignal): Promise<void> => {
    // A short delay is caught up with, so that many of them add up to nothing; a long one was a stop.
    if (runMs() - limitMs > slackMs * speed) settle();
    limitMs = eventMs;
    while (!signal.aborted) {
      if (!moving && wanted === "playing") settle();
      moving = wanted === "playing";
      // Of what is longer than the limit the beginning is left out.
      if (moving && idleMs !== undefined && eventMs - idleMs > atMs()) settle(eventMs - idleMs);
      const leftMs = (eventMs - atMs()) / speed;
      if (moving && leftMs <= 0) return;
      const changed = Promise.withResolvers<void>();
      wake = changed.resolve;
      const cancel = moving ? clock.after(leftMs, changed.resolve) : () => {};
      await changed.promise;
      cancel();
    }
  };

  const play = async (fromMs: number, signal: AbortSignal): Promise<void> => {
    try {
      for await (const event of open(fromMs, signal)) {
        if (signal.aborted) return;
        // Before the time asked for everything is drawn at once.
        if (event.kind !== "started" && event.atMs > fromMs) {
          if (is === "waiting") tell(wanted);
          await until(event.atMs, signal);
        }
        if (signal.aborted) return;
        await show(event);
        if (signal.aborted) return;
        if (event.kind === "ended" || event.kind === "live-edge") {
          moving = false;
          settle(Math.max(fromMs, event.atMs));
          tell(event.kind);
          return;
        }
      }
    } catch (failure) {
      if (signal.aborted) return;
      error = failure;
      tell("failed");
    }
  };

  const begin = (fromMs: number) => {
    run.abort();
    wake();
    run = new AbortController();
    const { signal } = run;
    moving = false;
    error = undefined;
    limitMs = Number.POSITIVE_INFINITY;
    settle(fromMs);
    tell("waiting");
    const before = over;
    // Never two that show at once.
    over = before.then(() => (signal.aborted ? undefined : play(fromMs, signal)));
  };

  const change = (next: () => void) => {
    settle();
    next();
    if (is === "playing" || is === "paused") tell(wanted);
    else onState?.(state());
    wake();
  };

  begin(baseMs);
  return {
    get state() {
      return state();
    },
    play: () => change(() => (wanted = "playing")),
    pause: () =>
      change(() => {
        wanted = "paused";
        moving = false;
      }),
    seek(to) {
      if (!stopped) begin(Math.max(0, to));
    },
    setSpeed: (next) => change(() => (speed = checkedSpeed(next))),
    setIdleLimit: (next) => change(() => (idleMs = next)),
    async stop() {
      stopped = true;
      run.abort();
      wake();
      await over;
    },
  };
}

function checkedSpeed(speed: number): number {
  if (!(speed > 0) || !Number.isFinite(speed)) throw new RangeError("a speed is above 0");
  return speed;
}
