/** The recordings as cards, for narrow windows. */

import { Card, Group, Stack, Text } from "@mantine/core";
import { printable } from "../../proto/client/index.ts";
import { startedAtMs } from "../recording-facts.ts";
import { useWords } from "./language.tsx";
import { operatorOf } from "./phrases.ts";
import { RecordingActions } from "./recording-actions.tsx";
import { fileWords, RecordedCause, RecordedTime, RecordingStateMark } from "./recording-marks.tsx";
import type { RecordingTableProps } from "./recording-table.tsx";
import { When } from "./when.tsx";

export function RecordingCards({ recordings, ...acts }: RecordingTableProps) {
  const words = useWords();
  return (
    <Stack component="ul" gap="sm" p={0} m={0} aria-label={words.past.recordings.title}>
      {recordings.map((recording) => (
        <Card
          key={recording.id}
          component="li"
          withBorder
          padding="sm"
          data-testid="recording"
          data-recording={recording.id}
          data-session={recording.sessionId}
        >
          <Stack gap={8}>
            <Group justify="space-between" wrap="nowrap" gap="xs">
              <Text fw={600} truncate>
                {words.watch.title(operatorOf(recording), printable(recording.target, 80))}
              </Text>
              <RecordingStateMark recording={recording} />
            </Group>
            <RecordedCause recording={recording} />
            <Text size="sm" c="dimmed">
              <When atMs={startedAtMs(recording)} />
              {" · "}
              <RecordedTime recording={recording} />
              {` · ${fileWords(recording)}`}
              {recording.commands > 0 && ` · ${words.past.commands.count(recording.commands)}`}
            </Text>
            <RecordingActions recording={recording} {...acts} />
          </Stack>
        </Card>
      ))}
    </Stack>
  );
}
