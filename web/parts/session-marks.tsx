/** The small signs of a session: its state, how it ended, who watches. */

import { Badge, Group, Text, Tooltip } from "@mantine/core";
import { endCause, printable, type SessionInfo, SessionState } from "../../proto/client/index.ts";
import { Role } from "../../proto/gen/bartizan/v1/session_pb.ts";
import { useWords } from "./language.tsx";
import { causeWords } from "./phrases.ts";

export function StateMark({ session }: { session: SessionInfo }) {
  const words = useWords();
  const { frozen } = session;
  if (frozen !== undefined) {
    const hint = words.locks.freeze.markHint(printable(frozen.by?.name ?? "?", 60), printable(frozen.reason, 300));
    return (
      <Tooltip label={hint} multiline maw={300} events={{ hover: true, focus: true, touch: true }}>
        <Badge variant="light" color="indigo" tabIndex={0}>
          {words.locks.freeze.mark}
        </Badge>
      </Tooltip>
    );
  }
  if (session.state === SessionState.DETACHED) {
    return (
      <Tooltip label={words.sessions.detachedHint} events={{ hover: true, focus: true, touch: true }}>
        <Badge variant="light" color="orange" tabIndex={0}>
          {words.sessions.detached}
        </Badge>
      </Tooltip>
    );
  }
  return (
    <Badge variant="light" color="teal">
      {words.sessions.attached}
    </Badge>
  );
}

/** Of an ended session. */
export function Cause({ session }: { session: SessionInfo }) {
  const words = useWords();
  const said = session.ended === undefined ? words.cause.unknown : causeWords(words, endCause(session.ended));
  return (
    <Group gap="xs" wrap="nowrap">
      <Badge variant="light" color="gray" style={{ flexShrink: 0 }}>
        {words.sessions.endedState}
      </Badge>
      <Text size="sm" lineClamp={2} title={said}>
        {said}
      </Text>
    </Group>
  );
}

export function WatcherNames({ session }: { session: SessionInfo }) {
  const words = useWords();
  const names = watcherNames(session);
  if (names.length === 0) return <span>{session.state === SessionState.ENDED ? "–" : words.sessions.nobody}</span>;
  const all = names.join(", ");
  return (
    <Text size="sm" truncate maw={180} title={all}>
      {all}
    </Text>
  );
}

/** Each watcher once, longest first. */
export function watcherNames(session: SessionInfo): string[] {
  const watching = session.attachments.filter(({ role }) => role === Role.WATCHER);
  return [...new Set(watching.map(({ principal }) => printable(principal?.name ?? "?", 60)))];
}
