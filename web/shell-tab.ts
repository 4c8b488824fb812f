/** One shell of the page: its terminal, its connection, and its state as the page shows it. */

import {
  type AttachmentEvent,
  type CallFault,
  endCause,
  faultOf,
  openShell,
  type SessionClient,
  type Shell,
  type ShellOptions,
  type ViewPosition,
} from "../proto/client/index.ts";
import { pauseFor } from "../proto/client/pause.ts";
import { afterEvent, firstState, type TabQuestion, type TabState } from "./shell-state.ts";
import { openTerminal, type TerminalView } from "./terminal.ts";
import type { Shortcut } from "./terminal-input.ts";
import type { SettingsStore } from "./terminal-settings.ts";
import { maxPasteBytes, type Paste } from "./terminal-text.ts";
import type { ColourScheme } from "./terminal-theme.ts";

export interface ShellTab extends Disposable {
  readonly key: string;
  readonly state: TabState;
  subscribe(listener: () => void): () => void;
  /** The terminal once it was shown. */
  readonly view: TerminalView | undefined;
  /** Puts the terminal into the box. The first time this also opens the shell. Gives back what takes it out again. */
  show(box: HTMLElement): () => void;
  /** In front or not. */
  front(is: boolean): void;
  colour(scheme: ColourScheme): void;
  /** Answers the open prompt; `undefined` gives the login up. */
  answer(answers: readonly string[] | undefined): void;
  dismiss(noticeId: number): void;
  /** Tries to come back now: during a wait, after giving up, or after another window took the shell over. */
  retry(): void;
  /** Ends the shell on the target; the phase becomes "ended". Disposing without it leaves it running for its grace time. */
  hangUp(): void;
  /** Of the session as soon as it is known; one that is taken up again has it from the beginning. */
  readonly sessionId: string | undefined;
  /** A shell runs, or is being or about to be opened: closing the page would leave it. */
  readonly running: boolean;
}

export interface ShellTabNeeds {
  readonly key: string;
  readonly client: SessionClient;
  readonly open: { readonly target: string } | { readonly sessionId: string; readonly target: string };
  readonly settings: SettingsStore;
  readonly scheme: ColourScheme;
  readonly label: string;
  /** The session has its id, has ended, or cannot be had. */
  onLife(): void;
  onShortcut(shortcut: Shortcut): void;
  onModifiersUsed(): void;
  onBell(): void;
}

const latencyEveryMs = 5000;
const listTimeoutMs = 10_000;

/** Opens nothing before it is shown. Disposing detaches and frees the terminal. */
export function createShellTab(needs: ShellTabNeeds): ShellTab {
  const listeners = new Set<() => void>();
  const box = document.createElement("div");
  box.className = "shell-terminal";
  let scheme = needs.scheme;
  let view: TerminalView | undefined;
  let shell: Shell | undefined;
  let life = new AbortController();
  let hurry = () => {};
  let inFront = false;
  let clipboard: "ask" | "allowed" | "refused" = "ask";
  let clipboardWishes = 0;
  let at: ViewPosition | undefined;
  let state = firstState(needs.open.target);

  function update(change: Partial<TabState>): void {
    state = { ...state, ...change };
    for (const listener of [...listeners]) listener();
  }

  const ask = (question: TabQuestion) => update({ questions: [...state.questions, question] });
  const answered = (question: TabQuestion) =>
    update({ questions: state.questions.filter((each) => each !== question) });

  function create(): TerminalView {
    return openTerminal(box, {
      settings: needs.settings.get(),
      scheme,
      label: needs.label,
      role: {
        operator: {
          onInput(bytes) {
            // Keys meant for a prompt that is just coming or going must never reach the shell. What is typed while the
            // connection is away is counted and thrown away further down.
            if (state.phase.kind === "open" || state.phase.kind === "reconnecting") shell?.write(bytes).catch(() => {});
          },
          onResize: (size) => shell?.resize(size),
          onParsed: (offset) => shell?.ack(offset),
          onTitle: (title) => update({ title }),
          onBell() {
            if (!inFront) update({ unseen: "bell" });
            needs.onBell();
          },
          onShortcut: needs.onShortcut,
          onModifiersUsed: needs.onModifiersUsed,
          onSearchResult: (result, count) => update({ search: { at: result, count } }),
          onLink(url) {
            const question: TabQuestion = { kind: "link", url, answer: () => answered(question) };
            ask(question);
          },
          onPaste: (paste, runsAtOnce) => askPaste(paste, runsAtOnce),
          onClipboard: (text) => takeClipboard(text),
        },
      },
    });
  }

  function askPaste(paste: Paste, runsAtOnce: boolean): Promise<boolean> {
    const tooLong = paste.bytes > maxPasteBytes;
    if (!tooLong && !(runsAtOnce && needs.settings.get().askBeforePaste)) return Promise.resolve(true);
    return new Promise((resolve) => {
      const question: TabQuestion = {
        ...{ kind: "paste", paste, runsAtOnce },
        answer(yes) {
          answered(question);
          resolve(yes);
        },
      };
      ask(question);
    });
  }

  function takeClipboard(text: string): void {
    if (clipboard === "refused" || !inFront) return;
    if (clipboard === "allowed") return void navigator.clipboard.writeText(text).catch(() => {});
    clipboardWishes += 1;
    // A newer text takes the place of the one that nobody answered, and has to be read anew.
    const wish = {
      ...{ id: clipboardWishes, text },
      answer(allow: boolean) {
        if (state.clipboard !== wish) return;
        update({ clipboard: undefined });
        clipboard = allow ? "allowed" : "refused";
        if (allow) navigator.clipboard.writeText(text).catch(() => {});
      },
    };
    update({ clipboard: wish });
  }

  function handle(event: AttachmentEvent): void {
    view?.show(event);
    if (event.kind === "output") at = at && { ...at, offset: event.offset + event.bytes.length };
    else if (event.kind === "key-frame") at = at && { ...at, offset: event.offset };
    const next = afterEvent(state, event, performance.now());
    if (next !== state) update(next);
    if (event.kind === "output" && !inFront && state.unseen === "nothing") update({ unseen: "output" });
    if (event.kind === "ended") needs.onLife();
    if (event.kind !== "started" && event.kind !== "reconnected") return;
    at = event.position;
    // The window may have changed while nobody heard of it.
    if (view !== undefined) shell?.resize(view.size);
    needs.onLife();
  }

  /** Runs until the shell ended, failed or was left; never rejects. */
  async function run(open: ShellOptions["open"], terminal: TerminalView): Promise<void> {
    life = new AbortController();
    const { signal } = life;
    update({ phase: { kind: "connecting" }, notices: [], prompt: undefined });
    const opened = openShell(needs.client, {
      ...{ open, size: terminal.fit() ?? terminal.size, acks: true, signal },
      // Behind a balancer each call may land on another node than the one that holds the shell: the next one soon after
      // may not, and until one does the shell is there to be sought.
      ...{ knocks: 2, keepKnocking: "sessionId" in open },
      ...{ latencyEveryMs, measureWhile: () => document.visibilityState === "visible" && inFront },
      async pause(waitMs, lifeSignal) {
        const early = new AbortController();
        hurry = () => early.abort();
        await pauseFor(waitMs, AbortSignal.any([lifeSignal, early.signal]));
        hurry = () => {};
      },
    });
    shell = opened;
    try {
      for await (const event of opened.events) {
        handle(event);
        await terminal.ready();
      }
    } catch (error) {
      const fault = faultOf(error);
      const end = signal.aborted ? undefined : await endMeanwhile(fault, signal);
      if (signal.aborted) return;
      if (end !== undefined) handle(end);
      else {
        update({ phase: { kind: "failed", fault }, prompt: undefined, latency: undefined });
        needs.onLife();
      }
    } finally {
      if (shell === opened) shell = undefined;
    }
  }

  /** A session that ended while nobody was connected is no longer found; the list knows how it ended. Never rejects. */
  async function endMeanwhile(fault: CallFault, signal: AbortSignal): Promise<AttachmentEvent | undefined> {
    const id = sessionId();
    if (fault.word !== "not-found" || id === undefined) return undefined;
    const options = { signal, timeoutMs: listTimeoutMs };
    const listed = await needs.client.listSessions({ includeEnded: true }, options).catch(() => undefined);
    const ended = listed?.sessions.find((each) => each.id === id)?.ended;
    if (ended === undefined) return undefined;
    return { kind: "ended", offset: Number(ended.offset), atMs: Number(ended.atMs), cause: endCause(ended) };
  }

  const sessionId = () => state.session?.id ?? ("sessionId" in needs.open ? needs.open.sessionId : undefined);

  function begin(): void {
    if (view === undefined) return;
    const { open } = needs;
    const id = sessionId();
    if (id === undefined) void run({ target: open.target }, view);
    else void run({ sessionId: id, ...(at === undefined ? {} : { from: at }) }, view);
  }

  const online = () => hurry();
  window.addEventListener("online", online);
  const unsubscribe = needs.settings.subscribe(() => view?.change(needs.settings.get(), scheme));

  return {
    key: needs.key,
    get state() {
      return state;
    },
    get view() {
      return view;
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    show(host) {
      host.append(box);
      view ??= create();
      view.paintFast(inFront);
      if (state.phase.kind === "waiting") begin();
      else view.fit();
      return () => box.remove();
    },
    front(is) {
      inFront = is;
      view?.paintFast(is);
      if (is && state.unseen !== "nothing") update({ unseen: "nothing" });
    },
    colour(to) {
      scheme = to;
      view?.change(needs.settings.get(), scheme);
    },
    answer(answers) {
      const open = state.prompt;
      if (open === undefined) return;
      update({ prompt: undefined });
      shell?.answer({ promptId: open.prompt.id, accepted: answers !== undefined, answers: [...(answers ?? [])] });
    },
    dismiss: (id) =>
      update({
        notices: state.notices.filter((each) => each.id !== id),
        discardedBytes: id === 0 ? 0 : state.discardedBytes,
      }),
    retry() {
      const { phase } = state;
      const takenOver = phase.kind === "ended" && phase.cause.kind === "closed" && phase.cause.why === "taken-over";
      if (phase.kind === "reconnecting") hurry();
      else if (phase.kind === "failed" || takenOver) begin();
    },
    hangUp: () => shell?.hangUp(),
    get sessionId() {
      return sessionId();
    },
    get running() {
      const { kind } = state.phase;
      return kind !== "failed" && kind !== "ended";
    },
    [Symbol.dispose]() {
      window.removeEventListener("online", online);
      unsubscribe();
      life.abort(new DOMException("The tab was closed.", "AbortError"));
      view?.[Symbol.dispose]();
      box.remove();
      listeners.clear();
    },
  };
}
