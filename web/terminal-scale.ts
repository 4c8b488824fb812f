/** Fits a terminal of a given size into a box by its letters' size, and by a transform below the smallest letters. */

import type { Terminal } from "@xterm/xterm";

const letters = { leastPx: 6, mostPx: 28 };

/** Keeps the terminal scaled as the box or the terminal's own size change; never changes columns or rows. */
export function scaleInto(box: HTMLElement, terminal: Terminal): { rescale(): void } & Disposable {
  let asked = 0;

  function scale(): void {
    asked = 0;
    const screen = terminal.element?.querySelector<HTMLElement>(".xterm-screen");
    const { clientWidth, clientHeight } = box;
    if (terminal.element === undefined || !screen || clientWidth === 0 || clientHeight === 0) return;
    const fontPx = terminal.options.fontSize ?? 14;
    const { offsetWidth, offsetHeight } = screen;
    if (offsetWidth === 0 || offsetHeight === 0) return;
    const ratio = Math.min(clientWidth / offsetWidth, clientHeight / offsetHeight);
    const wanted = Math.floor(Math.min(letters.mostPx, Math.max(letters.leastPx, fontPx * ratio)) * 2) / 2;
    if (wanted !== fontPx) terminal.options.fontSize = wanted;
    // Cells have whole pixels, so the new size is measured, not computed.
    const shrink = Math.min(1, clientWidth / screen.offsetWidth, clientHeight / screen.offsetHeight);
    const left = Math.max(0, (clientWidth - screen.offsetWidth * shrink) / 2);
    const top = Math.max(0, (clientHeight - screen.offsetHeight * shrink) / 2);
    const { style } = terminal.element;
    style.width = `${screen.offsetWidth}px`;
    style.height = `${screen.offsetHeight}px`;
    style.transformOrigin = "0 0";
    style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px) scale(${shrink})`;
  }

  const rescale = () => {
    if (asked === 0) asked = requestAnimationFrame(scale);
  };
  const observer = new ResizeObserver(rescale);
  observer.observe(box);
  return {
    rescale,
    [Symbol.dispose]() {
      observer.disconnect();
      cancelAnimationFrame(asked);
    },
  };
}
