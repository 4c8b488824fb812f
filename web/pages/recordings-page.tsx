/** What was recorded, by its start, page by page: to be replayed, verified, downloaded and, by admins, deleted. */

import { useInfiniteQuery } from "@connectrpc/connect-query";
import { Button, Center, Container, Group, Paper, Skeleton, Stack, Text, Title } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { useEffect, useMemo, useState, useSyncExternalStore } from "react";
import { SessionState } from "../../proto/client/index.ts";
import { type Recording, RecordingService, RecordingState } from "../../proto/gen/bartizan/v1/recording_pb.ts";
import { DeleteRecordingDialog } from "../parts/delete-recording-dialog.tsx";
import { DownloadMark } from "../parts/download-mark.tsx";
import { FaultPanel } from "../parts/fault-panel.tsx";
import { useWords } from "../parts/language.tsx";
import { NowProvider } from "../parts/now.tsx";
import { usePage } from "../parts/page-context.tsx";
import { isNarrowed, labelsOf, type PastFilter, timeRange } from "../parts/past-filter.ts";
import { PastFilters } from "../parts/past-filters.tsx";
import { operatorOf } from "../parts/phrases.ts";
import { RecordingCards } from "../parts/recording-cards.tsx";
import { RecordingTable } from "../parts/recording-table.tsx";
import { StatePanel } from "../parts/state-panel.tsx";
import { useDownload } from "../parts/use-download.ts";
import { usePastFilter } from "../parts/use-past-filter.ts";
import { VerifyDialog } from "../parts/verify-dialog.tsx";

export function RecordingsPage() {
  const words = useWords().past.recordings;
  const filters = usePastFilter();
  const { list, recordings } = useRecordings(filters.asked);
  const [verified, setVerified] = useState<Recording>();
  const [deleted, setDeleted] = useState<Recording>();
  const download = useDownload();
  const wide = useMediaQuery("(min-width: 62em)", true);
  const operators = [...new Set(recordings.map(operatorOf))];
  const acts = { onVerify: setVerified, onDownload: download.start, onDelete: setDeleted };
  return (
    <Container size="xl" py="lg">
      <Stack gap="md">
        <Group justify="space-between">
          <Title order={1} size="h2">
            {words.title}
          </Title>
          <Text size="sm" c="dimmed" role="status" data-testid="recording-count">
            {list.data !== undefined && (list.hasNextPage ? words.countMore : words.count)(recordings.length)}
          </Text>
        </Group>
        <PastFilters use={filters} operators={operators} ofRecordings />
        <DownloadMark download={download} />
        {list.isPending && <Loading />}
        {list.isError && list.data === undefined && <FaultPanel error={list.error} retry={() => void list.refetch()} />}
        {list.data !== undefined && recordings.length === 0 && <Nothing filter={filters.filter} />}
        {recordings.length > 0 && (
          <NowProvider>
            {wide ? (
              <Paper withBorder style={{ overflow: "auto" }}>
                <RecordingTable recordings={recordings} {...acts} />
              </Paper>
            ) : (
              <RecordingCards recordings={recordings} {...acts} />
            )}
          </NowProvider>
        )}
        {list.hasNextPage && (
          <Center>
            <Button variant="default" loading={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
              {words.more}
            </Button>
          </Center>
        )}
      </Stack>
      <VerifyDialog recording={verified} onClose={() => setVerified(undefined)} />
      <DeleteRecordingDialog recording={deleted} onClose={() => setDeleted(undefined)} />
    </Container>
  );
}

/** A recording that the page still takes for live is asked about again so often. */
const sealingMs = 1000;

function useRecordings(filter: PastFilter) {
  const { feed } = usePage();
  const { sessions } = useSyncExternalStore(feed.subscribe, () => feed.state);
  // Once for each filter: a range that moves with the clock would be another question each time.
  const request = useMemo(
    () => ({
      ...{ operator: filter.operator.trim(), target: filter.target.trim(), labels: labelsOf(filter) ?? {} },
      ...{ cause: filter.cause === "any" ? "" : filter.cause, pageToken: "" },
      ...timeRange(filter, Date.now()),
    }),
    [filter],
  );
  const running = new Set(sessions.filter(({ state }) => state !== SessionState.ENDED).map(({ id }) => id));
  const list = useInfiniteQuery(RecordingService.method.listRecordings, request, {
    pageParamKey: "pageToken",
    getNextPageParam: ({ nextPageToken }) => nextPageToken || undefined,
    placeholderData: (before) => before,
    refetchInterval: ({ state }) =>
      state.data?.pages.some(({ recordings }) =>
        recordings.some((each) => each.state === RecordingState.LIVE && !running.has(each.sessionId)),
      )
        ? sealingMs
        : false,
  });
  const { refetch } = list;
  // A session that began or ended is a recording that is new or sealed.
  const news = sessions.map(({ id, state }) => `${id} ${state === SessionState.ENDED}`).join();
  // biome-ignore lint/correctness/useExhaustiveDependencies: the news are what makes it worth asking again
  useEffect(() => void refetch(), [news, refetch]);
  const recordings = useMemo(() => list.data?.pages.flatMap((page) => page.recordings) ?? [], [list.data]);
  return { list, recordings };
}

function Loading() {
  const words = useWords();
  return (
    <Stack role="status" aria-label={words.connection.loading}>
      {["a", "b", "c", "d"].map((key) => (
        <Skeleton key={key} height={44} />
      ))}
    </Stack>
  );
}

function Nothing({ filter }: { filter: PastFilter }) {
  const words = useWords().past.recordings;
  if (isNarrowed(filter)) return <StatePanel icon="search" title={words.noneTitle} text={words.none} />;
  return <StatePanel icon="film" title={words.emptyTitle} text={words.empty} />;
}
