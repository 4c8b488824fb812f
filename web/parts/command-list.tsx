/** The commands of one session in the order they were typed; each leads to its moment. */

import { Button, Skeleton, Stack, Text, TextInput } from "@mantine/core";
import { useEffect, useMemo, useRef, useState } from "react";
import { commandAt } from "../replay-marks.ts";
import type { Replaying } from "../replaying.ts";
import { CommandMarks, commandText } from "./command-marks.tsx";
import { FaultPanel } from "./fault-panel.tsx";
import { Icon } from "./icons.tsx";
import { useWords } from "./language.tsx";
import { clockWords } from "./phrases.ts";
import type { CommandsInUse } from "./use-commands.ts";
import { usePosition } from "./use-position.ts";

export interface CommandListProps {
  readonly use: CommandsInUse;
  readonly replaying: Replaying | undefined;
}

/** So many need a field to find one in them. */
const many = 6;

export function CommandList({ use, replaying }: CommandListProps) {
  const words = useWords();
  const { commands, pending, error, more, fetchingMore, again } = use;
  const [sought, setSought] = useState("");
  const current = usePosition(replaying, (atMs) => commandAt(commands, atMs));
  const list = useRef<HTMLOListElement>(null);
  const shown = useMemo(() => {
    const parts = sought.toLowerCase().split(/\s+/).filter(Boolean);
    return commands.flatMap(({ command }, at) =>
      command !== undefined && parts.every((part) => command.text.toLowerCase().includes(part))
        ? [{ command, at }]
        : [],
    );
  }, [commands, sought]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another command is current
  useEffect(() => {
    // A list that somebody reads in does not move under his eyes.
    if (list.current?.matches(":focus-within, :hover") === false) scrollTo(list.current);
  }, [current]);

  if (pending) return <Skeleton height={120} m="sm" role="status" aria-label={words.connection.loading} />;
  if (error !== undefined) return <FaultPanel error={error} retry={again} />;
  if (commands.length === 0)
    return <Nothing title={words.past.commands.noneHere} text={words.past.commands.noneHereHint} />;
  return (
    <Stack gap={0} h="100%" mih={0}>
      {commands.length >= many && (
        <TextInput
          m="xs"
          size="xs"
          aria-label={words.past.commands.filter}
          placeholder={words.past.commands.filter}
          leftSection={<Icon name="search" size={14} />}
          value={sought}
          onChange={(event) => setSought(event.currentTarget.value)}
        />
      )}
      <ol className="command-list" ref={list} aria-label={words.past.commands.title}>
        {shown.map(({ command, at }) => {
          const time = clockWords(Number(command.startedMs));
          return (
            <li key={command.number}>
              <button
                type="button"
                className="command-row"
                aria-current={at === current ? "true" : undefined}
                data-testid="command"
                onClick={() => replaying?.seek(Number(command.startedMs))}
              >
                <Text span size="xs" c="dimmed" className="figures">
                  {time}
                </Text>
                <span className="command-body">
                  <code className="command-text">{commandText(command)}</code>
                  <CommandMarks command={command} />
                </span>
              </button>
            </li>
          );
        })}
        {more !== undefined && (
          <li>
            <Button fullWidth variant="subtle" loading={fetchingMore} onClick={more}>
              {words.past.recordings.more}
            </Button>
          </li>
        )}
      </ol>
      {shown.length === 0 && <Nothing title={words.past.commands.noneFit} />}
    </Stack>
  );
}

/** Brings the current row into the list's own window; the page around it stays where it is. */
function scrollTo(list: HTMLElement): void {
  const row = list.querySelector("[aria-current]")?.getBoundingClientRect();
  const box = list.getBoundingClientRect();
  if (row === undefined) return;
  if (row.top < box.top) list.scrollTop -= box.top - row.top;
  else if (row.bottom > box.bottom) list.scrollTop += row.bottom - box.bottom;
}

function Nothing({ title, text }: { title: string; text?: string }) {
  return (
    <Stack gap={4} p="lg" ta="center" role="status">
      <Text fw={500}>{title}</Text>
      {text !== undefined && (
        <Text size="sm" c="dimmed">
          {text}
        </Text>
      )}
    </Stack>
  );
}
