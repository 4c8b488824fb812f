/** Stops a session's input after asking why, or gives it back; only for who may. */

import { Alert, Button, Group, Modal, Stack, Text, Textarea } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { faultOf, printable, type SessionInfo } from "../../proto/client/index.ts";
import { useFaultWords } from "./fault-words.ts";
import { Icon } from "./icons.tsx";
import { useWords } from "./language.tsx";
import { usePage } from "./page-context.tsx";
import { operatorOf } from "./phrases.ts";
import { mayFreeze } from "./rights.ts";

export interface FreezeButtonProps {
  readonly session: SessionInfo;
  readonly frozen: boolean;
}

export function FreezeButton({ session, frozen }: FreezeButtonProps) {
  const words = useWords().locks;
  const { api } = usePage();
  const [asking, setAsking] = useState(false);
  const giveBack = useMutation({ mutationFn: () => api.clients.sessions.unfreeze({ sessionId: session.id }) });
  if (!mayFreeze(session)) return null;
  const target = printable(session.target, 80);
  const look = {
    size: "compact-sm",
    variant: frozen ? "filled" : "light",
    color: "indigo",
    leftSection: <Icon name={frozen ? "play" : "pause"} size={14} />,
  } as const;
  return (
    <>
      {frozen ? (
        <Button
          {...look}
          loading={giveBack.isPending}
          aria-label={words.freeze.backOf(session.id, target)}
          onClick={() => giveBack.mutate()}
        >
          {words.freeze.back}
        </Button>
      ) : (
        <Button {...look} aria-label={words.freeze.actionOf(session.id, target)} onClick={() => setAsking(true)}>
          {words.freeze.action}
        </Button>
      )}
      <Modal
        opened={asking}
        onClose={() => setAsking(false)}
        title={words.freeze.title(operatorOf(session), target)}
        centered
        closeButtonProps={{ "aria-label": words.close }}
      >
        {asking && <Asking session={session} onClose={() => setAsking(false)} />}
      </Modal>
    </>
  );
}

function Asking({ session, onClose }: { session: SessionInfo; onClose(): void }) {
  const words = useWords();
  const { api } = usePage();
  const [reason, setReason] = useState("");
  const [missing, setMissing] = useState(false);
  const freeze = useMutation({
    mutationFn: () => api.clients.sessions.freeze({ sessionId: session.id, reason: reason.trim() }),
    onSuccess: onClose,
  });
  const fault = useFaultWords(faultOf(freeze.error));
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (reason.trim() === "") setMissing(true);
    else if (!freeze.isPending) freeze.mutate();
  };
  return (
    <form onSubmit={submit} noValidate>
      <Stack>
        <Text size="sm">{words.locks.freeze.explain}</Text>
        <Textarea
          label={words.kick.reason}
          description={words.kick.reasonHint}
          required
          data-autofocus
          autosize
          minRows={2}
          maxRows={6}
          maxLength={500}
          value={reason}
          error={missing ? words.kick.reasonNeeded : undefined}
          onChange={(event) => {
            setReason(event.currentTarget.value);
            setMissing(false);
          }}
        />
        {freeze.isError && (
          <Alert color="orange" variant="light" role="alert">
            {fault.what}
          </Alert>
        )}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            {words.locks.cancel}
          </Button>
          <Button type="submit" color="indigo" loading={freeze.isPending}>
            {words.locks.freeze.confirm}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
