/** Shows a view in an xterm.js terminal: an operator's, that types and resizes, or a watcher's, that can do neither. */

import { FitAddon } from "@xterm/addon-fit";
import { SearchAddon } from "@xterm/addon-search";
import { Unicode11Addon } from "@xterm/addon-unicode11";
import { WebLinksAddon } from "@xterm/addon-web-links";
import { Terminal } from "@xterm/xterm";
import "@xterm/xterm/css/xterm.css";
import { clampCsiCounts } from "../proto/client/csi-clamps.ts";
import type { AttachmentEvent, Size } from "../proto/client/events.ts";
import { createFeed } from "./terminal-feed.ts";
import { copySelection, type InputListeners, listenToOperator, type OperatorInput } from "./terminal-input.ts";
import { scaleInto } from "./terminal-scale.ts";
import type { TerminalSettings } from "./terminal-settings.ts";
import { openableLink, plainLine } from "./terminal-text.ts";
import { type ColourScheme, terminalFont, terminalTheme } from "./terminal-theme.ts";
import { touchScroll } from "./terminal-touch.ts";
import { createPainter } from "./terminal-webgl.ts";

export interface TerminalListeners {
  /** The terminal has parsed all output before `offset`; in order. What an operator's shell is to acknowledge. */
  onParsed?(offset: number): void;
  /** The whole screen was replaced. */
  onFrame?(): void;
  /** As one plain line of at most 80 characters. */
  onTitle?(title: string): void;
  onBell?(): void;
  /** Somebody clicked this http or https address: ask before opening it. Without it, links are not offered. */
  onLink?(url: string): void;
  onSearchResult?(at: number, count: number): void;
}

export interface OperatorListeners extends TerminalListeners, InputListeners {
  /** The window gives the terminal this size; sent when it is not changing any more, at most every 100 ms. */
  onResize(size: Size): void;
}

export interface TerminalOptions {
  /** An operator's terminal fills its box. A watcher's has the session's size and is scaled into the box. */
  readonly role: { readonly operator: OperatorListeners } | { readonly watcher: TerminalListeners };
  readonly settings: TerminalSettings;
  readonly scheme: ColourScheme;
  /** What a screen reader calls it. */
  readonly label: string;
  /** A watcher's size before its first key frame. Default 80x24. */
  readonly size?: Size;
  /** Many small terminals: gather output to one write for each picture of the display. */
  readonly perFrame?: boolean;
}

export interface TerminalView extends Disposable {
  /** Output, key frames and resizes, in the order of the session; other events are ignored. */
  show(event: AttachmentEvent): void;
  /** Await it before reading the next event: it holds a reader back that is faster than the terminal. */
  ready(): Promise<void>;
  readonly size: Size;
  /** Gives an operator's terminal the size of its box now, and says what it is; undefined while it is not visible. */
  fit(): Size | undefined;
  focus(): void;
  /** Draw by WebGL if that is fast here: for the one terminal in front. */
  paintFast(on: boolean): void;
  change(settings: TerminalSettings, scheme: ColourScheme): void;
  find(text: string, direction: "next" | "previous", typing?: boolean): void;
  endSearch(): void;
  /** False when nothing is selected. */
  copy(): Promise<boolean>;
  /** Keys of an on-screen bar and pastes; undefined for a watcher. */
  readonly input: OperatorInput | undefined;
}

/** WCAG AA for text. A colour that reads well as text may carry a program's own text badly as its ground. */
const leastContrast = 4.5;
const fitDelayMs = 100;
const bellPauseMs = 250;
const searchMarks = {
  matchBackground: "#6b5a1e",
  matchOverviewRuler: "#e6c07b",
  activeMatchBackground: "#b3541e",
  activeMatchColorOverviewRuler: "#f2777a",
};

/** The box stays the caller's; disposing empties it. The caller brings the events and takes what is typed. */
export function openTerminal(box: HTMLElement, options: TerminalOptions): TerminalView {
  const operator = "operator" in options.role ? options.role.operator : undefined;
  const on: TerminalListeners = "operator" in options.role ? options.role.operator : options.role.watcher;
  let settings = options.settings;

  const terminal = new Terminal({
    cols: options.size?.cols ?? 80,
    rows: options.size?.rows ?? 24,
    allowProposedApi: true,
    disableStdin: operator === undefined,
    fontFamily: terminalFont,
    fontSize: settings.fontSizePx,
    lineHeight: 1.1, // at 1 some fonts lose the underscore below the line
    cursorBlink: operator !== undefined && settings.blinkingCursor,
    cursorInactiveStyle: "outline",
    scrollback: operator === undefined ? 0 : settings.scrollbackLines,
    screenReaderMode: settings.screenReader,
    theme: terminalTheme(options.scheme),
    minimumContrastRatio: leastContrast,
    rightClickSelectsWord: false,
    macOptionClickForcesSelection: true,
    logLevel: "off",
    linkHandler: {
      activate: (_event, text) => followLink(text),
      allowNonHttpProtocols: false,
    },
  });
  const search = new SearchAddon({ highlightLimit: 500 });
  const fitter = new FitAddon();
  terminal.loadAddon(new Unicode11Addon());
  terminal.unicode.activeVersion = "11"; // as the server's screens have it
  terminal.loadAddon(search);
  terminal.loadAddon(fitter);
  if (on.onLink !== undefined) terminal.loadAddon(new WebLinksAddon((_event, text) => followLink(text)));
  terminal.open(box);
  // A terminal that never had the focus draws no cursor, unless it has been to the other screen once.
  if (operator === undefined) terminal.write("\x1b[?1049h\x1b[?1049l");

  using opening = new DisposableStack();
  opening.adopt(terminal, (each) => each.dispose());
  opening.use(clampCsiCounts(terminal));
  const painter = opening.use(createPainter(terminal, (renderer) => (box.dataset.renderer = renderer)));
  const scaler = operator === undefined ? opening.use(scaleInto(box, terminal)) : undefined;
  const feed = opening.use(
    createFeed(terminal, {
      perFrame: options.perFrame ?? false,
      inBackground: () => document.hidden,
      onParsed: (offset) => on.onParsed?.(offset),
      onSize(size, withFrame) {
        // An operator's terminal already has the size he asked for; a frame is drawn in its own and then fitted.
        if (operator === undefined || withFrame) terminal.resize(size.cols, size.rows);
        scaler?.rescale();
      },
      onFrame() {
        fitToBox();
        on.onFrame?.();
      },
    }),
  );
  const input =
    operator === undefined ? undefined : opening.use(listenToOperator(terminal, box, feed.drawing, operator));
  opening.use(touchScroll(box, terminal, (key) => input?.press(key)));
  box.dataset.renderer = "dom";
  terminal.textarea?.setAttribute("aria-label", options.label);
  // A watcher's terminal takes no keys, so the keyboard does not stop at it.
  if (operator === undefined && terminal.textarea) {
    terminal.textarea.disabled = true;
    terminal.textarea.tabIndex = -1;
  }

  let lastBellMs = Number.NEGATIVE_INFINITY;
  terminal.onTitleChange((title) => on.onTitle?.(plainLine(title)));
  terminal.onBell(() => {
    if (feed.drawing() || performance.now() - lastBellMs < bellPauseMs) return;
    lastBellMs = performance.now();
    on.onBell?.();
  });
  search.onDidChangeResults(({ resultIndex, resultCount }) => on.onSearchResult?.(resultIndex + 1, resultCount));

  function followLink(text: string): void {
    const url = openableLink(text);
    if (url !== undefined) on.onLink?.(url);
  }

  let told: Size | undefined;
  function fitToBox(): Size | undefined {
    // Hidden boxes have no size, and what the addon reads of them then is not one.
    if (operator === undefined || box.clientWidth === 0 || box.clientHeight === 0) return undefined;
    const room = fitter.proposeDimensions();
    if (room === undefined || !Number.isFinite(room.cols) || !Number.isFinite(room.rows)) return undefined;
    const size = { cols: Math.min(1000, room.cols), rows: Math.min(1000, room.rows) };
    if (size.cols !== terminal.cols || size.rows !== terminal.rows) terminal.resize(size.cols, size.rows);
    if (size.cols !== told?.cols || size.rows !== told.rows) {
      told = size;
      operator.onResize(size);
    }
    return size;
  }

  if (operator !== undefined) {
    let later: ReturnType<typeof setTimeout> | undefined;
    const observer = new ResizeObserver(() => {
      clearTimeout(later);
      later = setTimeout(fitToBox, fitDelayMs);
    });
    observer.observe(box);
    opening.defer(() => {
      clearTimeout(later);
      observer.disconnect();
    });
    const copyOnRelease = () => {
      if (settings.selectToCopy) copySelection(terminal).catch(() => {});
    };
    box.addEventListener("mouseup", copyOnRelease);
    opening.defer(() => box.removeEventListener("mouseup", copyOnRelease));
  }

  const open = opening.move();
  return {
    show: (event) => feed.show(event),
    ready: () => feed.ready(),
    get size() {
      return { cols: terminal.cols, rows: terminal.rows };
    },
    fit: fitToBox,
    focus: () => terminal.focus(),
    paintFast: (wanted) => painter.paintFast(wanted),
    change(to, scheme) {
      settings = to;
      const { options: live } = terminal;
      live.theme = terminalTheme(scheme);
      live.screenReaderMode = to.screenReader;
      if (operator === undefined) return;
      live.cursorBlink = to.blinkingCursor;
      live.scrollback = to.scrollbackLines;
      if (live.fontSize === to.fontSizePx) return;
      live.fontSize = to.fontSizePx;
      fitToBox();
    },
    find(text, direction, typing = false) {
      const how = { incremental: typing && direction === "next", decorations: searchMarks };
      if (text === "") search.clearDecorations();
      else if (direction === "next") search.findNext(text, how);
      else search.findPrevious(text, how);
    },
    endSearch() {
      search.clearDecorations();
      terminal.clearSelection();
    },
    copy: () => copySelection(terminal),
    input,
    [Symbol.dispose]() {
      open.dispose();
      box.replaceChildren();
    },
  };
}
