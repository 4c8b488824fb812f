/** One recording played on the very terminal that watching uses, with its time, its marks and its commands. */

import { useQuery } from "@connectrpc/connect-query";
import { ActionIcon, Alert, Badge, Box, Button, Group, Text, Title, Tooltip, VisuallyHidden } from "@mantine/core";
import { useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import { Link, useLocation, useSearchParams } from "wouter";
import { faultOf, printable, type SessionInfo, SessionState } from "../../proto/client/index.ts";
import { type Recording, RecordingService, RecordingState } from "../../proto/gen/bartizan/v1/recording_pb.ts";
import { DeleteRecordingDialog } from "../parts/delete-recording-dialog.tsx";
import { DownloadMark } from "../parts/download-mark.tsx";
import { FaultPanel } from "../parts/fault-panel.tsx";
import { Icon } from "../parts/icons.tsx";
import { useWords } from "../parts/language.tsx";
import { usePage } from "../parts/page-context.tsx";
import { clockWords, operatorOf } from "../parts/phrases.ts";
import { PlayerBar } from "../parts/player-bar.tsx";
import { RecordingMenu } from "../parts/recording-actions.tsx";
import { RecordingStateMark } from "../parts/recording-marks.tsx";
import { ReplayPanel } from "../parts/replay-panel.tsx";
import { mayWatch } from "../parts/rights.ts";
import { activeAtMs } from "../parts/sort-sessions.ts";
import { StatePanel } from "../parts/state-panel.tsx";
import { useCommands } from "../parts/use-commands.ts";
import { useDownload } from "../parts/use-download.ts";
import { useReplayKeys } from "../parts/use-replay-keys.ts";
import { useReplaying } from "../parts/use-replaying.ts";
import { VerifyDialog } from "../parts/verify-dialog.tsx";
import { stateWordOf } from "../recording-facts.ts";
import { marksOf } from "../replay-marks.ts";
import type { Replaying, ReplayingState } from "../replaying.ts";
import { openedAtMs } from "../session-feed.ts";

/** The commands of a session that runs are asked for so often. */
const commandsEveryMs = 5000;
/** How it was sealed is asked for so often after the session's end. */
const sealingMs = 1000;

export function ReplayPage({ id }: { id: string }) {
  const words = useWords();
  const { feed, settings } = usePage();
  const [, navigate] = useLocation();
  const [search] = useSearchParams();
  const { screenReader } = useSyncExternalStore(settings.subscribe, settings.get);
  const { sessions } = useSyncExternalStore(feed.subscribe, () => feed.state);
  const [round, setRound] = useState(0);
  const [verified, setVerified] = useState<Recording>();
  const [deleted, setDeleted] = useState<Recording>();
  const download = useDownload();
  const box = useRef<HTMLDivElement>(null);

  // The marks need the whole file to be read: the screen does not wait for them.
  const live = (sessionId: string) =>
    sessions.find((each) => each.id === sessionId && each.state !== SessionState.ENDED);
  const got = useQuery(
    RecordingService.method.getRecording,
    { id },
    {
      refetchOnWindowFocus: false,
      // A session that has ended is sealed in a moment.
      refetchInterval: ({ state: { data } }) =>
        data?.recording?.state === RecordingState.LIVE && live(data.recording.sessionId) === undefined && sealingMs,
    },
  );
  const at = Number(search.get("at") ?? 0);
  const replaying = useReplaying(box, {
    ...{ id, round, label: words.past.player.screen("…", "…"), paused: search.get("show") === "commands" },
    startMs: Number.isFinite(at) ? Math.max(0, at) : 0,
  });
  const state = useSyncExternalStore(replaying?.subscribe ?? never, () => replaying?.state);
  const recording = got.data?.recording ?? state?.recording;
  const session = recording === undefined ? undefined : live(recording.sessionId);
  const totalMs = Math.max(state?.endMs ?? 0, Number(recording?.durationMs ?? 0n), shownMs(session));
  const asked = useMemo(
    () => ({ sessionId: recording?.sessionId ?? "", pageSize: 500, pageToken: "" }),
    [recording?.sessionId],
  );
  const commands = useCommands(asked, {
    ...{ pages: 4, enabled: asked.sessionId !== "" },
    everyMs: session === undefined ? undefined : commandsEveryMs,
  });
  const marks = useMemo(() => marksOf(got.data?.markers ?? [], commands.commands), [got.data, commands.commands]);
  useReplayKeys(replaying, totalMs, marks);
  const names = namesOf(recording);
  useEffect(() => {
    document.title = `${words.past.player.title(names[0], names[1])} · bartizan`;
  });
  const failed = state?.is === "failed";
  const toList = () => navigate("/recordings");
  return (
    <Box className="replay-page">
      <Group px="md" py={8} gap="sm" style={{ borderBottom: "1px solid var(--mantine-color-default-border)" }}>
        <Tooltip label={words.past.player.back}>
          <ActionIcon
            component={Link}
            href="/recordings"
            variant="subtle"
            color="gray"
            aria-label={words.past.player.back}
          >
            <Icon name="back" />
          </ActionIcon>
        </Tooltip>
        <Title order={1} size="h4" lineClamp={1}>
          {recording === undefined ? printable(id, 60) : words.past.player.title(names[0], names[1])}
        </Title>
        {recording !== undefined && <RecordingStateMark recording={recording} />}
        {!failed && <Marks state={state} />}
        <Box flex={1} />
        {recording !== undefined && (
          <>
            <Button
              size="compact-sm"
              variant="default"
              leftSection={<Icon name="seal" size={15} />}
              onClick={() => setVerified(recording)}
              visibleFrom="sm"
            >
              {words.past.recordings.verify}
            </Button>
            <RecordingMenu
              recording={recording}
              onVerify={setVerified}
              onDownload={download.start}
              onDelete={setDeleted}
            />
          </>
        )}
      </Group>
      <DownloadMark download={download} />
      <Warning recording={recording} />
      <Said replaying={replaying} state={state} />
      {failed && (
        <Failed
          error={state.error}
          listed={got.isError ? undefined : got.data?.recording}
          retry={() => setRound(round + 1)}
        />
      )}
      <div className="replay-body" hidden={failed}>
        <div className="replay-main">
          <Box className="stage" data-testid="stage" data-is={state?.is} data-seek-ms={state?.seekMs?.toFixed(1)}>
            <Box
              pos="absolute"
              inset={12}
              ref={box}
              role={screenReader ? "region" : "img"}
              aria-label={words.past.player.screen(names[0], names[1])}
            />
            <StageNote state={state} />
          </Box>
          {replaying !== undefined && state !== undefined && (
            <PlayerBar replaying={replaying} state={state} totalMs={totalMs} marks={marks}>
              {session !== undefined && mayWatch(session) && (
                <Button
                  component={Link}
                  href={`/watch/${encodeURIComponent(session.id)}`}
                  size="compact-sm"
                  color="red.9"
                  leftSection={<span className="live-dot" />}
                >
                  {words.past.player.live}
                </Button>
              )}
            </PlayerBar>
          )}
        </div>
        <ReplayPanel replaying={replaying} commands={commands} marks={marks} recording={recording} totalMs={totalMs} />
      </div>
      <VerifyDialog recording={verified} onClose={() => setVerified(undefined)} />
      <DeleteRecordingDialog recording={deleted} onClose={() => setDeleted(undefined)} onDeleted={toList} />
    </Box>
  );
}

function Marks({ state }: { state: ReplayingState | undefined }) {
  const words = useWords();
  const { size } = state ?? {};
  return (
    <>
      <Tooltip
        label={words.past.player.muteHint}
        multiline
        maw={280}
        events={{ hover: true, focus: true, touch: true }}
      >
        <Badge
          variant="light"
          color="gray"
          tt="none"
          tabIndex={0}
          data-testid="muted"
          leftSection={<Icon name="hands-off" size={14} />}
        >
          {words.watch.muted}
        </Badge>
      </Tooltip>
      {size !== undefined && (
        <Text size="sm" c="dimmed" data-testid="size">
          {words.watch.size(size.cols, size.rows)}
        </Text>
      )}
    </>
  );
}

function StageNote({ state }: { state: ReplayingState | undefined }) {
  const words = useWords();
  if (state === undefined || (state.is === "waiting" && state.recording === undefined))
    return (
      <Text className="stage-note" role="status">
        {words.past.player.opening}
      </Text>
    );
  return null;
}

/** What must be known before one believes the screen. */
function Warning({ recording }: { recording: Recording | undefined }) {
  const words = useWords().past.player;
  const state = recording === undefined ? "sealed" : stateWordOf(recording);
  if (state !== "damaged" && state !== "incomplete") return null;
  return (
    <Alert color="orange" variant="light" radius={0} py={8} icon={<Icon name="alert" />} data-testid="warning">
      {words[state]}
    </Alert>
  );
}

function Failed(props: { error: unknown; listed: Recording | undefined; retry(): void }) {
  const words = useWords().past.player;
  if (faultOf(props.error).word !== "not-found") return <FaultPanel error={props.error} retry={props.retry} />;
  const gone = props.listed !== undefined;
  return (
    <StatePanel
      icon="film"
      title={gone ? words.goneTitle : words.missingTitle}
      text={gone ? words.gone : words.missing}
    >
      <Button component={Link} href="/recordings">
        {words.back}
      </Button>
    </StatePanel>
  );
}

/** For screen readers: what changed, once. */
function Said({ replaying, state }: { replaying: Replaying | undefined; state: ReplayingState | undefined }) {
  const words = useWords().past.player;
  let text = "";
  if (state?.is === "playing") text = words.said.playing;
  else if (state?.is === "paused") text = words.said.paused(clockWords(replaying?.atMs() ?? 0));
  else if (state?.is === "ended") text = words.said.ended;
  else if (state?.is === "live-edge") text = words.edge;
  return <VisuallyHidden role="status">{text}</VisuallyHidden>;
}

function namesOf(recording: Recording | undefined): [operator: string, target: string] {
  return recording === undefined ? ["…", "…"] : [operatorOf(recording), printable(recording.target, 80)];
}

/** How much of a session that runs there is by its last sign of life; 0 for none. */
function shownMs(session: SessionInfo | undefined): number {
  return session === undefined ? 0 : Math.max(0, activeAtMs(session) - openedAtMs(session));
}

function never(): () => void {
  return () => {};
}
