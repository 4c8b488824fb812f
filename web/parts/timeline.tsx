/** The line of a recording's time: where it is, what is marked, and a place to click or drag to. */

import { type PointerEvent, useMemo, useRef, useState } from "react";
import { printable } from "../../proto/client/index.ts";
import type { Messages } from "../messages/en.ts";
import { type ReplayMark, thinned } from "../replay-marks.ts";
import type { Replaying } from "../replaying.ts";
import { useWords } from "./language.tsx";
import { clockWords } from "./phrases.ts";
import { useEachPosition, usePosition } from "./use-position.ts";

export interface TimelineProps {
  readonly replaying: Replaying;
  readonly totalMs: number;
  readonly marks: readonly ReplayMark[];
}

/** A pointer this near to a mark means the mark. */
const snapPx = 5;

/** A slider for screen readers; its keys are the page's (see `useReplayKeys`). */
export function Timeline({ replaying, totalMs, marks }: TimelineProps) {
  const words = useWords();
  const line = useRef<HTMLDivElement>(null);
  const [hover, setHover] = useState<{ readonly share: number; readonly text: string }>();
  const seconds = usePosition(replaying, (atMs) => Math.floor(atMs / 1000));
  const whole = Math.max(1, totalMs);
  const drawn = useMemo(() => thinned(marks, whole), [marks, whole]);
  const place = (atMs: number) => line.current?.style.setProperty("--at", String(Math.min(1, atMs / whole)));
  useEachPosition(replaying, place);

  const under = (event: PointerEvent) => {
    const { left = 0, width = 1 } = line.current?.getBoundingClientRect() ?? {};
    const share = Math.min(1, Math.max(0, (event.clientX - left) / width));
    const atMs = share * whole;
    const near = drawn
      .filter((mark) => Math.abs(mark.atMs - atMs) * width <= snapPx * whole)
      .sort((a, b) => Math.abs(a.atMs - atMs) - Math.abs(b.atMs - atMs))[0];
    return { share, atMs: near?.atMs ?? atMs, near };
  };
  const show = (event: PointerEvent) => {
    const { share, atMs, near } = under(event);
    const time = clockWords(atMs);
    setHover({ share, text: near === undefined ? time : `${time} · ${markWords(words, near)}` });
  };
  return (
    <div
      ref={line}
      className="timeline"
      role="slider"
      tabIndex={0}
      aria-label={words.past.player.timeline}
      aria-valuemin={0}
      aria-valuemax={Math.ceil(whole / 1000)}
      aria-valuenow={seconds}
      aria-valuetext={words.past.player.position(clockWords(seconds * 1000), clockWords(whole))}
      data-testid="timeline"
      onPointerDown={(event) => {
        if (event.button !== 0) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        replaying.seek(under(event).atMs);
      }}
      onPointerMove={(event) => {
        show(event);
        if (event.currentTarget.hasPointerCapture(event.pointerId)) replaying.seek(under(event).atMs);
      }}
      onPointerLeave={() => setHover(undefined)}
    >
      <div className="timeline-rail" />
      {drawn.map((mark) => (
        <span
          key={`${mark.atMs} ${mark.kind}`}
          className="timeline-mark"
          data-kind={mark.kind}
          data-testid="mark"
          style={{ left: `${(Math.min(mark.atMs, whole) / whole) * 100}%` }}
        />
      ))}
      <div className="timeline-thumb" />
      {hover !== undefined && (
        <div
          className="timeline-hover"
          style={{ left: `${hover.share * 100}%`, transform: `translateX(${hover.share * -100}%)` }}
          aria-hidden
        >
          {hover.text}
        </div>
      )}
    </div>
  );
}

/** One line of plain text. */
export function markWords(words: Messages, { kind, text }: ReplayMark): string {
  return words.past.player.marks[kind](printable(text.replace(/\s+/g, " "), 120));
}
