/** What the caller may do to a session: watch, reopen, kick; and what will be there for ended ones. */

import { Button, Group, Tooltip } from "@mantine/core";
import { Link } from "wouter";
import { printable, type SessionInfo, SessionState } from "../../proto/client/index.ts";
import { Icon } from "./icons.tsx";
import { useWords } from "./language.tsx";
import { usePage } from "./page-context.tsx";
import { mayKick, mayReopen, mayWatch } from "./rights.ts";

export interface SessionActionsProps {
  readonly session: SessionInfo;
  readonly justify?: "flex-end" | "flex-start";
  onKick(session: SessionInfo): void;
}

export function SessionActions({ session, justify = "flex-start", onKick }: SessionActionsProps) {
  const words = useWords();
  const { who, openShell } = usePage();
  const target = printable(session.target, 80);
  if (session.state === SessionState.ENDED) {
    return (
      <Group gap={6} wrap="nowrap" justify={justify}>
        <Later icon="play" text={words.sessions.replay} />
        <Later icon="list" text={words.sessions.commands} />
      </Group>
    );
  }
  return (
    <Group gap={6} wrap="nowrap" justify={justify}>
      {mayReopen(who, session) && (
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
      {mayWatch(who, session) && (
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
      {mayKick(who, session) && (
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

/** Not there yet, and it says why: it can be focused, so that the keyboard and the screen reader find out too. */
function Later({ icon, text }: { icon: "play" | "list"; text: string }) {
  const words = useWords();
  return (
    <Tooltip label={words.sessions.later} multiline maw={260} events={{ hover: true, focus: true, touch: true }}>
      <Button
        size="compact-sm"
        variant="default"
        data-disabled
        aria-disabled
        aria-label={`${text}: ${words.sessions.later}`}
        leftSection={<Icon name={icon} size={15} />}
        onClick={(event) => event.preventDefault()}
      >
        {text}
      </Button>
    </Tooltip>
  );
}
