/** The caller's API tokens: what there are, a way to make one, and a way to end one; everybody's for who may manage them. */

import { timestampMs } from "@bufbuild/protobuf/wkt";
import { Button, Container, Group, Paper, Skeleton, Stack, Switch, Table, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { printable } from "../../proto/client/index.ts";
import type { ApiToken } from "../../proto/gen/bartizan/v1/access_pb.ts";
import { FaultPanel } from "../parts/fault-panel.tsx";
import { useWords } from "../parts/language.tsx";
import { MakeTokenDialog } from "../parts/make-token-dialog.tsx";
import { useNow } from "../parts/now.tsx";
import { usePage } from "../parts/page-context.tsx";
import { RevokeTokenDialog } from "../parts/revoke-token-dialog.tsx";
import { mayManageTokens } from "../parts/rights.ts";
import { StatePanel } from "../parts/state-panel.tsx";
import { When } from "../parts/when.tsx";

export function TokensPage() {
  const words = useWords();
  const { api, who } = usePage();
  const [all, setAll] = useState(false);
  const [making, setMaking] = useState(false);
  const [revoking, setRevoking] = useState<ApiToken>();
  const list = useQuery({
    queryKey: ["tokens", who.name, all],
    queryFn: ({ signal }) => api.clients.access.listTokens({ all }, { signal }),
    staleTime: 0,
  });
  const tokens = list.data?.tokens ?? [];
  return (
    <Container size="lg" py="lg">
      <Stack gap="md">
        <Group justify="space-between">
          <Title order={1} size="h2">
            {words.identity.tokens.title}
          </Title>
          <Group>
            {mayManageTokens(who) && (
              <Switch
                label={words.identity.tokens.all}
                checked={all}
                onChange={(event) => setAll(event.currentTarget.checked)}
              />
            )}
            <Button onClick={() => setMaking(true)}>{words.identity.tokens.make}</Button>
          </Group>
        </Group>
        <Text c="dimmed">{words.identity.tokens.explain}</Text>
        {list.isPending && <Skeleton height={120} role="status" aria-label={words.connection.loading} />}
        {list.isError && <FaultPanel error={list.error} retry={() => void list.refetch()} />}
        {list.isSuccess && tokens.length === 0 && (
          <StatePanel icon="seal" title={words.identity.tokens.emptyTitle} text={words.identity.tokens.empty} />
        )}
        {tokens.length > 0 && <Tokens tokens={tokens} onRevoke={setRevoking} />}
      </Stack>
      <MakeTokenDialog opened={making} onClose={() => setMaking(false)} />
      <RevokeTokenDialog token={revoking} onClose={() => setRevoking(undefined)} />
    </Container>
  );
}

function Tokens({ tokens, onRevoke }: { tokens: readonly ApiToken[]; onRevoke(token: ApiToken): void }) {
  const words = useWords().identity.tokens;
  return (
    <Paper withBorder style={{ overflowX: "auto" }}>
      <Table verticalSpacing="xs" aria-label={words.title}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{words.purpose}</Table.Th>
            <Table.Th>{words.owner}</Table.Th>
            <Table.Th>{words.roles}</Table.Th>
            <Table.Th>{words.expires}</Table.Th>
            <Table.Th>{words.used}</Table.Th>
            <Table.Th ta="end">{words.actions}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {tokens.map((token) => (
            <Row key={token.id} token={token} onRevoke={() => onRevoke(token)} />
          ))}
        </Table.Tbody>
      </Table>
    </Paper>
  );
}

function Row({ token, onRevoke }: { token: ApiToken; onRevoke(): void }) {
  const words = useWords().identity.tokens;
  const nowMs = useNow();
  const purpose = printable(token.label, 100);
  const untilMs = token.expiresAt === undefined ? 0 : timestampMs(token.expiresAt);
  const labels = Object.entries(token.scope?.labels ?? {}).map((label) => label.join("="));
  const only = [...(token.scope?.actions ?? []), ...(token.scope?.targets ?? []), ...labels].join(" ");
  return (
    <Table.Tr data-testid="token" data-token={token.id}>
      <Table.Td maw={320}>
        <Text fw={500} truncate>
          {purpose}
        </Text>
        <Text size="xs" c="dimmed" truncate>
          {token.login ? words.login : token.id}
        </Text>
      </Table.Td>
      <Table.Td>{printable(token.owner, 100)}</Table.Td>
      <Table.Td maw={260}>
        <Text size="sm">{token.roles.join(", ")}</Text>
        <Text size="xs" c="dimmed" truncate title={printable(only, 500)}>
          {printable(only, 200)}
        </Text>
      </Table.Td>
      <Table.Td style={{ whiteSpace: "nowrap" }}>{untilMs <= nowMs ? words.over : <When atMs={untilMs} />}</Table.Td>
      <Table.Td style={{ whiteSpace: "nowrap" }}>
        {token.lastUsedAt === undefined ? words.never : <When atMs={timestampMs(token.lastUsedAt)} />}
        {token.lastUsedFrom !== "" && (
          <Text size="xs" c="dimmed">
            {words.from(printable(token.lastUsedFrom, 60))}
          </Text>
        )}
      </Table.Td>
      <Table.Td ta="end">
        <Button size="compact-sm" variant="default" onClick={onRevoke} aria-label={words.revokeOf(purpose)}>
          {words.revoke}
        </Button>
      </Table.Td>
    </Table.Tr>
  );
}
