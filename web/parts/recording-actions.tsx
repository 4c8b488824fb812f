/** What the caller may do with a recording: replay, verify, download, delete. */

import { ActionIcon, Button, Group, Menu, Text } from "@mantine/core";
import { Link } from "wouter";
import { printable } from "../../proto/client/index.ts";
import { ExportFormat, type Recording } from "../../proto/gen/bartizan/v1/recording_pb.ts";
import { stateWordOf } from "../recording-facts.ts";
import { Icon } from "./icons.tsx";
import { useWords } from "./language.tsx";
import { operatorOf } from "./phrases.ts";
import { mayDeleteRecording } from "./rights.ts";

export interface RecordingActs {
  onVerify(recording: Recording): void;
  onDownload(recording: Recording, format: ExportFormat): void;
  onDelete(recording: Recording): void;
}

export interface RecordingActionsProps extends RecordingActs {
  readonly recording: Recording;
  readonly justify?: "flex-end" | "flex-start";
}

export function RecordingActions({ recording, justify = "flex-start", ...acts }: RecordingActionsProps) {
  const words = useWords().past.recordings;
  const names = [operatorOf(recording), printable(recording.target, 80)] as const;
  return (
    <Group gap={6} wrap="nowrap" justify={justify}>
      {stateWordOf(recording) !== "missing" && (
        <Button
          component={Link}
          href={`/replay/${encodeURIComponent(recording.id)}`}
          size="compact-sm"
          variant="light"
          leftSection={<Icon name="play" size={15} />}
          aria-label={words.replayOf(...names)}
        >
          {words.replay}
        </Button>
      )}
      <RecordingMenu recording={recording} {...acts} />
    </Group>
  );
}

/** All but the replay itself. */
export function RecordingMenu({ recording, onVerify, onDownload, onDelete }: { recording: Recording } & RecordingActs) {
  const words = useWords().past.recordings;
  const state = stateWordOf(recording);
  return (
    <Menu position="bottom-end" width={280} withInitialFocusPlaceholder={false}>
      <Menu.Target>
        <ActionIcon
          variant="subtle"
          color="gray"
          aria-label={words.moreOf(operatorOf(recording), printable(recording.target, 80))}
        >
          <Icon name="more" />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item leftSection={<Icon name="seal" />} onClick={() => onVerify(recording)}>
          {words.verify}
        </Menu.Item>
        {state !== "missing" && (
          <>
            <DownloadItem
              text={words.downloadV3}
              hint={words.downloadV3Hint}
              onClick={() => onDownload(recording, ExportFormat.ASCIICAST_V3)}
            />
            <DownloadItem
              text={words.downloadV2}
              hint={words.downloadV2Hint}
              onClick={() => onDownload(recording, ExportFormat.ASCIICAST_V2)}
            />
          </>
        )}
        {mayDeleteRecording(recording) && state !== "live" && (
          <>
            <Menu.Divider />
            <Menu.Item
              color="var(--mantine-color-red-light-color)"
              leftSection={<Icon name="kick" />}
              onClick={() => onDelete(recording)}
            >
              {words.delete}
            </Menu.Item>
          </>
        )}
      </Menu.Dropdown>
    </Menu>
  );
}

function DownloadItem({ text, hint, onClick }: { text: string; hint: string; onClick(): void }) {
  return (
    <Menu.Item leftSection={<Icon name="download" />} onClick={onClick}>
      {text}
      <Text size="xs" c="dimmed">
        {hint}
      </Text>
    </Menu.Item>
  );
}
