/** A watcher's viewing of one session in one box: the events into a terminal, and what is worth saying about them. */

import {
  type AttachmentEvent,
  type EndCause,
  openWatch,
  printable,
  type SessionClient,
  type SessionInfo,
  type Size,
  type Stopped,
  stopped,
} from "../proto/client/index.ts";
import { pauseFor } from "../proto/client/pause.ts";
import type { TypedCommand } from "../proto/gen/bartizan/v1/command_pb.ts";
import { openTerminal, type TerminalView } from "./terminal.ts";
import type { TerminalSettings } from "./terminal-settings.ts";
import type { ColourScheme } from "./terminal-theme.ts";

export interface ViewingState {
  readonly phase: "opening" | "live" | "reconnecting" | "ended" | "failed";
  /** As it was when the viewing began. */
  readonly session?: SessionInfo;
  /** The operator's size now. */
  readonly size?: Size;
  /** Everybody else who watches, by name. */
  readonly others: readonly string[];
  readonly operatorHere: boolean;
  /** Who stopped the operator's input, and why. */
  readonly frozen?: Stopped | undefined;
  /** How long the newest output took to this page above the fastest so far, in milliseconds. */
  readonly lagMs: number;
  /** Output bytes that this viewing was not sent because it was too slow, in all. */
  readonly skippedBytes: number;
  /** The screen may differ from the operator's. */
  readonly approximate: boolean;
  /** What the operator entered last, the newest first; at most 20. */
  readonly commands: readonly TypedCommand[];
  /** Of the connection, from 1; only with "reconnecting". */
  readonly attempt?: number;
  /** How often the connection came back. */
  readonly reconnections: number;
  /** Only with "ended". */
  readonly cause?: EndCause;
  /** Only with "failed": the server refused, or stayed away too long. */
  readonly error?: unknown;
}

export interface Viewing extends Disposable {
  readonly state: ViewingState;
  subscribe(listener: () => void): () => void;
  change(settings: TerminalSettings, scheme: ColourScheme): void;
}

export interface ViewingOptions {
  readonly client: SessionClient;
  readonly sessionId: string;
  readonly settings: TerminalSettings;
  readonly scheme: ColourScheme;
  /** What a screen reader calls the terminal. */
  readonly label: string;
  readonly size?: Size;
  /** One of many: draws ten times a second at most, and reads no faster than that needs. */
  readonly tile?: boolean;
  /** The session's terminal rang; at most four times a second. */
  onBell?(): void;
}

/** Listeners are told of the numbers at most this often; of everything else at once. */
const tellMs = 250;
const tileMs = 100;
const mostCommands = 20;
/** What a tile shows in one step; the server has a key frame for who reads slower than the session writes. */
const tileBytes = 32_768; // 32 KiB

/** Runs until disposed or the session's end; the last screen then stays until disposed. The box stays the caller's. */
export function openViewing(box: HTMLElement, options: ViewingOptions): Viewing {
  const life = new AbortController();
  const listeners = new Set<() => void>();
  const watchers = new Map<string, { name: string; operator: boolean }>();
  const view = openTerminal(box, {
    role: { watcher: { onBell: () => options.onBell?.() } },
    settings: options.settings,
    scheme: options.scheme,
    label: options.label,
    perFrame: true,
    ...(options.size === undefined ? {} : { size: options.size }),
  });
  let own = "";
  let fastestMs = Number.POSITIVE_INFINITY;
  let due: ReturnType<typeof setTimeout> | undefined;
  let state: ViewingState = {
    phase: "opening",
    others: [],
    operatorHere: false,
    lagMs: 0,
    skippedBytes: 0,
    approximate: false,
    commands: [],
    reconnections: 0,
  };

  const tell = () => {
    clearTimeout(due);
    due = undefined;
    for (const listener of listeners) listener();
  };
  const become = (changes: Partial<ViewingState>, soon = false) => {
    state = { ...state, ...changes };
    if (!soon) tell();
    else due ??= setTimeout(tell, tellMs);
  };
  const people = () => {
    const others = [...watchers].filter(([id, { operator }]) => id !== own && !operator);
    return {
      others: [...new Set(others.map(([, { name }]) => name))],
      operatorHere: [...watchers.values()].some(({ operator }) => operator),
    };
  };

  function note(event: AttachmentEvent): void {
    switch (event.kind) {
      case "started":
      case "reconnected": {
        own = event.attachmentId;
        watchers.clear();
        for (const { id, principal, role } of event.session.attachments) {
          watchers.set(id, { name: printable(principal?.name ?? "?", 60), operator: role === 1 });
        }
        const { cols = 80, rows = 24 } = event.session.size ?? {};
        const reconnections = state.reconnections + (event.kind === "reconnected" ? 1 : 0);
        become({ frozen: stopped(event.session.frozen) });
        become({ phase: "live", session: event.session, size: { cols, rows }, reconnections, ...people() });
        return;
      }
      case "joined":
        watchers.set(event.attachmentId, { name: printable(event.name, 60), operator: event.role === "operator" });
        become(people());
        return;
      case "left":
        watchers.delete(event.attachmentId);
        become(people());
        return;
      case "output": {
        const tookMs = performance.now() - event.atMs;
        fastestMs = Math.min(fastestMs, tookMs);
        become({ lagMs: tookMs - fastestMs }, true);
        return;
      }
      case "key-frame":
        become({
          size: event.size,
          skippedBytes: state.skippedBytes + event.skippedBytes,
          approximate: event.approximate,
        });
        return;
      case "resized":
        become({ size: event.size });
        return;
      case "command":
        become({ commands: withCommand(state.commands, event.command) });
        return;
      case "freeze":
        become({ frozen: event.frozen });
        return;
      case "reconnecting":
        become({ phase: "reconnecting", attempt: event.attempt });
        return;
      case "ended":
        become({ phase: "ended", cause: event.cause });
        return;
      default:
        return;
    }
  }

  async function run(): Promise<void> {
    const pace = options.tile ? createPace(view, life.signal) : undefined;
    const events = openWatch(options.client, { sessionId: options.sessionId, signal: life.signal });
    for await (const event of events) {
      if (life.signal.aborted) return;
      note(event);
      if (pace === undefined) {
        view.show(event);
        await view.ready();
      } else await pace.show(event);
    }
  }

  run().catch((error) => {
    if (!life.signal.aborted) become({ phase: "failed", error });
  });

  return {
    get state() {
      return state;
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    change: (settings, scheme) => view.change(settings, scheme),
    [Symbol.dispose]() {
      life.abort();
      clearTimeout(due);
      listeners.clear();
      view[Symbol.dispose]();
    },
  };
}

/** The same number replaces what was known of it. */
function withCommand(known: readonly TypedCommand[], command: TypedCommand): readonly TypedCommand[] {
  const others = known.filter(({ number }) => number !== command.number);
  return [...others, command].sort((a, b) => b.number - a.number).slice(0, mostCommands);
}

/** Hands events on ten times a second; reading waits when a step is full, so that the server sees a slow reader. */
function createPace(view: TerminalView, signal: AbortSignal) {
  let waiting: AttachmentEvent[] = [];
  let waitingBytes = 0;
  let step: Promise<void> | undefined;

  async function run(): Promise<void> {
    await pauseFor(tileMs, signal);
    step = undefined;
    if (signal.aborted) return;
    const events = waiting;
    waiting = [];
    waitingBytes = 0;
    for (const event of events) view.show(event);
    await view.ready();
  }

  return {
    async show(event: AttachmentEvent): Promise<void> {
      waiting.push(event);
      if (event.kind === "output" || event.kind === "key-frame") waitingBytes += event.bytes.length;
      step ??= run();
      if (waitingBytes >= tileBytes) await step;
    },
  };
}
