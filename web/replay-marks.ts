/** What a timeline marks: the server's markers and the commands, in one order, and no more of them than it has room for. Pure. */

import { type FoundCommand, type Marker, MarkerKind } from "../proto/gen/bartizan/v1/recording_pb.ts";

export type MarkKind = "command" | "resize" | "kick" | "gap" | "watch";

export interface ReplayMark {
  readonly atMs: number;
  readonly kind: MarkKind;
  /** As untrusted as commands, names and reasons are. */
  readonly text: string;
}

const kinds: Readonly<Record<number, MarkKind>> = {
  [MarkerKind.RESIZE]: "resize",
  [MarkerKind.KICK]: "kick",
  [MarkerKind.GAP]: "gap",
  [MarkerKind.WATCH]: "watch",
};

/** In order of time. Kinds that this version does not know are left out. */
export function marksOf(markers: readonly Marker[], commands: readonly FoundCommand[]): ReplayMark[] {
  const told = markers.flatMap(({ atMs, kind, text }): ReplayMark[] => {
    const word = kinds[kind];
    return word === undefined ? [] : [{ atMs: Number(atMs), kind: word, text }];
  });
  const typed = commands.flatMap(({ command }): ReplayMark[] =>
    command === undefined ? [] : [{ atMs: Number(command.startedMs), kind: "command", text: command.text }],
  );
  return [...told, ...typed].sort((a, b) => a.atMs - b.atMs);
}

/** Of marks that fall on one place the weightiest is drawn. */
const weight: Readonly<Record<MarkKind, number>> = { kick: 4, gap: 3, command: 2, watch: 1, resize: 0 };

/** At most `places` of them, spread as they are; `totalMs` is the length of the timeline. */
export function thinned(marks: readonly ReplayMark[], totalMs: number, places = 300): ReplayMark[] {
  const kept = new Map<number, ReplayMark>();
  for (const mark of marks) {
    const place = Math.min(places - 1, Math.floor((mark.atMs / Math.max(1, totalMs)) * places));
    const there = kept.get(place);
    if (there === undefined || weight[mark.kind] > weight[there.kind]) kept.set(place, mark);
  }
  return [...kept.values()];
}

/** How far a mark counts as being where one already is. */
const besideMs = 250;

/** The mark to go to from here, on or back; undefined when there is none. */
export function neighbour(
  marks: readonly ReplayMark[],
  atMs: number,
  direction: "next" | "previous",
): ReplayMark | undefined {
  if (direction === "next") return marks.find((mark) => mark.atMs > atMs + besideMs);
  return marks.findLast((mark) => mark.atMs < atMs - besideMs);
}

/** The last command that had been entered by then: its place in the list, or -1. */
export function commandAt(commands: readonly FoundCommand[], atMs: number): number {
  return commands.findLastIndex(({ command }) => command !== undefined && Number(command.startedMs) <= atMs);
}
