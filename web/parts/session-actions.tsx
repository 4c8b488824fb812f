/** What the caller may do to a session: watch, reopen, freeze, kick; and its recording, to be replayed and searched. */

import { ActionIcon, Button, Group, Tooltip } from "@mantine/core";
import { Link } from "wouter";
import { printable, type SessionInfo, SessionState } from "../../proto/client/index.ts";
import { FreezeButton } from "./freeze-button.tsx";
import { Icon } from "./icons.tsx";
import { useWords } from "./language.tsx";
import { lookBackPath } from "./look-back.ts";
import { usePage } from "./page-context.tsx";
import { mayKick, mayReopen, mayWatch } from "./rights.ts";

export interface SessionActionsProps {
  readonly session: SessionInfo;
  readonly justify?: "flex-end" | "flex-start";
  onKick(session: SessionInfo): void;
}

export function SessionActions({ session, justify = "flex-start", onKick }: SessionActionsProps) {
  const words = useWords();
  const { openShell } = usePage();
  const target = printable(session.target, 80);
  const recorded = session.recordingId !== "";
  const back = lookBackPath(session);
  const replay = `/replay/${encodeURIComponent(session.recordingId)}`;
  if (session.state === SessionState.ENDED) {
    return (
      <Group gap={6} wrap="nowrap" justify={justify}>
        {recorded ? (
          <>
            <Button
              component={Link}
              href={replay}
              size="compact-sm"
              variant="light"
              leftSection={<Icon name="play" size={15} />}
              aria-label={words.sessions.replayOf(session.id, target)}
            >
              {words.sessions.replay}
            </Button>
            <Button
              component={Link}
              href={`${replay}?show=commands`}
              size="compact-sm"
              variant="default"
              leftSection={<Icon name="list" size={15} />}
              aria-label={words.sessions.commandsOf(session.id, target)}
            >
              {words.sessions.commands}
            </Button>
          </>
        ) : (
          <Unrecorded />
        )}
      </Group>
    );
  }
  return (
    <Group gap={6} wrap="nowrap" justify={justify}>
      {mayReopen(session) && (
        <Button
          size="compact-sm"
          variant="light"
          leftSection={<Icon name="reopen" size={15} />}
          aria-label={words.sessions.reopenOf(session.id, target)}
          onClick={() => openShell({ sessionId: session.id, target: session.target })}
        >
          {words.sessions.reopen}
        </Button>
      )}
      {mayWatch(session) && (
        <Button
          component={Link}
          href={`/watch/${encodeURIComponent(session.id)}`}
          size="compact-sm"
          variant="light"
          leftSection={<Icon name="eye" size={15} />}
          aria-label={words.sessions.watchOf(session.id, target)}
        >
          {words.sessions.watch}
        </Button>
      )}
      {back !== undefined && mayWatch(session) && (
        <Tooltip label={words.past.player.rewindHint} multiline maw={260}>
          <ActionIcon
            component={Link}
            href={back}
            variant="subtle"
            color="gray"
            aria-label={words.sessions.replayOf(session.id, target)}
          >
            <Icon name="rewind" size={16} />
          </ActionIcon>
        </Tooltip>
      )}
      <FreezeButton session={session} frozen={session.frozen !== undefined} />
      {mayKick(session) && (
        <Button
          size="compact-sm"
          variant="light"
          color="red"
          aria-label={words.sessions.kickOf(session.id, target)}
          onClick={() => onKick(session)}
        >
          {words.sessions.kick}
        </Button>
      )}
    </Group>
  );
}

/** It says why there is nothing: it can be focused, so that the keyboard and the screen reader find out too. */
function Unrecorded() {
  const words = useWords();
  const hint = words.past.recordings.unrecorded;
  return (
    <Tooltip label={hint} multiline maw={260} events={{ hover: true, focus: true, touch: true }}>
      <Button
        size="compact-sm"
        variant="default"
        data-disabled
        aria-disabled
        aria-label={`${words.sessions.replay}: ${hint}`}
        leftSection={<Icon name="play" size={15} />}
        onClick={(event) => event.preventDefault()}
      >
        {words.sessions.replay}
      </Button>
    </Tooltip>
  );
}
