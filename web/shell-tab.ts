/** One shell of the page: its terminal, its connection, and its state as the page shows it. */

import type { AttachmentEvent, SessionClient, ShellOptions } from "../proto/client/index.ts";
import {
  type Beginning,
  type CallFault,
  type EndCause,
  faultOf,
  openShell,
  type Shell,
} from "../proto/client/index.ts";
import { pauseFor } from "../proto/client/pause.ts";
import type { Prompt, SessionInfo } from "../proto/gen/bartizan/v1/session_pb.ts";
import { openTerminal, type TerminalView } from "./terminal.ts";
import type { Shortcut } from "./terminal-input.ts";
import type { SettingsStore } from "./terminal-settings.ts";
import { maxPasteBytes, type Paste, plainLine } from "./terminal-text.ts";
import type { ColourScheme } from "./terminal-theme.ts";

export type TabPhase =
  /** Not asked for yet: its terminal has not been shown. */
  | { readonly kind: "waiting" }
  | { readonly kind: "connecting" }
  | { readonly kind: "open" }
  /** `retryAtMs` by performance.now(). */
  | { readonly kind: "reconnecting"; readonly attempt: number; readonly retryAtMs: number; readonly fault: CallFault }
  /** No shell could be had, or the time to come back is over. */
  | { readonly kind: "failed"; readonly fault: CallFault }
  | { readonly kind: "ended"; readonly cause: EndCause };

/** What the tab asks the person, one at a time; each takes its answer once. */
export type TabQuestion =
  | { readonly kind: "paste"; readonly paste: Paste; readonly runsAtOnce: boolean; answer(yes: boolean): void }
  | { readonly kind: "link"; readonly url: string; answer(): void }
  | { readonly kind: "clipboard"; readonly text: string; answer(allow: boolean): void };

export interface TabState {
  readonly phase: TabPhase;
  readonly target: string;
  /** What the terminal calls itself: the target's own words, one plain line. */
  readonly title: string;
  readonly session: SessionInfo | undefined;
  /** How long the shell outlives a closed tab. */
  readonly graceMs: number;
  /** Others who see this shell now. */
  readonly others: readonly { readonly id: string; readonly name: string }[];
  readonly prompt: { readonly prompt: Prompt; readonly untilMs: number } | undefined;
  readonly question: TabQuestion | undefined;
  /** Words of the target or the server to read, oldest first; at most 5. */
  readonly notices: readonly {
    readonly id: number;
    readonly about: "banner" | "draining" | "info";
    readonly text: string;
  }[];
  readonly latency: { readonly bastionMs: number; readonly targetMs: number | undefined } | undefined;
  /** Typed bytes that the last loss of connection threw away. */
  readonly discardedBytes: number;
  /** Something happened while another tab was in front. */
  readonly unseen: "nothing" | "output" | "bell";
  readonly search: { readonly at: number; readonly count: number };
}

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
  /** A shell runs, or is being opened: closing the page would leave it. */
  readonly running: boolean;
}

export interface ShellTabNeeds {
  readonly key: string;
  readonly client: SessionClient;
  readonly open: { readonly target: string } | { readonly sessionId: string; readonly target: string };
  readonly settings: SettingsStore;
  readonly scheme: ColourScheme;
  readonly label: string;
  /** The session has its id. */
  onStarted(): void;
  onShortcut(shortcut: Shortcut): void;
  onModifiersUsed(): void;
  onBell(): void;
}

const latencyEveryMs = 5000;
const mostNotices = 5;

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
  let at: Beginning["position"] | undefined;
  let ownAttachment = "";
  let noticeId = 0;
  let state: TabState = {
    ...{ phase: { kind: "waiting" }, target: needs.open.target, title: "", session: undefined, graceMs: 0, others: [] },
    ...{ prompt: undefined, question: undefined, notices: [], latency: undefined, discardedBytes: 0 },
    ...{ unseen: "nothing", search: { at: 0, count: 0 } },
  };

  function update(change: Partial<TabState>): void {
    state = { ...state, ...change };
    for (const listener of [...listeners]) listener();
  }

  function ask(question: TabQuestion): void {
    // A newer question takes the place of one that nobody answered; that one is then a "no".
    const old = state.question;
    update({ question });
    if (old?.kind === "paste" || old?.kind === "clipboard") old.answer(false);
  }
  const answered = (question: TabQuestion) => {
    if (state.question === question) update({ question: undefined });
  };

  function create(): TerminalView {
    return openTerminal(box, {
      settings: needs.settings.get(),
      scheme,
      label: needs.label,
      role: {
        operator: {
          onInput: (bytes) => {
            shell?.write(bytes).catch(() => {});
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
    const question: TabQuestion = {
      ...{ kind: "clipboard", text },
      answer(allow) {
        answered(question);
        clipboard = allow ? "allowed" : "refused";
        if (allow) navigator.clipboard.writeText(text).catch(() => {});
      },
    };
    ask(question);
  }

  function handle(event: AttachmentEvent) {
    view?.show(event);
    switch (event.kind) {
      case "output":
        at = at && { ...at, offset: event.offset + event.bytes.length };
        if (!inFront && state.unseen === "nothing") update({ unseen: "output" });
        return;
      case "key-frame":
        at = at && { ...at, offset: event.offset };
        return;
      case "started":
      case "reconnected": {
        ownAttachment = event.attachmentId;
        at = event.position;
        const others = event.session.attachments
          .filter(({ id }) => id !== ownAttachment)
          .map(({ id, principal }) => ({ id, name: plainLine(principal?.name ?? "", 40) }));
        const discardedBytes = event.kind === "reconnected" ? event.discardedBytes : 0;
        const { session, graceMs } = event;
        update({ phase: { kind: "open" }, session, graceMs, others, prompt: undefined, discardedBytes });
        // The window may have changed while nobody heard of it.
        if (view !== undefined) shell?.resize(view.size);
        return needs.onStarted();
      }
      case "reconnecting": {
        const retryAtMs = performance.now() + event.waitMs;
        const phase = { kind: "reconnecting", attempt: event.attempt, retryAtMs, fault: event.fault } as const;
        return update({ phase, latency: undefined, prompt: undefined });
      }
      case "joined":
        if (event.attachmentId === ownAttachment) return;
        return update({
          others: [...without(event.attachmentId), { id: event.attachmentId, name: plainLine(event.name, 40) }],
        });
      case "left":
        return update({ others: without(event.attachmentId) });
      case "prompt":
        return update({ prompt: { prompt: event.prompt, untilMs: performance.now() + event.prompt.timeoutMs } });
      case "notice": {
        const { about, text } = event;
        if (about === "connecting" || text.trim() === "") return;
        noticeId += 1;
        return update({ notices: [...state.notices, { id: noticeId, about, text }].slice(-mostNotices) });
      }
      case "latency":
        return update({ latency: { bastionMs: event.bastionMs, targetMs: event.targetMs } });
      case "ended":
        return update({
          phase: { kind: "ended", cause: event.cause },
          prompt: undefined,
          others: [],
          latency: undefined,
        });
      default:
        return;
    }
  }

  const without = (id: string) => state.others.filter((each) => each.id !== id);

  /** Runs until the shell ended, failed or was left; never rejects. */
  async function run(open: ShellOptions["open"], terminal: TerminalView): Promise<void> {
    life = new AbortController();
    const { signal } = life;
    update({ phase: { kind: "connecting" }, notices: [], prompt: undefined });
    const opened = openShell(needs.client, {
      ...{ open, size: terminal.fit() ?? terminal.size, acks: true, signal },
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
      if (!signal.aborted)
        update({ phase: { kind: "failed", fault: faultOf(error) }, prompt: undefined, latency: undefined });
    } finally {
      if (shell === opened) shell = undefined;
    }
  }

  function begin(): void {
    if (view === undefined) return;
    const { open } = needs;
    const id = state.session?.id ?? ("sessionId" in open ? open.sessionId : undefined);
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
    get running() {
      const { kind } = state.phase;
      return kind === "connecting" || kind === "open" || kind === "reconnecting";
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
