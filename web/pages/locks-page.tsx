/** The locks in force: what there are, a way to set one, and a way to lift one, for who may. */

import { timestampMs } from "@bufbuild/protobuf/wkt";
import { Alert, Button, Container, Group, Modal, Paper, Skeleton, Stack, Table, Text, Title } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { faultOf, printable } from "../../proto/client/index.ts";
import type { Lock } from "../../proto/gen/bartizan/v1/lock_pb.ts";
import { FaultPanel } from "../parts/fault-panel.tsx";
import { useFaultWords } from "../parts/fault-words.ts";
import { useWords } from "../parts/language.tsx";
import { LockDialog } from "../parts/lock-dialog.tsx";
import { usePage } from "../parts/page-context.tsx";
import { mayLock } from "../parts/rights.ts";
import { StatePanel } from "../parts/state-panel.tsx";
import { When } from "../parts/when.tsx";

const againMs = 10_000;

export function LocksPage() {
  const words = useWords();
  const { api, who } = usePage();
  const [making, setMaking] = useState(false);
  const [lifting, setLifting] = useState<Lock>();
  const list = useQuery({
    queryKey: ["locks", who.name],
    queryFn: ({ signal }) => api.clients.locks.listLocks({}, { signal }),
    staleTime: 0,
    refetchInterval: againMs,
  });
  const locks = list.data?.locks ?? [];
  return (
    <Container size="lg" py="lg">
      <Stack gap="md">
        <Group justify="space-between">
          <Title order={1} size="h2">
            {words.locks.title}
          </Title>
          {mayLock(who) && (
            <Button color="red" variant="light" onClick={() => setMaking(true)}>
              {words.locks.make}
            </Button>
          )}
        </Group>
        <Text c="dimmed">{words.locks.explain}</Text>
        {list.isPending && <Skeleton height={120} role="status" aria-label={words.connection.loading} />}
        {list.isError && <FaultPanel error={list.error} retry={() => void list.refetch()} />}
        {list.data?.stale === true && (
          <Alert color="orange" variant="light" role="status">
            {words.locks.stale}
          </Alert>
        )}
        {list.isSuccess && locks.length === 0 && (
          <StatePanel
            icon="seal"
            title={words.locks.emptyTitle}
            text={mayLock(who) ? words.locks.empty : words.locks.emptyMine}
          />
        )}
        {locks.length > 0 && <Locks locks={locks} onLift={setLifting} />}
      </Stack>
      <LockDialog opened={making} onClose={() => setMaking(false)} />
      <LiftDialog lock={lifting} onClose={() => setLifting(undefined)} />
    </Container>
  );
}

function Locks({ locks, onLift }: { locks: readonly Lock[]; onLift(lock: Lock): void }) {
  const words = useWords().locks;
  const { who } = usePage();
  return (
    <Paper withBorder style={{ overflowX: "auto" }}>
      <Table verticalSpacing="xs" aria-label={words.title}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{words.who}</Table.Th>
            <Table.Th>{words.where}</Table.Th>
            <Table.Th>{words.until}</Table.Th>
            <Table.Th>{words.by}</Table.Th>
            <Table.Th>{words.reason}</Table.Th>
            {mayLock(who) && <Table.Th ta="end">{words.actions}</Table.Th>}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {locks.map((lock) => (
            <Table.Tr key={lock.id} data-testid="lock" data-lock={lock.id}>
              <Table.Td>{whom(words, lock)}</Table.Td>
              <Table.Td>{printable(lock.target, 100) || words.everywhere}</Table.Td>
              <Table.Td style={{ whiteSpace: "nowrap" }}>
                {lock.until === undefined ? words.lifted : <When atMs={timestampMs(lock.until)} />}
              </Table.Td>
              <Table.Td>{printable(lock.by, 100)}</Table.Td>
              <Table.Td style={{ overflowWrap: "anywhere" }}>{printable(lock.reason, 500)}</Table.Td>
              {mayLock(who) && (
                <Table.Td ta="end">
                  <Button
                    size="compact-sm"
                    variant="default"
                    onClick={() => onLift(lock)}
                    aria-label={words.liftOf(printable(lock.reason, 60))}
                  >
                    {words.lift}
                  </Button>
                </Table.Td>
              )}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Paper>
  );
}

function whom(words: ReturnType<typeof useWords>["locks"], { user, role }: Lock): string {
  const name = printable(user, 100);
  if (role === "") return name || words.everybody;
  return name === "" ? words.withRole(role) : words.asRole(name, role);
}

function LiftDialog({ lock, onClose }: { lock: Lock | undefined; onClose(): void }) {
  const words = useWords().locks;
  return (
    <Modal
      opened={lock !== undefined}
      onClose={onClose}
      title={words.liftTitle}
      centered
      closeButtonProps={{ "aria-label": words.close }}
    >
      {lock !== undefined && <Asking key={lock.id} lock={lock} onClose={onClose} />}
    </Modal>
  );
}

function Asking({ lock, onClose }: { lock: Lock; onClose(): void }) {
  const words = useWords().locks;
  const { api } = usePage();
  const queries = useQueryClient();
  const lift = useMutation({
    mutationFn: () => api.clients.locks.liftLock({ id: lock.id }),
    onSuccess: () => {
      onClose();
      return queries.invalidateQueries();
    },
  });
  const fault = useFaultWords(faultOf(lift.error));
  return (
    <Stack>
      <Text fw={500} style={{ overflowWrap: "anywhere" }}>
        {printable(lock.reason, 500)}
      </Text>
      <Text size="sm">{words.liftExplain}</Text>
      {lift.isError && (
        <Alert color="orange" variant="light" role="alert">
          {fault.what}
        </Alert>
      )}
      <Group justify="flex-end">
        <Button variant="default" onClick={onClose} data-autofocus>
          {words.cancel}
        </Button>
        <Button loading={lift.isPending} onClick={() => lift.mutate()}>
          {words.liftConfirm}
        </Button>
      </Group>
    </Stack>
  );
}
