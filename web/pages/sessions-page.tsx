/** Who has a shell where: a list that keeps itself up to date, with what one may do to each. */

import {
  Alert,
  Button,
  Container,
  Group,
  Paper,
  SegmentedControl,
  Skeleton,
  Stack,
  Switch,
  Text,
  TextInput,
  Title,
} from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { useMemo, useState, useSyncExternalStore } from "react";
import { useLocation } from "wouter";
import { type SessionInfo, SessionState } from "../../proto/client/index.ts";
import { Icon } from "../parts/icons.tsx";
import { KickDialog } from "../parts/kick-dialog.tsx";
import { useWords } from "../parts/language.tsx";
import { NowProvider } from "../parts/now.tsx";
import { usePage } from "../parts/page-context.tsx";
import { isOwn } from "../parts/rights.ts";
import { SessionCards } from "../parts/session-cards.tsx";
import { SessionTable } from "../parts/session-table.tsx";
import { type SessionSort, sortSessions } from "../parts/sort-sessions.ts";
import { StatePanel } from "../parts/state-panel.tsx";

export function SessionsPage() {
  const words = useWords();
  const { feed, who } = usePage();
  const [, navigate] = useLocation();
  const { kind, sessions, fault } = useSyncExternalStore(feed.subscribe, () => feed.state);
  const [search, setSearch] = useState("");
  const [whose, setWhose] = useState("all");
  const [withEnded, setWithEnded] = useState(true);
  const [sort, setSort] = useState<SessionSort>({ by: "since", descending: true });
  const [kicked, setKicked] = useState<SessionInfo>();
  const wide = useMediaQuery("(min-width: 62em)", true);

  const live = sessions.filter(({ state }) => state !== SessionState.ENDED).length;
  const shown = useMemo(() => {
    const sought = search.toLowerCase().split(/\s+/).filter(Boolean);
    const fitting = sessions.filter(
      (session) =>
        (withEnded || session.state !== SessionState.ENDED) &&
        (whose === "all" || isOwn(who, session)) &&
        sought.every((word) => textOf(session).includes(word)),
    );
    return sortSessions(fitting, sort);
  }, [sessions, search, whose, withEnded, sort, who]);

  return (
    <Container size="xl" py="lg">
      <Stack gap="md">
        <Group justify="space-between">
          <Title order={1} size="h2">
            {words.sessions.title}
          </Title>
          <Text size="sm" c="dimmed" role="status" data-testid="live-count">
            {kind !== "loading" && words.sessions.live(live)}
          </Text>
        </Group>
        <Group gap="sm">
          <TextInput
            flex={1}
            miw={200}
            placeholder={words.sessions.search}
            aria-label={words.sessions.searchLabel}
            leftSection={<Icon name="search" />}
            value={search}
            onChange={(event) => setSearch(event.currentTarget.value)}
          />
          <SegmentedControl
            value={whose}
            onChange={setWhose}
            data={[
              { value: "all", label: words.sessions.all },
              { value: "mine", label: words.sessions.mine },
            ]}
          />
          <Switch
            label={words.sessions.ended}
            checked={withEnded}
            onChange={(event) => setWithEnded(event.currentTarget.checked)}
          />
        </Group>
        {kind === "stale" && (
          <Alert color="orange" variant="light" icon={<Icon name="alert" />}>
            {words.sessions.stale}
          </Alert>
        )}
        {kind === "loading" && fault === undefined && (
          <Skeleton height={180} role="status" aria-label={words.connection.loading} />
        )}
        {kind === "loading" && fault !== undefined && (
          <StatePanel icon="alert" title={words.access.unreachable} text={words.access.unreachableHint} alert />
        )}
        {kind !== "loading" && shown.length === 0 && (
          <Nothing filtered={sessions.length > 0} toTargets={() => navigate("/")} />
        )}
        {shown.length > 0 && (
          <NowProvider>
            {wide ? (
              <Paper withBorder style={{ overflow: "auto" }}>
                <SessionTable sessions={shown} sort={sort} onSort={setSort} onKick={setKicked} />
              </Paper>
            ) : (
              <SessionCards sessions={shown} onKick={setKicked} />
            )}
          </NowProvider>
        )}
      </Stack>
      <KickDialog session={kicked} onClose={() => setKicked(undefined)} />
    </Container>
  );
}

function Nothing({ filtered, toTargets }: { filtered: boolean; toTargets(): void }) {
  const words = useWords();
  if (filtered) return <StatePanel icon="search" title={words.sessions.noneTitle} text={words.sessions.none} />;
  return (
    <StatePanel icon="sessions" title={words.sessions.emptyTitle} text={words.sessions.empty}>
      <Button onClick={toTargets}>{words.sessions.emptyAction}</Button>
    </StatePanel>
  );
}

function textOf(session: SessionInfo): string {
  return [session.operator?.name, session.target, session.targetUser, session.id, session.node]
    .join("\n")
    .toLowerCase();
}
