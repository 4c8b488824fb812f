/** The recordings as a table, for wide windows, in the server's order: by their start, newest first. */

import { Group, Table, Text } from "@mantine/core";
import { memo } from "react";
import { printable } from "../../proto/client/index.ts";
import type { Recording } from "../../proto/gen/bartizan/v1/recording_pb.ts";
import { startedAtMs } from "../recording-facts.ts";
import { useWords } from "./language.tsx";
import { usePage } from "./page-context.tsx";
import { operatorOf } from "./phrases.ts";
import { RecordingActions, type RecordingActs } from "./recording-actions.tsx";
import { fileWords, RecordedCause, RecordedTime, RecordingStateMark } from "./recording-marks.tsx";
import { When } from "./when.tsx";

export interface RecordingTableProps extends RecordingActs {
  readonly recordings: readonly Recording[];
}

export function RecordingTable({ recordings, ...acts }: RecordingTableProps) {
  const words = useWords().past.recordings;
  return (
    <Table verticalSpacing="xs" highlightOnHover aria-label={words.title}>
      <Table.Thead>
        <Table.Tr>
          <Table.Th>{words.started}</Table.Th>
          <Table.Th>{words.operator}</Table.Th>
          <Table.Th>{words.target}</Table.Th>
          <Table.Th>{words.state}</Table.Th>
          <Table.Th ta="end">{words.duration}</Table.Th>
          <Table.Th ta="end">{words.size}</Table.Th>
          <Table.Th ta="end">{words.commands}</Table.Th>
          <Table.Th ta="end">{words.actions}</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {recordings.map((recording) => (
          <Row key={recording.id} recording={recording} {...acts} />
        ))}
      </Table.Tbody>
    </Table>
  );
}

const Row = memo(function Row({ recording, ...acts }: { recording: Recording } & RecordingActs) {
  const words = useWords();
  const { who } = usePage();
  return (
    <Table.Tr data-testid="recording" data-recording={recording.id} data-session={recording.sessionId}>
      <Table.Td style={{ whiteSpace: "nowrap" }}>
        <When atMs={startedAtMs(recording)} />
      </Table.Td>
      <Table.Td fw={500}>
        {operatorOf(recording)}
        {recording.operator?.name === who.name && (
          <Text span size="xs" c="dimmed">
            {" "}
            ({words.sessions.you})
          </Text>
        )}
      </Table.Td>
      <Table.Td>
        <Text size="sm" truncate maw={220}>
          {printable(recording.target, 80)}
        </Text>
        <Text size="xs" c="dimmed" truncate maw={220}>
          {printable(recording.targetUser, 60)} · {printable(recording.sessionId, 60)}
        </Text>
      </Table.Td>
      <Table.Td maw={300}>
        <Group gap="xs" wrap="nowrap">
          <RecordingStateMark recording={recording} />
          <RecordedCause recording={recording} />
        </Group>
      </Table.Td>
      <Table.Td ta="end" className="figures">
        <RecordedTime recording={recording} />
      </Table.Td>
      <Table.Td ta="end" className="figures">
        {fileWords(recording)}
      </Table.Td>
      <Table.Td ta="end" className="figures">
        {recording.commands}
      </Table.Td>
      <Table.Td>
        <RecordingActions recording={recording} justify="flex-end" {...acts} />
      </Table.Td>
    </Table.Tr>
  );
});
