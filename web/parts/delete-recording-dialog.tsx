/** Asks an admin for the reason, and deletes a recording for good. */

import { Alert, Button, Group, Modal, Stack, Text, Textarea } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { faultOf, printable } from "../../proto/client/index.ts";
import type { Recording } from "../../proto/gen/bartizan/v1/recording_pb.ts";
import { useWords } from "./language.tsx";
import { usePage } from "./page-context.tsx";
import { operatorOf } from "./phrases.ts";

const longestReason = 500;

export interface DeleteRecordingDialogProps {
  /** Which; undefined: the dialog is closed. */
  readonly recording: Recording | undefined;
  onClose(): void;
  /** It is gone. */
  onDeleted?(): void;
}

export function DeleteRecordingDialog({ recording, onClose, onDeleted }: DeleteRecordingDialogProps) {
  const words = useWords().past.remove;
  const done = () => {
    onClose();
    onDeleted?.();
  };
  return (
    <Modal
      opened={recording !== undefined}
      onClose={onClose}
      title={recording && words.title(operatorOf(recording), printable(recording.target, 80))}
      centered
      closeButtonProps={{ "aria-label": words.close }}
    >
      {recording !== undefined && <Asking key={recording.id} recording={recording} onCancel={onClose} onDone={done} />}
    </Modal>
  );
}

function Asking({ recording, onCancel, onDone }: { recording: Recording; onCancel(): void; onDone(): void }) {
  const words = useWords().past.remove;
  const { api } = usePage();
  const queries = useQueryClient();
  const [reason, setReason] = useState("");
  const [missing, setMissing] = useState(false);
  const removal = useMutation({
    mutationFn: () => api.clients.recordings.deleteRecording({ id: recording.id, reason: reason.trim() }),
    onSuccess: () => {
      onDone();
      return queries.invalidateQueries();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (reason.trim() === "") setMissing(true);
    else if (!removal.isPending) removal.mutate();
  };
  const fault = faultOf(removal.error);
  return (
    <form onSubmit={submit} noValidate>
      <Stack>
        <Text size="sm">{words.explain}</Text>
        <Textarea
          label={words.reason}
          description={words.reasonHint}
          required
          data-autofocus
          autosize
          minRows={2}
          maxRows={6}
          maxLength={longestReason}
          value={reason}
          disabled={removal.isPending}
          error={missing ? words.reasonNeeded : undefined}
          onChange={(event) => {
            setReason(event.currentTarget.value);
            setMissing(false);
          }}
          onKeyDown={(event) => {
            if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) submit(event);
          }}
        />
        {removal.isError && (
          <Alert color="orange" variant="light" role="alert">
            <Text>{printable(fault.message)}</Text>
            <Text size="sm">{printable(fault.hint)}</Text>
          </Alert>
        )}
        <Group justify="flex-end">
          <Button variant="default" onClick={onCancel}>
            {words.cancel}
          </Button>
          <Button type="submit" color="red" loading={removal.isPending}>
            {words.confirm}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
