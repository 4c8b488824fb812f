/** What stands beside a replay: its commands, what else its timeline marks, and what is known of the recording. */

import { Badge, Box, Stack, Tabs, Text } from "@mantine/core";
import { printable } from "../../proto/client/index.ts";
import type { Recording } from "../../proto/gen/bartizan/v1/recording_pb.ts";
import { startedAtMs } from "../recording-facts.ts";
import type { ReplayMark } from "../replay-marks.ts";
import type { Replaying } from "../replaying.ts";
import { CommandList } from "./command-list.tsx";
import { useWords } from "./language.tsx";
import { amountWords, clockWords, operatorOf } from "./phrases.ts";
import { recordedCauseWords } from "./recording-marks.tsx";
import { markWords } from "./timeline.tsx";
import type { CommandsInUse } from "./use-commands.ts";
import { When } from "./when.tsx";

export interface ReplayPanelProps {
  readonly replaying: Replaying | undefined;
  readonly commands: CommandsInUse;
  /** All that the timeline has, commands too. */
  readonly marks: readonly ReplayMark[];
  readonly recording: Recording | undefined;
  readonly totalMs: number;
}

export function ReplayPanel({ replaying, commands, marks, recording, totalMs }: ReplayPanelProps) {
  const words = useWords().past;
  const events = marks.filter(({ kind }) => kind !== "command");
  return (
    <Tabs defaultValue="commands" className="replay-panel" keepMounted={false} aria-label={words.player.tabs}>
      <Tabs.List grow>
        <Tabs.Tab value="commands" rightSection={<Count of={commands.commands.length} />}>
          {words.commands.title}
        </Tabs.Tab>
        <Tabs.Tab value="events" rightSection={<Count of={events.length} />}>
          {words.player.events}
        </Tabs.Tab>
        <Tabs.Tab value="details">{words.player.about}</Tabs.Tab>
      </Tabs.List>
      <Tabs.Panel value="commands" className="replay-tab">
        <CommandList use={commands} replaying={replaying} />
      </Tabs.Panel>
      <Tabs.Panel value="events" className="replay-tab">
        <Events events={events} replaying={replaying} />
      </Tabs.Panel>
      <Tabs.Panel value="details" className="replay-tab">
        {recording !== undefined && <Details recording={recording} totalMs={totalMs} />}
      </Tabs.Panel>
    </Tabs>
  );
}

function Count({ of }: { of: number }) {
  return of === 0 ? null : (
    <Badge size="sm" variant="light" circle={of < 10}>
      {of}
    </Badge>
  );
}

function Events({ events, replaying }: { events: readonly ReplayMark[]; replaying: Replaying | undefined }) {
  const words = useWords();
  if (events.length === 0)
    return (
      <Text p="lg" ta="center" c="dimmed" size="sm" role="status">
        {words.past.player.noEvents}
      </Text>
    );
  return (
    <ol className="command-list" aria-label={words.past.player.events}>
      {events.map((mark) => (
        <li key={`${mark.atMs} ${mark.kind} ${mark.text}`}>
          <button type="button" className="command-row" data-testid="event" onClick={() => replaying?.seek(mark.atMs)}>
            <Text span size="xs" c="dimmed" className="figures">
              {clockWords(mark.atMs)}
            </Text>
            <span className="command-body">
              <span className="event-text" data-kind={mark.kind}>
                {markWords(words, mark)}
              </span>
            </span>
          </button>
        </li>
      ))}
    </ol>
  );
}

function Details({ recording, totalMs }: { recording: Recording; totalMs: number }) {
  const words = useWords();
  const { details } = words.past.player;
  const labels = Object.entries(recording.labels).map(([key, value]) => `${key}=${value}`);
  const rows: (readonly [string, React.ReactNode])[] = [
    [details.operator, operatorOf(recording)],
    [details.target, printable(recording.target, 80)],
    [details.user, printable(recording.targetUser, 80)],
    [details.labels, labels.length === 0 ? details.none : printable(labels.join(", "), 400)],
    [details.started, <When key="when" atMs={startedAtMs(recording)} />],
    [details.duration, clockWords(totalMs)],
    [details.ended, recordedCauseWords(words, recording) || words.past.recordings.states.live],
    [details.output, amountWords(Number(recording.outputBytes))],
    [details.file, amountWords(Number(recording.fileBytes))],
    [details.node, printable(recording.node, 80)],
    [details.session, printable(recording.sessionId, 80)],
    [details.recording, printable(recording.id, 80)],
    [details.seal, recording.seal === "" ? details.none : printable(recording.seal, 64)],
  ];
  return (
    <Box component="dl" className="details scrolls" tabIndex={0} m={0} p="sm" aria-label={words.past.player.about}>
      {rows.map(([name, value]) => (
        <Stack key={name} gap={0}>
          <Text component="dt" size="xs" c="dimmed">
            {name}
          </Text>
          <Text component="dd" size="sm" m={0} style={{ overflowWrap: "anywhere" }}>
            {value}
          </Text>
        </Stack>
      ))}
    </Box>
  );
}
