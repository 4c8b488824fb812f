/** One live session as its operator sees it, scaled to the window, without a way to touch it. */

import { ActionIcon, Alert, Box, Button, Group, Text, Title, Tooltip, VisuallyHidden } from "@mantine/core";
import { useEffect, useRef, useState, useSyncExternalStore } from "react";
import { Link } from "wouter";
import {
  type EndCause,
  endCause,
  faultOf,
  printable,
  type SessionInfo,
  SessionState,
} from "../../proto/client/index.ts";
import type { Messages } from "../messages/en.ts";
import { BellSwitch } from "../parts/bell-switch.tsx";
import { FaultPanel } from "../parts/fault-panel.tsx";
import { FreezeButton } from "../parts/freeze-button.tsx";
import { Icon } from "../parts/icons.tsx";
import { KickDialog } from "../parts/kick-dialog.tsx";
import { useWords } from "../parts/language.tsx";
import { lookBackPath } from "../parts/look-back.ts";
import { NewestCommands } from "../parts/newest-commands.tsx";
import { usePage } from "../parts/page-context.tsx";
import { causeWords, operatorOf } from "../parts/phrases.ts";
import { mayKick } from "../parts/rights.ts";
import { StatePanel } from "../parts/state-panel.tsx";
import { useBell } from "../parts/use-bell.ts";
import { useViewing } from "../parts/use-viewing.ts";
import { ViewingMarks } from "../parts/viewing-marks.tsx";
import type { ViewingState } from "../viewing.ts";

export function WatchPage({ sessionId }: { sessionId: string }) {
  const words = useWords();
  const { feed, who, settings } = usePage();
  // An image says its name; in screen reader mode the lines inside are to be read.
  const { screenReader } = useSyncExternalStore(settings.subscribe, settings.get);
  const list = useSyncExternalStore(feed.subscribe, () => feed.state);
  const [fromWall] = useState(() => (history.state as { from?: unknown } | null)?.from === "wall");
  const box = useRef<HTMLDivElement>(null);
  const bell = useBell(settings);
  const [round, setRound] = useState(0);
  const [kicked, setKicked] = useState<SessionInfo>();
  const listed = list.sessions.find(({ id }) => id === sessionId);
  const [operator, target] = namesOf(listed);
  const state = useViewing(box, { sessionId, label: words.watch.screen(operator, target), round, onBell: bell.ring });
  const session = listed ?? state?.session;
  const names = namesOf(session);
  const back = session === undefined ? undefined : lookBackPath(who, session);
  const failed = state?.phase === "failed";
  useEffect(() => {
    document.title = `${words.watch.title(names[0], names[1])} · bartizan`;
  });

  return (
    <Box display="flex" h="100%" style={{ flexDirection: "column" }}>
      <Group px="md" py={8} gap="sm" style={{ borderBottom: "1px solid var(--mantine-color-default-border)" }}>
        <Tooltip label={fromWall ? words.watch.backToWall : words.watch.back}>
          <ActionIcon
            component={Link}
            href={fromWall ? "/wall" : "/sessions"}
            variant="subtle"
            color="gray"
            aria-label={fromWall ? words.watch.backToWall : words.watch.back}
          >
            <Icon name="back" />
          </ActionIcon>
        </Tooltip>
        <Title order={1} size="h4" lineClamp={1}>
          {session === undefined ? printable(sessionId, 60) : words.watch.title(names[0], names[1])}
        </Title>
        {state !== undefined && !failed && <ViewingMarks state={state} />}
        <Box flex={1} />
        {state !== undefined && !failed && state.phase !== "ended" && <BellSwitch onSwitchedOn={bell.ring} />}
        {back !== undefined && !failed && (
          <Tooltip label={words.past.player.rewindHint} multiline maw={260}>
            <Button
              component={Link}
              href={back}
              size="compact-sm"
              variant="default"
              leftSection={<Icon name="rewind" size={14} />}
            >
              {words.past.player.rewind}
            </Button>
          </Tooltip>
        )}
        {session !== undefined && state?.phase === "live" && (
          <FreezeButton session={session} frozen={state.frozen !== undefined} />
        )}
        {session !== undefined && state?.phase !== "ended" && mayKick(session) && (
          <Button size="compact-md" color="red" variant="light" onClick={() => setKicked(session)}>
            {words.sessions.kick}
          </Button>
        )}
      </Group>
      <Said state={state} />
      {failed && <Failed error={state.error} listed={listed} retry={() => setRound(round + 1)} />}
      {state?.phase === "live" && state.reach !== undefined && (
        // Screen readers have it from `Said` already.
        <Alert className="stage-banner" color="orange" icon={<Icon name="alert" />} role="presentation">
          {reachWords(words, state.reach)}
        </Alert>
      )}
      <Box
        className="stage"
        flex={1}
        mih={0}
        display={failed ? "none" : "block"}
        data-testid="stage"
        data-bell={bell.flash}
        data-phase={state?.phase}
      >
        <Box
          pos="absolute"
          inset={12}
          ref={box}
          role={screenReader ? "region" : "img"}
          aria-label={words.watch.screen(names[0], names[1])}
        />
        {state?.phase === "opening" && (
          <Text className="stage-note" role="status">
            {words.watch.opening}
          </Text>
        )}
        {state?.phase === "reconnecting" && (
          <Text className="stage-note">{words.watch.reconnecting(state.attempt ?? 1)}</Text>
        )}
      </Box>
      {state !== undefined && !failed && <NewestCommands commands={state.commands} />}
      {state?.phase === "ended" && state.cause !== undefined && <Over cause={state.cause} listed={listed} />}
      <KickDialog session={kicked} onClose={() => setKicked(undefined)} />
    </Box>
  );
}

/** The end stands below the last screen, which stays to be read. */
function Over({ cause, listed }: { cause: EndCause; listed: SessionInfo | undefined }) {
  const words = useWords();
  // Who was taken off alone is told so: the session itself goes on.
  const alone = cause.kind === "kicked" && listed !== undefined && listed.state !== SessionState.ENDED;
  return (
    <Group className="stage-over" role="alert" data-testid="over" justify="space-between">
      <Box>
        <Text fw={600}>{alone ? words.watch.kickedYou(printable(cause.by, 80)) : words.watch.overTitle}</Text>
        <Text size="sm">{causeWords(words, cause)}</Text>
      </Box>
      <Button component={Link} href="/sessions" variant="default">
        {words.watch.back}
      </Button>
    </Group>
  );
}

function Failed(props: { error: unknown; listed: SessionInfo | undefined; retry(): void }) {
  const words = useWords();
  if (faultOf(props.error).word !== "not-found") return <FaultPanel error={props.error} retry={props.retry} />;
  const ended = props.listed?.ended;
  const text = ended === undefined ? words.watch.missing : causeWords(words, endCause(ended));
  const title = ended === undefined ? words.watch.missingTitle : words.watch.overTitle;
  return (
    <StatePanel icon="eye" title={title} text={text}>
      <Button component={Link} href="/sessions">
        {words.watch.back}
      </Button>
    </StatePanel>
  );
}

/** For screen readers: only what changed for good, once. */
function Said({ state }: { state: ViewingState | undefined }) {
  const words = useWords();
  let text = "";
  if (state?.phase === "reconnecting") text = words.connection.lost;
  else if (state?.phase === "live" && state.reach !== undefined) text = reachWords(words, state.reach);
  else if (state?.phase === "live" && state.reconnections > 0) text = words.watch.reconnected;
  return <VisuallyHidden role="status">{text}</VisuallyHidden>;
}

function reachWords(words: Messages, reach: NonNullable<ViewingState["reach"]>): string {
  return reach === "stale" ? words.watch.staleHint : words.sessions.unheardHint;
}

function namesOf(session: SessionInfo | undefined): [operator: string, target: string] {
  return session === undefined ? ["…", "…"] : [operatorOf(session), printable(session.target, 80)];
}
