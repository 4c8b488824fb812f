/** Has a recording verified and tells the verdict: what it proves, and what it does not. */

import { Alert, Button, Code, Group, Loader, Modal, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { printable } from "../../proto/client/index.ts";
import { type Recording, Verdict, type VerifyRecordingsResponse } from "../../proto/gen/bartizan/v1/recording_pb.ts";
import { stateWordOf } from "../recording-facts.ts";
import { FaultPanel } from "./fault-panel.tsx";
import { Icon, type IconName } from "./icons.tsx";
import { useWords } from "./language.tsx";
import { usePage } from "./page-context.tsx";
import { operatorOf } from "./phrases.ts";

export interface VerifyDialogProps {
  /** Which; undefined: the dialog is closed. */
  readonly recording: Recording | undefined;
  onClose(): void;
}

export function VerifyDialog({ recording, onClose }: VerifyDialogProps) {
  const words = useWords().past.verify;
  return (
    <Modal
      opened={recording !== undefined}
      onClose={onClose}
      title={recording && words.title(operatorOf(recording), printable(recording.target, 80))}
      size="lg"
      centered
      closeButtonProps={{ "aria-label": words.close }}
    >
      {recording !== undefined && <Verifying key={recording.id} recording={recording} onClose={onClose} />}
    </Modal>
  );
}

function Verifying({ recording, onClose }: { recording: Recording; onClose(): void }) {
  const words = useWords().past.verify;
  const { api } = usePage();
  // Each look is an act that the audit log keeps: made when asked for, never by itself.
  const check = useQuery({
    queryKey: ["verify", recording.id],
    queryFn: async ({ signal }) => {
      let told: VerifyRecordingsResponse | undefined;
      for await (const answer of api.clients.recordings.verifyRecordings(
        { id: recording.id },
        { signal, timeoutMs: 0 },
      ))
        told = answer;
      if (told === undefined) throw new Error("The server gave no verdict.");
      return told;
    },
    ...{ gcTime: 0, staleTime: Number.POSITIVE_INFINITY, retry: false },
    ...{ refetchOnWindowFocus: false, refetchOnReconnect: false },
  });
  return (
    <Stack>
      {check.isFetching ? (
        <Group gap="sm" role="status" wrap="nowrap">
          <Loader size="sm" />
          <Text>{words.working}</Text>
        </Group>
      ) : check.data === undefined ? (
        <FaultPanel error={check.error} />
      ) : (
        <Told answer={check.data} recording={recording} />
      )}
      <Group justify="flex-end">
        {!check.isFetching && (
          <Button variant="default" onClick={() => void check.refetch()}>
            {words.again}
          </Button>
        )}
        <Button onClick={onClose} data-autofocus>
          {words.close}
        </Button>
      </Group>
    </Stack>
  );
}

type VerdictWord =
  | "complete"
  | "live"
  | "fresh"
  | "incomplete"
  | "gap"
  | "altered"
  | "unsigned"
  | "missing"
  | "unknown";

const looks: Readonly<Record<VerdictWord, { color: string; icon: IconName }>> = {
  complete: { color: "teal", icon: "seal" },
  live: { color: "teal", icon: "seal" },
  fresh: { color: "cyan", icon: "seal" },
  incomplete: { color: "orange", icon: "alert" },
  gap: { color: "orange", icon: "alert" },
  altered: { color: "red", icon: "alert" },
  unsigned: { color: "orange", icon: "alert" },
  missing: { color: "red", icon: "alert" },
  unknown: { color: "orange", icon: "alert" },
};

function Told({ answer, recording }: { answer: VerifyRecordingsResponse; recording: Recording }) {
  const words = useWords().past.verify;
  const verdict = wordOf(answer.verdict, recording);
  const { color, icon } = looks[verdict];
  return (
    <Stack gap="sm">
      <Alert
        color={color}
        variant="light"
        role="status"
        icon={<Icon name={icon} />}
        title={words.verdicts[verdict]}
        data-testid="verdict"
        data-verdict={verdict}
      >
        <Text size="sm">{words.meanings[verdict]}</Text>
        {answer.detail !== "" && (
          <Text size="sm" mt={4} ff="monospace">
            {printable(answer.detail)}
          </Text>
        )}
      </Alert>
      {recording.seal !== "" && (
        <Text size="sm" c="dimmed">
          {words.seal}: <Code style={{ overflowWrap: "anywhere" }}>{printable(recording.seal, 64)}</Code>
        </Text>
      )}
      <Text size="sm" c="dimmed">
        {words.limits}
      </Text>
    </Stack>
  );
}

function wordOf(verdict: Verdict, recording: Recording): VerdictWord {
  switch (verdict) {
    case Verdict.COMPLETE:
      return "complete";
    case Verdict.INCOMPLETE:
      return stateWordOf(recording) === "live" ? "live" : "incomplete";
    case Verdict.GAP:
      return "gap";
    case Verdict.ALTERED:
      return "altered";
    case Verdict.UNSIGNED:
      // The first seal comes within a second of the first output.
      return stateWordOf(recording) === "live" ? "fresh" : "unsigned";
    case Verdict.MISSING:
      return "missing";
    default:
      return "unknown";
  }
}
