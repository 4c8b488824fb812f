/** Scrolls a terminal by finger: xterm.js 6 knows only the wheel. */

import type { Terminal } from "@xterm/xterm";

/** In a program that has the whole screen, a finger presses the arrow keys, as the wheel does there. */
export function touchScroll(box: HTMLElement, terminal: Terminal, press: (key: "up" | "down") => void): Disposable {
  const stop = new AbortController();
  const options = { passive: false, capture: true, signal: stop.signal };
  let lastY: number | undefined;
  let restPx = 0;

  box.addEventListener(
    "touchstart",
    (event) => {
      lastY = event.touches.length === 1 ? event.touches[0]?.clientY : undefined;
      restPx = 0;
    },
    { ...options, passive: true },
  );
  box.addEventListener(
    "touchmove",
    (event) => {
      const y = event.touches[0]?.clientY;
      if (lastY === undefined || y === undefined || event.touches.length !== 1) return;
      event.preventDefault();
      const screen = terminal.element?.querySelector<HTMLElement>(".xterm-screen");
      const linePx = Math.max(4, (screen?.offsetHeight ?? 0) / terminal.rows);
      restPx += lastY - y;
      lastY = y;
      const lines = Math.trunc(restPx / linePx);
      if (lines === 0) return;
      restPx -= lines * linePx;
      if (terminal.buffer.active.type === "normal") terminal.scrollLines(lines);
      else for (let at = 0; at < Math.min(Math.abs(lines), terminal.rows); at += 1) press(lines > 0 ? "down" : "up");
    },
    options,
  );
  return { [Symbol.dispose]: () => stop.abort() };
}
