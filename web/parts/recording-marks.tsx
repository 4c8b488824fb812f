/** The small signs of a recording: where it is in its life, and how its session ended. */

import { Badge, Text, Tooltip } from "@mantine/core";
import { endCause } from "../../proto/client/index.ts";
import type { Recording } from "../../proto/gen/bartizan/v1/recording_pb.ts";
import type { Messages } from "../messages/en.ts";
import { type RecordingStateWord, startedAtMs, stateWordOf } from "../recording-facts.ts";
import { useWords } from "./language.tsx";
import { Age } from "./now.tsx";
import { amountWords, causeWords, clockWords } from "./phrases.ts";

const colors: Readonly<Record<RecordingStateWord, string>> = {
  live: "red.9",
  sealed: "teal",
  incomplete: "orange",
  damaged: "red",
  missing: "red",
};

export function RecordingStateMark({ recording }: { recording: Recording }) {
  const words = useWords().past.recordings;
  const state = stateWordOf(recording);
  return (
    <Tooltip label={words.stateHints[state]} multiline maw={280} events={{ hover: true, focus: true, touch: true }}>
      <Badge
        variant={state === "live" ? "filled" : "light"}
        color={colors[state]}
        tabIndex={0}
        data-testid="recording-state"
        data-state={state}
        style={{ flexShrink: 0 }}
        leftSection={state === "live" ? <span className="live-dot" /> : undefined}
      >
        {words.states[state]}
      </Badge>
    </Tooltip>
  );
}

/** How long it is; of a session that runs, how long that has been going. Needs a NowProvider. */
export function RecordedTime({ recording }: { recording: Recording }) {
  if (stateWordOf(recording) === "live") return <Age sinceMs={startedAtMs(recording)} />;
  return clockWords(Number(recording.durationMs));
}

/** The file's size; a dash while it grows. */
export function fileWords(recording: Recording): string {
  return stateWordOf(recording) === "live" ? "–" : amountWords(Number(recording.fileBytes));
}

/** How the session ended; nothing while it runs. */
export function RecordedCause({ recording }: { recording: Recording }) {
  const said = recordedCauseWords(useWords(), recording);
  return said === "" ? null : (
    <Text size="sm" lineClamp={2} title={said}>
      {said}
    </Text>
  );
}

export function recordedCauseWords(words: Messages, recording: Recording): string {
  if (recording.ended !== undefined) return causeWords(words, endCause(recording.ended));
  return stateWordOf(recording) === "live" ? "" : words.past.recordings.causes.incomplete;
}
