/** The operator's side of a terminal: keys, pastes, copies and shortcuts. A watcher's terminal has none of it. */

import type { Terminal } from "@xterm/xterm";
import { type BarKey, keySequence, type Modifiers, noModifiers, withModifiers } from "./terminal-keys.ts";
import { clipboardWrite, type Paste, preparePaste } from "./terminal-text.ts";

/** What a key combination asks of the page around the terminal. */
export type Shortcut = "search" | "bigger" | "smaller" | "normal-size" | "leave" | "next-tab" | "previous-tab";

export interface InputListeners {
  /** Bytes to send, in order. */
  onInput(bytes: Uint8Array): void;
  onShortcut(shortcut: Shortcut): void;
  /** Text that is about to be typed at once; true types it. */
  onPaste(paste: Paste, runsAtOnce: boolean): Promise<boolean>;
  /** The target wants this text on the clipboard. Nothing was written yet, and nothing is ever read. */
  onClipboard(text: string): void;
  /** The sticking modifiers were used up. */
  onModifiersUsed(): void;
}

export interface OperatorInput extends Disposable {
  press(key: BarKey): void;
  /** Hold for the next key, typed or pressed. */
  hold(modifiers: Modifiers): void;
  paste(text: string): Promise<void>;
}

/**
 * `deaf`: a key frame is being drawn; what the terminal answers of itself then is an echo of it and must not reach the
 * shell. What a person types, presses, pastes or does with the mouse always does, in order.
 */
export function listenToOperator(
  terminal: Terminal,
  container: HTMLElement,
  deaf: () => boolean,
  on: InputListeners,
): OperatorInput {
  const encoder = new TextEncoder();
  const stop = new AbortController();
  const { signal } = stop;
  let held = noModifiers;

  function release(): void {
    if (held === noModifiers) return;
    held = noModifiers;
    on.onModifiersUsed();
  }

  function send(text: string): void {
    if (text !== "") on.onInput(encoder.encode(text));
  }

  async function paste(clipboard: string): Promise<void> {
    const ready = preparePaste(clipboard);
    if (ready.text === "") return;
    if (await on.onPaste(ready, ready.lines > 1 && !terminal.modes.bracketedPasteMode)) terminal.paste(ready.text);
    terminal.focus();
  }

  terminal.attachCustomKeyEventHandler((event) => {
    const shortcut = shortcutOf(event);
    if (shortcut === undefined) return true;
    // The browser's own paste works everywhere and asks for no permission: it only must not be typed as a key.
    if (shortcut === "paste") return false;
    event.preventDefault();
    if (event.type !== "keydown") return false;
    if (shortcut === "copy") copySelection(terminal).catch(() => {});
    else on.onShortcut(shortcut);
    return false;
  });

  const typing = typedMark(terminal);
  const registered = [
    typing,
    terminal.onData((data) => {
      if (!typing.taken() && deaf()) return;
      // Replies of the terminal begin with an escape and are nobody's typing.
      if (held === noModifiers || data.startsWith("\x1b")) return send(data);
      const typed = withModifiers(data, held);
      release();
      send(typed);
    }),
    // Only the mouse speaks this way.
    terminal.onBinary((data) => on.onInput(Uint8Array.from(data, (char) => char.charCodeAt(0)))),
    terminal.parser.registerOscHandler(52, (payload) => {
      const text = deaf() ? undefined : clipboardWrite(payload);
      if (text !== undefined) on.onClipboard(text);
      return true;
    }),
  ];

  container.addEventListener(
    "paste",
    (event) => {
      event.preventDefault();
      event.stopPropagation();
      paste(event.clipboardData?.getData("text/plain") ?? "").catch(() => {});
    },
    { capture: true, signal },
  );

  return {
    press(key) {
      const sequence = keySequence(key, held, terminal.modes.applicationCursorKeysMode);
      release();
      send(sequence);
    },
    hold(modifiers) {
      held = modifiers.ctrl || modifiers.alt ? modifiers : noModifiers;
    },
    paste,
    [Symbol.dispose]() {
      stop.abort();
      for (const each of registered) each.dispose();
    },
  };
}

/**
 * Tells what a person typed from what the terminal answers of itself: xterm.js says so right before its data event, but
 * only inside. Without that, all counts as an answer: keys are lost while a frame is drawn, and no shell gets an echo.
 */
function typedMark(terminal: Terminal): { taken(): boolean; dispose(): void } {
  const { _core: core } = terminal as {
    _core?: { coreService?: { onUserInput?(mark: () => void): { dispose(): void } } };
  };
  let typed = false;
  const registered = core?.coreService?.onUserInput?.(() => {
    typed = true;
  });
  return {
    taken() {
      const was = typed;
      typed = false;
      return was;
    },
    dispose: () => registered?.dispose(),
  };
}

/** Puts the selection on the clipboard; false when there is none. */
export async function copySelection(terminal: Terminal): Promise<boolean> {
  const text = terminal.getSelection();
  if (text === "") return false;
  await navigator.clipboard.writeText(text);
  return true;
}

function shortcutOf(event: KeyboardEvent): Shortcut | "copy" | "paste" | undefined {
  const command = event.ctrlKey || event.metaKey;
  const { key, shiftKey } = event;
  if (event.ctrlKey && event.altKey) {
    if (key === "PageDown") return "next-tab";
    return key === "PageUp" ? "previous-tab" : undefined;
  }
  if (!command || event.altKey) return undefined;
  if (shiftKey) {
    switch (key.toLowerCase()) {
      case "c":
        return "copy";
      case "v":
        return "paste";
      case "f":
        return "search";
      case "escape":
        return "leave";
      case "+":
        return "bigger";
      default:
        return undefined;
    }
  }
  switch (key) {
    case "F6":
      return "leave";
    case "+":
    case "=":
      return "bigger";
    case "-":
      return "smaller";
    case "0":
      return "normal-size";
    default:
      return undefined;
  }
}
