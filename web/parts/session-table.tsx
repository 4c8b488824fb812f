/** The sessions as a table, for wide windows. Ended ones stay below the live ones, whatever the order. */

import { Group, Table, Text, UnstyledButton } from "@mantine/core";
import { memo } from "react";
import { printable, type SessionInfo, SessionState } from "../../proto/client/index.ts";
import { endedAtMs, openedAtMs } from "../session-feed.ts";
import { Icon } from "./icons.tsx";
import { useWords } from "./language.tsx";
import { Age } from "./now.tsx";
import { usePage } from "./page-context.tsx";
import { operatorOf } from "./phrases.ts";
import { isOwn } from "./rights.ts";
import { SessionActions } from "./session-actions.tsx";
import { Cause, StateMark, WatcherNames } from "./session-marks.tsx";
import { activeAtMs, type SessionColumn, type SessionSort } from "./sort-sessions.ts";

const sorted: readonly SessionColumn[] = ["operator", "target", "since", "idle"];

export interface SessionTableProps {
  readonly sessions: readonly SessionInfo[];
  readonly sort: SessionSort;
  onSort(sort: SessionSort): void;
  onKick(session: SessionInfo): void;
}

export function SessionTable({ sessions, sort, onSort, onKick }: SessionTableProps) {
  const words = useWords();
  const head = (by: SessionColumn) => (
    <SortHead key={by} by={by} sort={sort} onSort={onSort} text={words.sessions[by]} />
  );
  return (
    <Table verticalSpacing="xs" highlightOnHover className="sessions-table" aria-label={words.sessions.title}>
      <Table.Thead>
        <Table.Tr>
          {sorted.slice(0, 2).map(head)}
          <Table.Th>{words.sessions.state}</Table.Th>
          {sorted.slice(2).map(head)}
          <Table.Th>{words.sessions.size}</Table.Th>
          {head("watchers")}
          {head("node")}
          <Table.Th ta="end">{words.sessions.actions}</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {sessions.map((session) => (
          <Row key={session.id} session={session} onKick={onKick} />
        ))}
      </Table.Tbody>
    </Table>
  );
}

function SortHead(props: { by: SessionColumn; text: string; sort: SessionSort; onSort(sort: SessionSort): void }) {
  const { by, text, sort, onSort } = props;
  const words = useWords();
  const own = sort.by === by;
  return (
    <Table.Th aria-sort={own ? (sort.descending ? "descending" : "ascending") : "none"}>
      <UnstyledButton
        fw={600}
        fz="sm"
        onClick={() => onSort({ by, descending: own ? !sort.descending : by === "since" || by === "watchers" })}
        aria-label={words.sessions.sortBy(text)}
      >
        <Group gap={4} wrap="nowrap">
          {text}
          {own && <Icon name={sort.descending ? "down" : "up"} size={14} />}
        </Group>
      </UnstyledButton>
    </Table.Th>
  );
}

const Row = memo(function Row({ session, onKick }: { session: SessionInfo; onKick(session: SessionInfo): void }) {
  const words = useWords();
  const { who } = usePage();
  const ended = session.state === SessionState.ENDED;
  return (
    <Table.Tr data-ended={ended} data-session={session.id} data-testid="session">
      <Table.Td fw={500}>
        {operatorOf(session)}
        {isOwn(who, session) && (
          <Text span size="xs" c="dimmed">
            {" "}
            ({words.sessions.you})
          </Text>
        )}
      </Table.Td>
      <Table.Td>
        <Text size="sm" truncate maw={220}>
          {printable(session.target, 80)}
        </Text>
        <Text size="xs" c="dimmed" truncate maw={220}>
          {printable(session.targetUser, 60)} · {session.id}
        </Text>
      </Table.Td>
      <Table.Td maw={300}>{ended ? <Cause session={session} /> : <StateMark session={session} />}</Table.Td>
      <Table.Td>
        {ended ? (
          <Age sinceMs={endedAtMs(session)} say={words.sessions.endedAgo} />
        ) : (
          <Age sinceMs={openedAtMs(session)} />
        )}
      </Table.Td>
      <Table.Td>{ended ? "–" : <Age sinceMs={activeAtMs(session)} />}</Table.Td>
      <Table.Td style={{ whiteSpace: "nowrap" }}>
        {session.size === undefined ? "–" : words.watch.size(session.size.cols, session.size.rows)}
      </Table.Td>
      <Table.Td>
        <WatcherNames session={session} />
      </Table.Td>
      <Table.Td>{printable(session.node, 40)}</Table.Td>
      <Table.Td>
        <SessionActions session={session} onKick={onKick} justify="flex-end" />
      </Table.Td>
    </Table.Tr>
  );
});
