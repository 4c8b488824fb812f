/** What runs inside the page under measurement: each is serialised and sent there, so none uses anything outside of itself. */

/** Notes when the list of targets is there and its search takes keys, ms since navigation; for `addInitScript`. */
export function noteInteractive(): void {
  const look = () => {
    const ready = document.querySelector('[data-testid="target"]') && document.activeElement?.matches("input");
    if (ready) (globalThis as { interactiveMs?: number }).interactiveMs ??= performance.now();
    else requestAnimationFrame(look);
  };
  look();
}

/** Notes for each key pressed how long it took until the frame with a changed terminal was on its way to the screen. */
export function watchEchoes(): void {
  const found = { pressedMs: 0, tookMs: [] as number[] };
  (globalThis as { echoes?: typeof found }).echoes = found;
  const rows = document.querySelector('[data-front="true"] .xterm-rows');
  window.addEventListener(
    "keydown",
    () => {
      found.pressedMs = performance.now();
    },
    { capture: true },
  );
  new MutationObserver(() => {
    if (found.pressedMs === 0) return;
    const pressedMs = found.pressedMs;
    found.pressedMs = 0;
    // The terminal draws in an animation frame; a message posted there is handled after the frame was painted.
    const painted = new MessageChannel();
    painted.port1.onmessage = () => {
      found.tookMs.push(performance.now() - pressedMs);
      painted.port1.close();
    };
    painted.port2.postMessage(0);
  }).observe(rows as Element, { childList: true, subtree: true, characterData: true });
}

export interface FrameTimes {
  longestMs: number;
  /** When the last key went down, by performance.now(). */
  pressedMs: number;
}

/** Measures every frame from now on; `frameTimes` can be read and set back. */
export function watchFrames(): void {
  const times: FrameTimes = { longestMs: 0, pressedMs: 0 };
  (globalThis as { frameTimes?: FrameTimes }).frameTimes = times;
  window.addEventListener("keydown", () => Object.assign(times, { pressedMs: performance.now() }), { capture: true });
  let lastMs = Number.POSITIVE_INFINITY;
  const look = (nowMs: number) => {
    times.longestMs = Math.max(times.longestMs, nowMs - lastMs);
    lastMs = nowMs;
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}

/** What `watchFrames` found since it was asked last. */
export function takeFrameTimes(): FrameTimes {
  const times = (globalThis as { frameTimes?: FrameTimes }).frameTimes ?? { longestMs: 0, pressedMs: 0 };
  const taken = { ...times };
  times.longestMs = 0;
  return taken;
}

/** Resolves with the time, by performance.now(), of the first frame in which the terminal's last rows hold the text. */
export function whenShown(text: string): Promise<number> {
  return new Promise((resolve) => {
    const look = () => {
      const rows = document.querySelector('[data-front="true"] .xterm-rows');
      if (rows?.textContent?.includes(text)) resolve(performance.now());
      else requestAnimationFrame(look);
    };
    look();
  });
}
