/** Sets a lock: on whom, where, how long, and why. */

import { Alert, Button, Checkbox, Group, Modal, Select, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { faultOf } from "../../proto/client/index.ts";
import { useFaultWords } from "./fault-words.ts";
import { useWords } from "./language.tsx";
import { LockSpan, untilPart } from "./lock-span.tsx";
import { usePage } from "./page-context.tsx";

const roles = ["operator", "auditor", "admin"];
const hourMs = 3_600_000;
/** As long as a kick: sessions may have to be ended on other nodes. */
const timeoutMs = 20_000;

export function LockDialog({ opened, onClose }: { opened: boolean; onClose(): void }) {
  const words = useWords().locks;
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      title={words.make}
      centered
      closeButtonProps={{ "aria-label": words.close }}
    >
      {opened && <Wish onClose={onClose} />}
    </Modal>
  );
}

function Wish({ onClose }: { onClose(): void }) {
  const words = useWords().locks;
  const { api } = usePage();
  const queries = useQueryClient();
  const [user, setUser] = useState("");
  const [role, setRole] = useState("");
  const [target, setTarget] = useState("");
  const [reason, setReason] = useState("");
  const [spanMs, setSpanMs] = useState<number | undefined>(hourMs);
  const [endSessions, setEndSessions] = useState(false);
  const [everybody, setEverybody] = useState(false);
  const [tried, setTried] = useState(false);
  const narrowed = user.trim() !== "" || role !== "" || target.trim() !== "";
  const unsaid = !everybody && !narrowed;
  const lock = useMutation({
    mutationFn: () =>
      api.clients.locks.setLock(
        {
          ...{ user: user.trim(), role, target: target.trim(), reason: reason.trim(), endSessions },
          ...untilPart(spanMs),
        },
        { timeoutMs },
      ),
    onSuccess: () => queries.invalidateQueries(),
  });
  const fault = useFaultWords(faultOf(lock.error));
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (reason.trim() !== "" && !unsaid && !lock.isPending) lock.mutate();
  };
  if (lock.data !== undefined)
    return (
      <Stack>
        <Alert color="teal" variant="light" role="status" data-testid="lock-set">
          <Text>{words.kick.set}</Text>
          {endSessions && <Text>{words.ended(lock.data.sessionsEnded)}</Text>}
          {lock.data.unknownName && <Text>{words.unknownName}</Text>}
          {lock.data.notEverywhere && <Text>{words.notEverywhere}</Text>}
        </Alert>
        <Group justify="flex-end">
          <Button onClick={onClose} data-autofocus>
            {words.close}
          </Button>
        </Group>
      </Stack>
    );
  return (
    <form onSubmit={submit} noValidate autoComplete="off">
      <Stack>
        <TextInput
          label={words.user}
          description={words.userHint}
          data-autofocus
          disabled={everybody}
          spellCheck={false}
          value={user}
          onChange={(event) => setUser(event.currentTarget.value)}
        />
        <Select
          label={words.role}
          disabled={everybody}
          allowDeselect={false}
          data={[{ value: "", label: words.anyRole }, ...roles.map((each) => ({ value: each, label: each }))]}
          value={role}
          onChange={(value) => setRole(value ?? "")}
        />
        <TextInput
          label={words.target}
          description={words.targetHint}
          disabled={everybody}
          spellCheck={false}
          value={target}
          onChange={(event) => setTarget(event.currentTarget.value)}
        />
        <Checkbox
          label={words.forEverybody}
          disabled={narrowed}
          checked={everybody}
          error={tried && unsaid ? words.unsaid : undefined}
          onChange={(event) => setEverybody(event.currentTarget.checked)}
        />
        {everybody && (
          <Alert color="orange" variant="light" role="status">
            {words.all}
          </Alert>
        )}
        <LockSpan value={spanMs} onChange={setSpanMs} />
        <TextInput
          label={words.reason}
          description={words.reasonHint}
          required
          maxLength={500}
          value={reason}
          error={tried && reason.trim() === "" ? words.reasonNeeded : undefined}
          onChange={(event) => setReason(event.currentTarget.value)}
        />
        <Checkbox
          label={words.endSessions}
          checked={endSessions}
          onChange={(event) => setEndSessions(event.currentTarget.checked)}
        />
        {lock.isError && (
          <Alert color="orange" variant="light" role="alert">
            <Text>{fault.what}</Text>
            <Text size="sm">{fault.original || fault.todo}</Text>
          </Alert>
        )}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            {words.cancel}
          </Button>
          <Button type="submit" color="red" loading={lock.isPending}>
            {words.confirm}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
