/** Who ran what, where: the commands of all recorded sessions, by words, operator, target and time. */

import { timestampMs } from "@bufbuild/protobuf/wkt";
import { Button, Center, Container, Group, Paper, Skeleton, Stack, Text, TextInput, Title } from "@mantine/core";
import { useMemo } from "react";
import { Link } from "wouter";
import { printable } from "../../proto/client/index.ts";
import type { FoundCommand } from "../../proto/gen/bartizan/v1/recording_pb.ts";
import { CommandMarks, commandText } from "../parts/command-marks.tsx";
import { FaultPanel } from "../parts/fault-panel.tsx";
import { Icon } from "../parts/icons.tsx";
import { useWords } from "../parts/language.tsx";
import { isNarrowed, type PastFilter, timeRange } from "../parts/past-filter.ts";
import { PastFilters } from "../parts/past-filters.tsx";
import { operatorOf } from "../parts/phrases.ts";
import { StatePanel } from "../parts/state-panel.tsx";
import { useCommands } from "../parts/use-commands.ts";
import { usePastFilter } from "../parts/use-past-filter.ts";
import { When } from "../parts/when.tsx";

export function CommandsPage() {
  const words = useWords();
  const filters = usePastFilter();
  const { filter, asked, change } = filters;
  const request = useMemo(
    () => ({
      ...{ text: asked.text.trim(), operator: asked.operator.trim(), target: asked.target.trim(), pageToken: "" },
      ...timeRange(asked, Date.now()),
    }),
    [asked],
  );
  const { commands, pending, error, more, fetchingMore, again } = useCommands(request);
  const operators = [...new Set(commands.map(operatorOf))];
  const counted = more === undefined ? words.past.commands.count : words.past.commands.countMore;
  return (
    <Container size="lg" py="lg">
      <Stack gap="md">
        <Group justify="space-between">
          <Title order={1} size="h2">
            {words.past.commands.title}
          </Title>
          <Text size="sm" c="dimmed" role="status" data-testid="command-count">
            {pending || error !== undefined ? "" : counted(commands.length)}
          </Text>
        </Group>
        <TextInput
          size="md"
          autoFocus={matchMedia("(pointer: fine)").matches}
          aria-label={words.past.commands.searchLabel}
          placeholder={words.past.commands.search}
          description={words.past.commands.searchHint}
          inputWrapperOrder={["label", "input", "description", "error"]}
          leftSection={<Icon name="search" />}
          spellCheck={false}
          value={filter.text}
          onChange={(event) => change({ text: event.currentTarget.value })}
        />
        <PastFilters use={filters} operators={operators} />
        {pending && (
          <Stack role="status" aria-label={words.connection.loading}>
            {["a", "b", "c"].map((key) => (
              <Skeleton key={key} height={56} />
            ))}
          </Stack>
        )}
        {error !== undefined && <FaultPanel error={error} retry={again} />}
        {!pending && error === undefined && commands.length === 0 && <Nothing filter={filter} />}
        {commands.length > 0 && (
          <Paper withBorder style={{ overflow: "hidden" }}>
            <ol className="found-commands" aria-label={words.past.commands.title}>
              {commands.map((found) => (
                <Row key={`${found.command?.sessionId} ${found.command?.number}`} found={found} />
              ))}
            </ol>
          </Paper>
        )}
        {more !== undefined && (
          <Center>
            <Button variant="default" loading={fetchingMore} onClick={more}>
              {words.past.recordings.more}
            </Button>
          </Center>
        )}
      </Stack>
    </Container>
  );
}

function Row({ found }: { found: FoundCommand }) {
  const words = useWords().past.commands;
  const { command, target, at, recordingId } = found;
  if (command === undefined) return null;
  const text = <code className="command-text">{commandText(command)}</code>;
  return (
    <li data-testid="found">
      {recordingId === "" ? (
        <span className="found-text" title={words.noReplay}>
          {text}
        </span>
      ) : (
        <Link
          className="found-text"
          href={`/replay/${encodeURIComponent(recordingId)}?at=${command.startedMs}`}
          aria-label={words.replayAt(printable(command.text.replaceAll("\n", " "), 200))}
        >
          {text}
          <Icon name="play" size={16} />
        </Link>
      )}
      <Group gap={8} className="found-facts">
        <Text span size="sm">
          {words.on(operatorOf(found), printable(target, 80))}
        </Text>
        {at !== undefined && (
          <Text span size="sm" c="dimmed">
            <When atMs={timestampMs(at)} />
          </Text>
        )}
        <CommandMarks command={command} />
      </Group>
    </li>
  );
}

function Nothing({ filter }: { filter: PastFilter }) {
  const words = useWords().past.commands;
  if (isNarrowed(filter)) return <StatePanel icon="search" title={words.noneTitle} text={words.none} />;
  return <StatePanel icon="prompt" title={words.emptyTitle} text={words.empty} />;
}
