/** The keyboard of a replay: works wherever the focus is, but in fields and where the focused part has the key itself. */

import { useEffect, useRef } from "react";
import { neighbour, type ReplayMark } from "../replay-marks.ts";
import { type Replaying, speeds } from "../replaying.ts";

const stepMs = 5000;
const longStepMs = 30_000;

export function useReplayKeys(replaying: Replaying | undefined, totalMs: number, marks: readonly ReplayMark[]): void {
  const newest = useRef({ totalMs, marks });
  newest.current = { totalMs, marks };
  useEffect(() => {
    if (replaying === undefined) return;
    const listen = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      if (isTaken(event)) return;
      if (event.key === " ") togglePlaying(replaying);
      else if (event.key === "<" || event.key === ">") changeSpeed(replaying, event.key === ">" ? 1 : -1);
      else {
        const { totalMs: endMs, marks: all } = newest.current;
        const toMs = placeFor(event, replaying.atMs(), endMs, all);
        if (toMs === undefined) return;
        replaying.seek(Math.min(endMs, Math.max(0, toMs)));
      }
      event.preventDefault();
    };
    document.addEventListener("keydown", listen);
    return () => document.removeEventListener("keydown", listen);
  }, [replaying]);
}

export function togglePlaying(replaying: Replaying): void {
  const { playing, is } = replaying.state;
  const stands = is === "ended" || is === "live-edge" || is === "failed";
  if (playing && !stands) replaying.pause();
  else replaying.play();
}

/** Where a key leads from here; undefined for one that leads nowhere. */
function placeFor(
  { key, shiftKey }: KeyboardEvent,
  atMs: number,
  endMs: number,
  marks: readonly ReplayMark[],
): number | undefined {
  const by = shiftKey ? longStepMs : stepMs;
  switch (key) {
    case "ArrowLeft":
      return atMs - by;
    case "ArrowRight":
      return atMs + by;
    case "PageDown":
      return atMs - longStepMs;
    case "PageUp":
      return atMs + longStepMs;
    case "Home":
      return 0;
    case "End":
      return endMs;
    case "[":
      return neighbour(marks, atMs, "previous")?.atMs;
    case "]":
      return neighbour(marks, atMs, "next")?.atMs;
    default:
      return undefined;
  }
}

function changeSpeed(replaying: Replaying, by: 1 | -1): void {
  const at = speeds.findIndex((speed) => speed >= replaying.state.speed);
  replaying.setSpeed(speeds[Math.min(speeds.length - 1, Math.max(0, at + by))] ?? 1);
}

const fields = "input, textarea, select, [contenteditable], [role=menu], [role=dialog], [role=listbox]";
/** Parts that use the arrows, Home and End for themselves. */
const movers = "[role=tab], [role=radio]";
const pressed = "button, a, summary, [role=button], [role=switch], [role=menuitem]";

function isTaken({ target, key }: KeyboardEvent): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.closest(fields) !== null) return true;
  if (key === " ") return target.closest(pressed) !== null;
  return /^(Arrow|Home|End|Page)/.test(key) && target.closest(`${movers}, .scrolls`) !== null;
}
