/** The sessions as cards, for narrow windows. */

import { Card, Group, Stack, Text } from "@mantine/core";
import { memo } from "react";
import { printable, type SessionInfo, SessionState } from "../../proto/client/index.ts";
import { endedAtMs, openedAtMs } from "../session-feed.ts";
import { useWords } from "./language.tsx";
import { Age } from "./now.tsx";
import { operatorOf } from "./phrases.ts";
import { SessionActions } from "./session-actions.tsx";
import { Cause, StateMark, watcherNames } from "./session-marks.tsx";
import { activeAtMs } from "./sort-sessions.ts";

export interface SessionCardsProps {
  readonly sessions: readonly SessionInfo[];
  onKick(session: SessionInfo): void;
}

export function SessionCards({ sessions, onKick }: SessionCardsProps) {
  const words = useWords();
  return (
    <Stack component="ul" gap="sm" p={0} m={0} aria-label={words.sessions.title}>
      {sessions.map((session) => (
        <SessionCard key={session.id} session={session} onKick={onKick} />
      ))}
    </Stack>
  );
}

const SessionCard = memo(function SessionCard(props: { session: SessionInfo; onKick(session: SessionInfo): void }) {
  const { session, onKick } = props;
  const words = useWords();
  const ended = session.state === SessionState.ENDED;
  const watchers = watcherNames(session);
  return (
    <Card component="li" withBorder padding="sm" data-session={session.id} data-testid="session" data-ended={ended}>
      <Stack gap={8}>
        <Group justify="space-between" wrap="nowrap" gap="xs">
          <Text fw={600} truncate {...(ended ? { c: "dimmed" } : {})}>
            {words.watch.title(operatorOf(session), printable(session.target, 80))}
          </Text>
          {!ended && <StateMark session={session} />}
        </Group>
        {ended && <Cause session={session} />}
        <Text size="sm" c="dimmed">
          {ended ? (
            <Age sinceMs={endedAtMs(session)} say={words.sessions.endedAgo} />
          ) : (
            <>
              {words.sessions.since} <Age sinceMs={openedAtMs(session)} />
            </>
          )}
          {!ended && (
            <>
              {" · "}
              {words.sessions.idle} <Age sinceMs={activeAtMs(session)} />
            </>
          )}
          {session.size !== undefined && ` · ${words.watch.size(session.size.cols, session.size.rows)}`}
          {` · ${printable(session.node, 40)}`}
        </Text>
        {watchers.length > 0 && <Text size="sm">{words.watch.watchers(watchers.join(", "))}</Text>}
        <SessionActions session={session} onKick={onKick} />
      </Stack>
    </Card>
  );
});
