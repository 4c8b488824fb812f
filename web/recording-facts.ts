/** What a recording's message says, as the page's parts need it. Pure. */

import { timestampMs } from "@bufbuild/protobuf/wkt";
import { type Recording, RecordingState } from "../proto/gen/bartizan/v1/recording_pb.ts";

export type RecordingStateWord = "live" | "sealed" | "incomplete" | "damaged" | "missing";

const stateWords: Readonly<Record<number, RecordingStateWord>> = {
  [RecordingState.LIVE]: "live",
  [RecordingState.SEALED]: "sealed",
  [RecordingState.INCOMPLETE]: "incomplete",
  [RecordingState.DAMAGED]: "damaged",
  [RecordingState.MISSING]: "missing",
};

/** A state that this version does not know reads as damaged: nothing better can be promised. */
export function stateWordOf({ state }: Pick<Recording, "state">): RecordingStateWord {
  return stateWords[state] ?? "damaged";
}

/** In milliseconds since 1970. */
export function startedAtMs({ startedAt }: Pick<Recording, "startedAt">): number {
  return startedAt === undefined ? 0 : timestampMs(startedAt);
}

/** A file's name without anything that a file system or a shell takes for more than a name; without its ending. */
export function fileNameOf(recording: Pick<Recording, "operator" | "target" | "startedAt" | "id">): string {
  const plain = (text: string) => text.replace(/[^\p{L}\p{N}@_-]+/gu, "-").slice(0, 60);
  const time = new Date(startedAtMs(recording)).toISOString().slice(0, 19).replaceAll(":", "");
  return [recording.operator?.name ?? "", recording.target, time, recording.id.slice(0, 8)]
    .map(plain)
    .filter((part) => part !== "")
    .join("_");
}
